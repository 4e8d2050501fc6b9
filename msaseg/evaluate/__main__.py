"""Score a checkpoint: `python -m msaseg.evaluate CHECKPOINT [--protocol NAME] [--split test] [--tta none] ...`."""

import sys
from collections.abc import Sequence

from msaseg.cli.command import parser, path, run


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a mistake of the user."""
    made = parser(
        "evaluate",
        "score a trained net on a protocol's frames, at the labels' own size, in the precision of a training here.",
        [
            "outputs/runs/.../weights.ckpt",
            "outputs/runs/.../weights.ckpt --tta multiscale --out scores.json",
            "outputs/runs/.../weights.ckpt --protocol official --set protocol.size=[120,160]",
        ],
    )
    made.add_argument("checkpoint", metavar="CHECKPOINT", help="weights.ckpt that a run left, or a published name")
    made.add_argument(
        "--protocol", metavar="NAME", help="whose frames, classes and input size; default: the checkpoint's own"
    )
    made.add_argument("--split", choices=["test", "val"], default="test", help="which frames of it (default: test)")
    made.add_argument(
        "--tta", choices=["none", "flip", "multiscale"], default="none", help="test-time augmentation (default: none)"
    )
    made.add_argument("--out", metavar="FILE", type=path, help="JSON file to write")
    made.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a key of the protocol, or of this machine's paths: paths.data=/path; may be repeated",
    )
    made.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto (default): a GPU if there is one"
    )
    return run(made, "msaseg.evaluate.command:evaluate", words)


if __name__ == "__main__":
    sys.exit(main())
