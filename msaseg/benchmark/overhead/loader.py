"""Batches from the cache over batches that are decoded every time."""

import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

from torch.utils.data import DataLoader

from msaseg.benchmark.overhead.measurement import Measurement, ratios, rounded
from msaseg.benchmark.overhead.store import KEPT, synthetic_tree, with_store
from msaseg.classes import CLASSES
from msaseg.config import compose_run
from msaseg.data.cache import open_cache
from msaseg.data.camvid import list_frames
from msaseg.data.dataset import Sample
from msaseg.data.frames import DecodedFrames
from msaseg.data.sampler import EpochSampler


def measure_loader(protocol: str, root: Path | None, repeats: int, steps: int) -> Measurement:
    """Measure images a second from the cache over decoding them each time, in one process.

    Args:
        protocol: whose size, split, augmentation and batch are taken.
        root: a CamVid tree; None makes a synthetic one for the time being.
        repeats: pairs of turns.
        steps: batches a turn; fewer if an epoch has fewer.
    """
    config = compose_run([f"protocol={protocol}", "data.num_workers=0"])
    size = (int(config.protocol.size[0]), int(config.protocol.size[1]))
    with tempfile.TemporaryDirectory() as folder:
        frames = list_frames(root or synthetic_tree(Path(folder) / "synthetic"))
        stores = open_cache(frames, size, len(CLASSES), Path(folder)), DecodedFrames(frames, size, len(CLASSES))
        loaders = [with_store(config, store).train_dataloader() for store in stores]
        turns = [[_seconds_an_image(loader, turn, steps) for loader in loaders] for turn in range(repeats + 1)]
    cached, decoded = zip(*turns[1:], strict=True)  # the first turns bring the files into memory
    tree = f"CamVid as {frames[0].image.suffix[1:]}" if root else f"{KEPT} synthetic 360x480 PNGs"
    what = f"loader with cache over decoding every epoch ({protocol}, {size[0]}x{size[1]}, {tree})"
    absolute = {"cached (images/s)": 1 / median(cached), "decoding (images/s)": 1 / median(decoded)}
    return Measurement(what, "times", ratios(decoded, cached), rounded(absolute), limit=4.0, at_most=False)


def _seconds_an_image(loader: DataLoader[Sample], epoch: int, steps: int) -> float:
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    started = time.perf_counter()
    images = sum(len(batch["image"]) for batch in islice(loader, steps))
    return (time.perf_counter() - started) / images
