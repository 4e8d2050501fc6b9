"""What this CPU computes in bfloat16 is what it computes in float32, but for rounding."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

import msaseg  # noqa: F401 - keeps oneDNN from the kernels that are wrong

pytestmark = pytest.mark.skipif(not torch.cpu._is_avx512_bf16_supported(), reason="this CPU does not compute in bf16")


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(24, 12, 8, stride=8),  # as MSANet's and FCN-8's last
        nn.ConvTranspose2d(12, 12, 16, stride=8, padding=4),  # FCN-8s's
        nn.Conv2d(16, 64, 4, stride=4),
        nn.Conv2d(64, 12, 3, padding=2, dilation=2),
        nn.Conv2d(64, 64, 3, padding=1, groups=64),
    ],
    ids=str,
)
def test_layer_in_bf16_returns_and_learns_what_it_does_in_float32(layer):
    images, results = torch.randn(2, layer.in_channels, 32, 32, generator=torch.Generator().manual_seed(0)), []
    for bf16 in (False, True):
        given = images.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = layer(given).float()
        layer.zero_grad()
        out.backward(torch.linspace(-1, 1, out.numel()).sin().reshape(out.shape))
        results.append((out.detach(), given.grad, layer.weight.grad.clone()))
    for exact, rounded in zip(*results, strict=True):
        assert (rounded - exact).norm() < 0.02 * exact.norm()


def test_convolution_to_few_channels_in_bf16_writes_within_its_memory():
    """glibc checks the heap of a process of its own."""
    code = (
        "import msaseg, torch; conv = torch.nn.Conv2d(4096, 12, 1)\n"
        "with torch.autocast('cpu', torch.bfloat16):\n"
        "    for _ in range(4): conv(torch.rand(2, 4096, 14, 14).requires_grad_()).sum().backward()"
    )
    checked = os.environ | {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=checked, capture_output=True, check=False)
    assert done.returncode == 0
