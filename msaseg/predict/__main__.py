"""Segment images or a video: `python -m msaseg.predict CHECKPOINT INPUT --out FOLDER`."""

import sys
from collections.abc import Sequence

from msaseg.cli.command import parser, path, run, whole_number


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 if something was skipped, 2 for a mistake of the user."""
    made = parser(
        "predict",
        "segment an image, the images of a folder, or a video with a trained net.\n\n"
        "An image gets labels/NAME.png (classes 0 to 11 in SegNet's order), overlay/NAME.jpg and\n"
        "side_by_side/NAME.jpg, all at its own size, the latter two with a legend below; a video gets\n"
        "NAME_overlay.mp4 and NAME_side_by_side.mp4.\n"
        "Finished images of a folder are passed over, so a command that was stopped is repeated to go on.\n"
        "Status 1: something could not be read or written; it was named and skipped.",
        [
            "outputs/runs/.../weights.ckpt photo.jpg --out segmented",
            "outputs/runs/.../weights.ckpt photos/ --out segmented --device cpu",
            "outputs/runs/.../weights.ckpt drive.mp4 --out segmented --labels",
        ],
    )
    made.add_argument("checkpoint", metavar="CHECKPOINT", help="weights.ckpt that a run left, or a published name")
    made.add_argument("input", metavar="INPUT", type=path, help="image, folder of images, or video")
    made.add_argument("--out", metavar="FOLDER", type=path, required=True, help="where the pictures are written")
    made.add_argument(
        "--size",
        choices=["trained", "native"],
        default="trained",
        help="what the net sees: its training size (default), or the image's own",
    )
    made.add_argument(
        "--batch", metavar="N", type=whole_number, default=8, help="images of one size at once (default: 8)"
    )
    made.add_argument("--labels", action="store_true", help="of a video: write labels/NAME_000001.png and so on, too")
    made.add_argument("--bench", action="store_true", help="time the bare network afterwards, and compare")
    made.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto (default): a GPU if there is one"
    )
    return run(made, "msaseg.predict.command:predict", words)


if __name__ == "__main__":
    sys.exit(main())
