"""The smallest run of the command line, and the records that it leaves."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
import pytorch_lightning as pl

from msaseg.config import ROOT
from msaseg.records.run import RunRecord
from msaseg.training.module import SegmentationModule

TINY = [
    "protocol=smoke",
    "protocol.epochs=2",
    "protocol.source.train=8",
    "protocol.source.val=2",
    "protocol.source.test=3",
    "logger=csv",
]

PLAIN = ["model.net.num_poolings=0", "model.net.fusion=none", "model.net.branches=1", "model.net.attention_strides=[]"]
"""The multi-scale network without what it adds."""

LIGHT = [*TINY, *PLAIN]
"""A run in two thirds of the time, for what does not depend on the net."""

ODD_FOLDER = "a = b, 'c' \"d\" [e] {f} $g %h é\u4e00"
"""Signs that Hydra, a shell or a table might take for its own."""

LIGHT_PRELOAD = ("msaseg.sweep.job", "msaseg.tables.plan", "msaseg.tables.record_path")
"""What the stand-ins for runs in sweeps find loaded: they train nothing."""

STAND_IN = """
    import os, sys, time
    from msaseg.config import compose_run
    from msaseg.tables.record_path import path_of_record

    config = compose_run(sys.argv[1:])
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
    print("training", config.row, "in process", os.getpid(), "on GPUs", gpus, flush=True)
    todo = os.environ.get(f"BREAK_{config.row}")
    if todo == "raise":
        raise RuntimeError("loss is NaN")
    if todo == "kill":
        os.kill(os.getpid(), 9)
    time.sleep(float(os.environ.get("SECONDS", "0")))
    record = path_of_record(config)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}")
"""
"""A run that takes `SECONDS`, if its environment does not have `BREAK_` and its row."""


def records(folder):
    return [RunRecord.load(path) for path in sorted((folder / "records").rglob("*.json"))]


def lose_power(cli, words, epoch=None):
    """Start a run that is cut off in the second step of an epoch, counted from 0, or after the last one."""
    kind, name = (pl.Trainer, "test") if epoch is None else (SegmentationModule, "training_step")
    whole = getattr(kind, name)

    def cut(self, *arguments, **named):
        if epoch is None or (self.current_epoch == epoch and arguments[1] == 1):
            raise OSError("power cut")
        return whole(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, name, cut)
        with pytest.raises(OSError, match="power cut"):
            cli(*words)


def piped(folder, *words, **variables):
    """Start Python on words; what is started writes below a folder, its output and its errors into pipes."""
    environment = {"MSASEG_OUTPUTS": str(folder), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"} | variables
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, **pipes)


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
