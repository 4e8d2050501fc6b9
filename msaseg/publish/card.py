"""The model card of a published net, from the record of its run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msaseg.records.run import RunRecord
from msaseg.statistics import Frames, Interval, iou_intervals, miou_interval

RECORDS = Path("experiments/records")
TEXT = """<!-- Generated from {path} by `python -m msaseg.publish`. -->

# {name}

`{net}`, {params:.2f} million parameters, half precision, {megabytes:.1f} MB.
`msaseg.load("{name}")`, or `python -m msaseg.predict {name} photo.jpg --out segmented`.

## What it is for

To look at street scenes like CamVid's: one camera behind the windscreen, one town in England, day and dusk.
**Not to drive, not to judge people, and nowhere that a mistake can hurt anyone**: it saw a few hundred frames of one
town, knows nothing of rain, snow, night or other countries, and misses thin and rare things as often as the table says.

## Scores

On the {tested} test frames of the protocol `{protocol}`, each scored once, at the labels' own size. The intervals are
95 % over frames, in blocks of one video sequence; another seed would move the scores as well. Those of rare classes
rest on few objects. The file's mIoU differs from the record's by {difference:+.3f} points.

{scores}

## Training

{recipe}

## Data and terms

CamVid (Brostow, Shotton, Fauqueur, Cipolla 2008; Brostow, Fauqueur, Cipolla 2009) in SegNet's release. The frames are
for research and are not part of this repository; whoever publishes numbers made with them cites the two papers.
Weights to start from: {weights}.

## Origin

Record `{path}`, commit `{commit}`, data `{data}`, split `{split}`, {hours:.1f} hours on {device}.
"""

RESEARCH = ". Those of ImageNet are meant for research as well"


def card(name: str, record: RunRecord, frames: Frames | None, megabytes: float, difference: float) -> str:
    """Return the card as Markdown.

    Args:
        name: of the published file, without its suffix.
        record: of the run that trained the net.
        frames: confusion matrices of its test frames, for the intervals; None where they were not kept.
        megabytes: size of the file, 1e6 bytes.
        difference: mIoU of the file on the test frames less the record's, in points.
    """
    return TEXT.format(
        path=record.key.path(RECORDS),
        name=name,
        net=record.config["model"]["name"],
        params=record.cost["params"] / 1e6,
        megabytes=megabytes,
        tested=record.data["frames"]["test"],
        protocol=record.protocol,
        difference=difference,
        scores="\n".join(_scores(record, frames)),
        recipe="\n".join(_recipe(record.config)),
        weights=record.weights + RESEARCH * (record.weights != "none"),
        commit=record.code["commit"],
        data=record.data["data_digest"][:16],
        split=record.data["split_digest"][:16],
        hours=record.seconds["total"] / 3600,
        device=record.hardware["device"],
    )


def _scores(record: RunRecord, frames: Frames | None) -> Iterator[str]:
    scores = record.metrics["test"]
    yield "| class | IoU, % | recall, % |"
    yield "|---|---:|---:|"
    intervals = [None] * len(scores["iou_pct"]) if frames is None else iou_intervals(frames)
    for (each, iou), interval in zip(scores["iou_pct"].items(), intervals, strict=True):
        yield f"| {each} | {_number(iou)}{_ends(interval)} | {_number(scores['recall_pct'][each])} |"
    mean = _ends(None if frames is None else miou_interval(frames))
    yield f"| **mean** | **{scores['miou_pct']:.2f}**{mean} | {_number(scores['class_accuracy_pct'])} |"


def _ends(interval: Interval | None) -> str:
    return "" if interval is None or interval.low is None else f" ({interval.low:.1f} to {interval.high:.1f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _recipe(config: dict[str, Any]) -> Iterator[str]:
    protocol = config["protocol"]
    height, width = protocol["size"]
    yield f"- {protocol['epochs']} epochs, batches of {protocol['batch_size']}, frames of {height}×{width}"
    for key in ("augment", "optimizer", "schedule"):
        part = {name: value for name, value in protocol[key].items() if not name.startswith("_")}
        kind = protocol[key]["_target_"].rpartition(".")[2]
        yield f"- {kind}{': ' if part else ''}{', '.join(f'{name} {value}' for name, value in part.items())}"
    if protocol.get("average"):
        yield f"- averaged weights, decay {protocol['average']}"
