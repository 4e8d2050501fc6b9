"""Learning-rate schedules that torch does not have."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupPolynomial(LambdaLR):
    """Rise linearly to the full rates, then fall to zero as a power of the steps that remain.

    Args:
        optimizer: whose groups are scheduled, each from its own rate.
        total_iters: optimizer steps of the whole training.
        warmup: share of them in which the rates rise, 0 to below 1.
        power: 1 falls linearly.

    Raises:
        ValueError: a share or power out of range.

    Source: the field's real-time nets ("poly" with a warm-up).
    """

    def __init__(self, optimizer: Optimizer, total_iters: int, warmup: float = 0.05, power: float = 0.9) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"schedule.warmup={warmup}: set a share from 0 to below 1")
        if power <= 0:
            raise ValueError(f"schedule.power={power}: set a number above 0")
        rising = max(1, round(warmup * total_iters))

        def factor(step: int) -> float:
            remaining: float = max(0.0, 1 - step / max(1, total_iters)) ** power
            return min(1.0, (step + 1) / rising) * remaining

        super().__init__(optimizer, factor)
