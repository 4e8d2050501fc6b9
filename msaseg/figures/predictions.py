"""Fig. 5: image, prediction and truth, from the weights that a recorded run left on this machine."""

from pathlib import Path

from omegaconf import DictConfig

from msaseg.charts.plotted_table import origin
from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.config import compose_run
from msaseg.data.frames import Pixels, resize_label
from msaseg.figures import frames
from msaseg.figures.panels import Panel, sheet
from msaseg.figures.planned import Drawing, Skipped
from msaseg.predict.pictures import coloured
from msaseg.tables.plan import Point
from msaseg.tables.protocols import Protocol
from msaseg.tables.results import Results
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table

SHOWN = 3  # frames, spread evenly over the test part


def predictions(table: Table, row: str, protocol: Protocol, results: Results) -> Drawing:
    """Draw what a row's net makes of three test frames.

    The run is the one of the lowest seed whose weights lie on this machine.

    Raises:
        Skipped: there is no record, no weights or no data.
    """
    run, point, weights = _trained(table, row, protocol, results)
    names, maps, classes = predict(_config(point, protocol), weights)
    rows = []
    for street, predicted in zip(frames.read(names, protocol), maps, strict=True):
        size = street.image.shape[:2]
        pictures = (street.image, *(coloured(resize_label(each, size)) for each in (predicted, street.label)))
        titles = (street.name, "prediction", "truth")
        rows.append([Panel(picture, title) for picture, title in zip(pictures, titles, strict=True)])
    unscored = "" if len(classes) == len(CLASSES) else " Black in the truth is void, which is not scored."
    caption = (
        f"{table.rows[row].label}, protocol {protocol.name}: image, prediction and truth of {SHOWN} frames spread "
        f"evenly over the test part ({origin(run)}).{unscored} {frames.source(protocol)}"
    )
    return Drawing(sheet(rows, frames.source(protocol), CLASSES), caption, [run.path], names)


def _trained(table: Table, row: str, protocol: Protocol, results: Results) -> tuple[Run, Point, Path]:
    """Return the run of a row that left its weights here, how to make it again, and the weights."""
    points = {point.seed: point for point in results.plan.points(table, protocol.name) if point.row == row}
    first = " ".join(next(iter(points.values())).overrides)
    runs = [run for run in results.filled(table, protocol.name).runs if run.row == row]
    if not runs:
        raise Skipped(f"no record of {table.id}, row {row}: python -m msaseg.train {first}")
    for run in runs:
        point = points.get(run.seed)
        found = run.trained.key.weights(results.plan.outputs)
        if point is not None and point.config_hash == run.config_hash and found:
            return run, point, found
    again = f"python -m msaseg.train {first} rerun=true"
    raise Skipped(f"the weights of {table.id}, row {row}, are not on this machine, only its records: {again}")


def _config(point: Point, protocol: Protocol) -> DictConfig:
    whole_frames = ["protocol.source.cache_dir=null"] if protocol.needs_data else []  # three need no cache
    return compose_run([*point.overrides, "protocol.weights=none", *whole_frames])


def predict(config: DictConfig, weights: Path) -> tuple[list[str], list[Pixels], tuple[str, ...]]:
    """Return the names of the frames, the predicted class of every pixel at the labels' own size, and the classes.

    Args:
        config: of the run, without pretrained weights.
        weights: the checkpoint that it left.

    Raises:
        Skipped: the frames or the weights cannot be read.
    """
    import torch  # slow to load, and often there are no weights to draw from

    from msaseg.data.dataset import FrameDataset, collate
    from msaseg.training.inference import label_map
    from msaseg.training.restore import restore
    from msaseg.training.trainer import build

    data = build(config, "data")
    try:
        restored = restore(weights)
        data.setup()
    except UserError as error:
        raise Skipped(str(error)) from error
    names = evenly(data.splits.test)
    dataset = FrameDataset(data.store, names, data.num_classes, full_labels=True)
    with torch.inference_mode():
        batches = [collate([dataset[0, index]]) for index in range(len(names))]
        maps = [label_map(restored.logits(each["image"])[0], each["label"].shape[-2:]) for each in batches]
    return names, maps, data.class_names


def evenly(names: tuple[str, ...]) -> list[str]:
    """Return names from the middles of as many equal stretches as frames are shown.

    >>> evenly(tuple("abcdefghi"))
    ['b', 'e', 'h']
    """
    return [names[(2 * place + 1) * len(names) // (2 * SHOWN)] for place in range(SHOWN)]
