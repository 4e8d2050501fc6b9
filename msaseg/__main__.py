"""The one command: `msaseg COMMAND ...` is `python -m msaseg.COMMAND ...`."""

import runpy
import sys

COMMANDS = {
    "train": "make a run, or a sweep of runs, and its record",
    "tables": "list, render, check or reproduce the tables",
    "predict": "segment an image, a folder or a video",
    "evaluate": "score a checkpoint",
    "export": "write a checkpoint as ONNX, TorchScript or PT2",
    "publish": "write a run's weights as one small file with a model card",
    "benchmark": "time the networks, all in turns",
    "report": "write tables, figures and audit into one HTML page",
    "data": "fetch CamVid, or verify a copy",
    "figures": "draw the figures",
    "dashboard": "make the W&B report and workspaces",
}


def main(words: list[str] | None = None) -> int:
    """Run one command as `python -m` does; only its own packages are loaded.

    Returns:
        0 after the help, 2 for an unknown command; a command that runs ends with its own status.
    """
    words = sys.argv[1:] if words is None else words
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    command, *rest = words
    if command not in COMMANDS:
        from msaseg.cli.mistakes import suggestion

        print(f"error: there is no command {command}: {suggestion(command, COMMANDS)}", file=sys.stderr)
        return 2
    sys.argv[1:] = rest
    runpy.run_module(f"msaseg.{command}", run_name="__main__", alter_sys=True)
    return 0


def usage() -> str:
    """Return the help: examples, and a line for each command."""
    examples = [
        f"  msaseg {words}" for words in ("train protocol=smoke", "predict weights.ckpt photo.jpg --out segmented")
    ]
    lines = [f"  {name:<10} {about}" for name, about in COMMANDS.items()]
    end = "msaseg COMMAND --help says more of one; python -m msaseg.COMMAND is the same."
    return "\n".join(["msaseg COMMAND ...", "", "examples:", *examples, "", "commands:", *lines, "", end])


if __name__ == "__main__":
    sys.exit(main())
