import pytest
import torch

from msaseg.training.schedules import WarmupPolynomial


def rates(total, **arguments):
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": 1.0}, {"params": [torch.zeros(1)], "lr": 0.1}])
    schedule = WarmupPolynomial(optimizer, total_iters=total, **arguments)
    found = []
    for _ in range(total):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return found, [group["lr"] for group in optimizer.param_groups]


def test_rates_rise_to_the_full_ones_and_fall_to_zero_in_every_group():
    found, last = rates(100, warmup=0.1, power=1.0)
    first = [group[0] for group in found]
    assert first[0] == pytest.approx(0.1)
    assert first[:10] == sorted(first[:10])
    assert first[10:] == sorted(first[10:], reverse=True)
    assert max(first) == pytest.approx(0.91)
    assert [one / 10 for one in first] == pytest.approx([group[1] for group in found])
    assert last == [0.0, 0.0]


def test_without_warmup_the_first_step_has_the_full_rate():
    assert rates(10, warmup=0.0)[0][0] == [1.0, 0.1]


@pytest.mark.parametrize(("arguments", "words"), [({"warmup": 1.0}, "warmup=1.0"), ({"power": 0}, "power=0")])
def test_share_or_power_out_of_range_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        rates(10, **arguments)
