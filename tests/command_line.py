"""The smallest run of the command line, and the records that it leaves."""

import os
import subprocess
import sys
from contextlib import contextmanager

from msaseg.config import ROOT
from msaseg.records.run import RunRecord

TINY = [
    "protocol=smoke",
    "protocol.epochs=2",
    "protocol.source.train=8",
    "protocol.source.val=2",
    "protocol.source.test=3",
    "logger=csv",
]

ODD_FOLDER = "a = b, 'c' \"d\" [e] {f} $g %h é\u4e00"
"""Signs that Hydra, a shell or a table might take for its own."""


LIGHT_PRELOAD = ("msaseg.sweep.job", "msaseg.tables.plan", "msaseg.tables.record_path")
"""What the stand-ins for runs in sweeps find loaded: they train nothing."""


def records(folder):
    return [RunRecord.load(path) for path in sorted((folder / "records").rglob("*.json"))]


@contextmanager
def started(folder, *words, cwd=ROOT, **variables):
    """Start a run or sweep that writes below a folder, its output to `told`; end it if it is not over then."""
    code = "import signal, msaseg.train as t; signal.signal(signal.SIGINT, signal.default_int_handler); t.main()"
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=cwd,
            env=os.environ | variables | {"MSASEG_OUTPUTS": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        print((folder / "output").read_text())


def assert_one_line(capsys, said):
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error


def told(folder):
    return (folder / "output").read_text().splitlines()
