"""What the suite costs over doing without it: `python -m msaseg.benchmark.overhead`, `make bench-overhead`."""

import sys
from collections.abc import Sequence

from msaseg.cli.command import parser, path, run, whole_number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 for a missed requirement, 2 for a mistake of the user."""
    made = parser(
        "benchmark.overhead",
        "measure what the suite costs over bare PyTorch.",
        ["", "--data PATH --repeats 9 --steps 20", "--write"],
    )
    made.add_argument("--write", action="store_true", help="rewrite the record and docs/benchmarks.md")
    made.add_argument("--data", type=path, help="a CamVid tree; default: MSASEG_DATA, data/camvid, a synthetic one")
    made.add_argument("--repeats", type=whole_number, default=9, help="pairs of turns (default 9)")
    made.add_argument("--steps", type=whole_number, default=20, help="steps or batches a turn (default 20)")
    return run(made, "msaseg.benchmark.overhead.command:overhead", arguments)


if __name__ == "__main__":
    sys.exit(main())
