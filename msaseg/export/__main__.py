"""Export a checkpoint: `python -m msaseg.export CHECKPOINT [--format onnx] [--out FILE] ...`."""

import sys
from collections.abc import Sequence

from msaseg.cli.command import parser, path, run


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 if the file differs, 2 for a mistake of the user."""
    made = parser(
        "export",
        "write a trained net as a program that runs without msaseg, for any number of images of any size.\n\n"
        "The file is opened again and compared with PyTorch, on the CPU; one that differs is not kept (status 1).",
        [
            "outputs/runs/.../weights.ckpt",
            "outputs/runs/.../weights.ckpt --out net.onnx --frames photos/",
            "outputs/runs/.../weights.ckpt --format torchscript --processing outside",
        ],
    )
    made.add_argument("checkpoint", metavar="CHECKPOINT", help="weights.ckpt that a run left, or a published name")
    made.add_argument("--format", choices=["onnx", "torchscript", "pt2"], default="onnx", help="default: onnx")
    made.add_argument(
        "--processing",
        choices=["inside", "outside"],
        default="inside",
        help="inside (default): uint8 to classes and logits; outside: normalised floats to logits",
    )
    made.add_argument(
        "--size",
        choices=["trained", "native"],
        default="trained",
        help="what the net sees: its training size, resized to inside (default), or the image's own",
    )
    made.add_argument(
        "--out",
        metavar="FILE",
        type=path,
        help="NAME.onnx, NAME.pt (torchscript) or NAME.pt2; default: by the checkpoint",
    )
    made.add_argument(
        "--frames", metavar="FOLDER", type=path, help="images to compare on; default: synthetic street scenes"
    )
    return run(made, "msaseg.export.command:export", words)


if __name__ == "__main__":
    sys.exit(main())
