"""Publish the net of a recorded run: `python -m msaseg.publish RECORD --name street`."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from msaseg.cli.command import parser, path, run
from msaseg.cli.errors import UserError

LARGEST_DIFFERENCE = 0.1
"""Points of mIoU by which half precision may move the score."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 if the file scores otherwise, 2 for a mistake of the user."""
    made = parser(
        "publish",
        "write a run's weights as one small file, with a model card, if it scores what the record says.",
        ["experiments/records/.../seed0-01234567.json --name street"],
    )
    made.add_argument("record", metavar="RECORD", type=path, help="of the run, below experiments/records")
    made.add_argument("--name", default="street", help="of the published net; default: street")
    made.add_argument("--folder", type=path, help="default: experiments/weights")
    return run(made, publish, arguments)


def publish(options: Namespace) -> int:
    """Write a run's weights and their model card, if the file scores on the test frames what the record says.

    Args:
        options: of the command line: `record`, the file of a run whose `weights.ckpt` lies on this machine; `name` of
            the published net; `folder` to write into, `experiments/weights` if None.

    Returns:
        0, or 1 if the score differs by more than `LARGEST_DIFFERENCE` points.

    Raises:
        UserError: the record, its weights, its frames or the folder cannot be had.
    """
    from msaseg.evaluate.scored_frames import scored_frames
    from msaseg.evaluate.scoring import score
    from msaseg.publish.card import card
    from msaseg.records import frame_matrices
    from msaseg.records.files import write_whole
    from msaseg.records.places import results_root
    from msaseg.records.run import RunRecord
    from msaseg.tables.protocols import machine_paths
    from msaseg.training.restore import restore
    from msaseg.training.weights_file import SUFFIX, published, to_bytes

    path, name = options.record, options.name
    if not path.is_file() or path.suffix != ".json":
        raise UserError(f"{path}: no record: give a JSON file below experiments/records")
    if Path(name).name != name:
        raise UserError(f"--name {name}: not the name of a file: --folder says where it goes")
    record, outputs = RunRecord.load(path), machine_paths().outputs
    weights = record.key.weights(outputs)
    if weights is None:
        raise UserError(f"{path}: the weights of this run are not below {outputs}: make it again here with rerun=true")
    folder = options.folder or results_root(True, outputs) / "weights"
    file = folder / f"{name}{SUFFIX}"
    trained = restore(weights)
    content = to_bytes(trained.net, trained.config)
    trial = file.with_name(f".{file.name}.part{SUFFIX}")
    try:
        write_whole(trial, content)
        restored = restore(trial)
        frames = scored_frames(restored, None, "test", [])
        found = {"data_digest": frames.data.store.digest, "split_digest": frames.data.splits.digest()}
        if any(record.data[key] != value for key, value in found.items()):
            raise UserError(f"{path}: the record was scored on other frames than lie here: set MSASEG_DATA")
        scored = score(restored, frames.data.eval_loader(frames.names), frames.data.class_names, "none")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}): give another --folder") from error
    finally:
        trial.unlink(missing_ok=True)
    difference = scored["miou_pct"] - record.metrics["test"]["miou_pct"]
    if abs(difference) > LARGEST_DIFFERENCE:
        print(f"error: not written: the file's mIoU here differs by {difference:+.3f} points", file=sys.stderr)
        return 1
    matrices = frame_matrices.load(path, record)
    write_whole(file, content)
    text = card(name, record, None if matrices is None else matrices.part("test"), len(content) / 1e6, difference)
    write_whole(file.with_suffix(".md"), text)
    called = name if published().get(name) == file else file
    print(f"{file}\n{file.with_suffix('.md')}\nnext: python -m msaseg.predict {called} photo.jpg --out segmented")
    return 0


if __name__ == "__main__":
    sys.exit(main())
