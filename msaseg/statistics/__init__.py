"""How sure a score is: over the frames it was measured on and, separately, over the seeds; without PyTorch."""

from msaseg.statistics.intervals import Frames, Interval, contrast, iou_intervals, miou_interval, paired_difference
from msaseg.statistics.ranks import RankCorrelation, rank_correlation
from msaseg.statistics.seeds import SeedSpread, seed_noise_bound, seed_spread

__all__ = [
    "Frames",
    "Interval",
    "RankCorrelation",
    "SeedSpread",
    "contrast",
    "iou_intervals",
    "miou_interval",
    "paired_difference",
    "rank_correlation",
    "seed_noise_bound",
    "seed_spread",
]
