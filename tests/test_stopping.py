"""SIGTERM and Ctrl-C, in every phase of a run and in a sweep: one line, status 143 or 130, nothing half-written."""

import signal
from contextlib import suppress

import pytest
from command_line import TINY, piped
from waiting import wait_until

from msaseg.cli.stopping import Stopped, goes_on_from, heed, stops_in_one_line, undisturbed

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}

RUN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control has its children ignore it
from msaseg import train

there = pathlib.Path(sys.argv.pop(1))

def wait():
    there.touch()
    time.sleep(60)

{patch}
train.main()
"""
IN_MODULE = """
from msaseg.training.module import SegmentationModule
step = SegmentationModule.{step}
def slow(module, batch, batch_idx):
    if module.current_epoch == {epoch}:
        wait()
    return step(module, batch, batch_idx)
SegmentationModule.{step} = slow
"""
PHASES = {
    "checking": ("train.check = lambda config: wait()", "here"),
    "data": (
        "from msaseg.data.datamodule import CamVidDataModule; CamVidDataModule.setup = lambda *_: wait()",
        "epoch 1",
    ),
    "training": (IN_MODULE.format(step="training_step", epoch=1), "epoch 2"),
    "validation": (IN_MODULE.format(step="validation_step", epoch=1), "epoch 2"),
    "test": (IN_MODULE.format(step="test_step", epoch=2), "the test"),
    "probe": ("from msaseg.training import run as running; running.score_probe = lambda *_: wait()", "the test"),
}


def said(errors):
    return [line for line in errors.splitlines() if line]


@pytest.mark.slow
@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("phase", PHASES)
def test_run_told_to_stop_in_a_phase_ends_in_one_line_that_says_where_it_goes_on(tmp_path, phase, number):
    patch, whence = PHASES[phase]
    workers = ["data.num_workers=2"] if phase == "training" else []
    process = piped(tmp_path, "-c", RUN.format(patch=patch), str(tmp_path / "there"), *TINY, *workers)
    wait_until(lambda: (tmp_path / "there").exists() or process.poll() is not None, seconds=200)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == STATUS[number], errors
    assert said(errors) == [f"stopped; the same command goes on from {whence}"]
    assert "Received" not in output
    assert not list(tmp_path.rglob("records/**/*.*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", STATUS)
def test_sweep_told_to_stop_stops_its_runs_and_ends_in_one_line(tmp_path, number):
    process = piped(tmp_path, "-c", RUN.format(patch=""), "there", *TINY, "protocol.epochs=500", "seed=0,1", "-m")
    wait_until(lambda: len({path.parent for path in tmp_path.rglob("checkpoints/*.ckpt")}) == 2, seconds=120)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == STATUS[number], errors
    assert said(errors) == ["stopped; the same command goes on from here"]
    logs = [path.read_text() for path in tmp_path.rglob("console.log")]
    assert [text.count("stopped; the same command goes on from epoch") for text in logs] == [1, 1]
    assert not list(tmp_path.rglob("records/**/*.*"))


def test_signal_whose_exception_was_replaced_by_another_is_told_all_the_same(capsys):
    def interrupted():
        with stops_in_one_line():
            goes_on_from(lambda: "epoch 3")
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                raise RuntimeError("a worker is killed by signal: Terminated")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        interrupted()
    assert stopped.value.code == 143
    assert capsys.readouterr().err == "stopped; the same command goes on from epoch 3\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_signal_whose_exception_was_swallowed_is_heeded_later(capsys):
    def interrupted():
        with stops_in_one_line():
            with suppress(Stopped):
                signal.raise_signal(signal.SIGTERM)
            heed()

    with pytest.raises(SystemExit) as stopped:
        interrupted()
    assert stopped.value.code == 143
    assert capsys.readouterr().err == "stopped; the same command goes on from here\n"


def test_signal_while_files_are_written_together_waits_for_them(capsys):
    written = []

    def write():
        with stops_in_one_line(), undisturbed():
            signal.raise_signal(signal.SIGINT)
            written.append("both")

    with pytest.raises(SystemExit) as stopped:
        write()
    assert (stopped.value.code, written) == (130, ["both"])


def test_errors_without_a_signal_pass(capsys):
    with pytest.raises(ValueError, match="x"), stops_in_one_line():
        raise ValueError("x")
    assert capsys.readouterr().err == ""
