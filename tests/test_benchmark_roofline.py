"""Bytes, peaks and memory, held to arithmetic."""

import resource

import pytest
import torch
from torch import nn

from msaseg.benchmark.memory import memory_limit, out_of_memory, peak_bytes
from msaseg.benchmark.precision import check, products_in
from msaseg.benchmark.roofline import Peaks, higher, measure_peaks, roofline, traffic
from msaseg.nets.net import SegmentationNet
from msaseg.records.cost import cost

CPU = torch.device("cpu")


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1)).eval()


def test_traffic_counts_weights_and_maps_of_the_convolutions_alone():
    pixels = 10 * 20
    weights = (3 * 8 * 9 + 8) + (8 * 2 + 2)
    maps = (3 + 8) * pixels + (8 + 2) * pixels
    assert traffic(small(), (10, 20), 4) == 4 * (weights + maps)
    assert traffic(small(), (10, 20), 2) == 2 * (weights + maps)


class WithBranch(SegmentationNet):
    """A layer, a factor, and a branch that only training runs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.branch = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 9, 1)
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return self.layer(images) * self.factor.abs()


def test_deployed_parameters_are_those_that_an_image_meets():
    counted = cost(WithBranch(), (10, 20))
    assert counted == {"params": 8 + 36 + 1, "params_deployed": 8 + 1, "macs": 3 * 2 * 200, "input_size": [10, 20]}


def test_bound_is_the_slower_of_the_two():
    by_memory = roofline(Peaks(1e9, 1e9), {"macs": 1_000_000}, 4_000_000, measured_ms=8.0)
    assert (by_memory["bound_ms"], by_memory["limited_by"], by_memory["times_bound"]) == (4.0, "memory", 2.0)
    by_compute = roofline(Peaks(1e9, 1e9), {"macs": 5_000_000}, 4_000_000, measured_ms=8.0)
    assert (by_compute["bound_ms"], by_compute["limited_by"]) == (5.0, "compute")


def test_peaks_follow_the_best_time_of_the_faster_product():
    times = iter([9.0, 2.0, 1.0, 9.0, 0.5, 2.0, 9.0, 4.0, 2.0])  # the first of each three is left out
    peaks = measure_peaks(CPU, torch.float32, lambda _: next(times), repeats=2)
    assert peaks == Peaks(256 * 256 * 9 * 64**2 / 0.5, 2 * 2**28 / 2.0)


def test_better_of_two_measurements_counts():
    assert higher(Peaks(1.0, 4.0), Peaks(2.0, 3.0)) == Peaks(2.0, 4.0)


def test_peak_of_a_forward_counts_weights_and_what_is_held_at_once():
    net, images = small(), torch.rand(1, 3, 256, 256)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in (*net.parameters(), *net.buffers()))
    map_bytes = 8 * 256 * 256 * 4
    with torch.inference_mode():
        net(images)
        peak = peak_bytes(net, lambda: net(images), CPU)
    assert weights + 2 * map_bytes <= peak <= weights + 5 * map_bytes


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="the limit is Linux's")
def test_too_large_an_allocation_is_an_error_and_the_limit_ends():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_limit(CPU), pytest.raises(RuntimeError) as caught:
        torch.empty(2**46, dtype=torch.uint8)
    assert out_of_memory(caught.value)
    with memory_limit(CPU):
        assert resource.getrlimit(resource.RLIMIT_DATA) != before
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_products_are_rounded_inside_only():
    before = torch.get_float32_matmul_precision()
    with products_in("tf32"):
        assert torch.get_float32_matmul_precision() == "high"
        with products_in("fp32"):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == before


def test_tf32_on_a_cpu_is_refused():
    check("bf16", CPU)
    with pytest.raises(ValueError, match="precision=tf32"):
        check("tf32", CPU)
