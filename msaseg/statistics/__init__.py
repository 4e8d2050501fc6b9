"""How sure a score is: over the frames it was measured on and, separately, over the seeds; pure NumPy."""

from msaseg.statistics.intervals import Interval, miou_interval, paired_difference
from msaseg.statistics.seeds import SeedSpread, seed_noise_bound, seed_spread

__all__ = ["Interval", "SeedSpread", "miou_interval", "paired_difference", "seed_noise_bound", "seed_spread"]
