"""What a machine does to a run: each ends in one line with the mend, and the same command goes on."""

import errno
import io
import os
import time

import pytest
import torch
from command_line import LIGHT, ODD_FOLDER, TINY, records

from msaseg.cli.command import one_line
from msaseg.cli.errors import UserError
from msaseg.records import files
from msaseg.tables.__main__ import main as tables
from msaseg.training import faults
from msaseg.training.module import SegmentationModule

SHORT = [*LIGHT, "protocol.epochs=1"]
FULL = OSError(errno.ENOSPC, "No space left on device")


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


def error_lines(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Error executing job")]


@pytest.mark.parametrize("what", ["checkpoint", "weights", "frames", "record", "cache", "csv"])
def test_full_disk_is_one_line_and_the_same_command_goes_on(cli, tmp_path, monkeypatch, capsys, what):
    error = OSError(*FULL.args)
    with monkeypatch.context() as patch:
        replace = files.os.replace

        def full_for(suffix):
            return lambda part, path: raising(error)() if str(path).endswith(suffix) else replace(part, path)

        if what == "checkpoint":
            patch.setattr("lightning_fabric.plugins.io.torch_io._atomic_save", raising(error))
        elif what == "cache":
            patch.setattr("msaseg.data.synthetic.streets.SyntheticStreets.open", raising(error))
        elif what == "csv":
            patch.setattr("pytorch_lightning.loggers.csv_logs.CSVLogger.save", raising(error))
        else:
            ends = {"weights": "weights.ckpt", "frames": ".npz", "record": ".json"}
            patch.setattr(files.os, "replace", full_for(ends[what]))
        assert cli(*SHORT) == 2
    (line,) = error_lines(capsys)
    assert line.startswith(f"error: {tmp_path}")
    assert "No space left on device: free space there or write elsewhere, and repeat the command" in line
    assert records(tmp_path) == []
    assert not list(tmp_path.rglob("*.part"))
    assert cli(*SHORT) == 0
    assert len(records(tmp_path)) == 1


def test_record_that_cannot_be_made_anew_stays_whole(record, tmp_path, monkeypatch):
    record.save(tmp_path / "r.json")
    before = (tmp_path / "r.json").read_bytes()
    monkeypatch.setattr(files.Path, "write_bytes", raising(FULL))
    with pytest.raises(OSError, match=r"No space left on device: '.*r.json'"):
        record.save(tmp_path / "r.json")
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
    assert (tmp_path / "r.json").read_bytes() == before


def test_table_that_cannot_be_written_is_one_line_and_stays_whole(suite, monkeypatch, capsys):
    point, other = suite.points("laptop", "pool0")[:2]
    suite.add(point, 70.0)
    assert tables(["render"]) == 0
    table = suite.published / "tables" / "pooling_sweep.md"
    before = table.read_bytes()
    suite.add(other, 60.0)
    with monkeypatch.context() as patch:
        patch.setattr(files.Path, "write_bytes", raising(OSError(*FULL.args)))
        capsys.readouterr()
        assert tables(["render"]) == 2
    (line,) = error_lines(capsys)
    assert "No space left on device: free space there" in line
    assert table.read_bytes() == before
    assert tables(["render"]) == 0
    assert table.read_bytes() != before


def test_run_below_a_folder_of_an_odd_name_is_made_and_passed_over(cli, tmp_path, monkeypatch):
    folder = tmp_path / ODD_FOLDER
    monkeypatch.setenv("MSASEG_OUTPUTS", str(folder))
    assert cli(*SHORT) == 0
    made = records(folder)
    assert len(made) == 1
    assert cli(*SHORT) == 0
    assert records(folder) == made


@pytest.mark.slow
def test_sweep_below_a_folder_of_an_odd_name_is_made_and_passed_over(cli, tmp_path, monkeypatch, capfd):
    folder = tmp_path / ODD_FOLDER
    monkeypatch.setenv("MSASEG_OUTPUTS", str(folder))
    words = [*TINY, "trainer.accelerator=cpu", "seed=0,1", "-m"]
    assert cli(*words) == 0, capfd.readouterr()
    made = records(folder)
    assert [record.seed for record in made] == [0, 1]
    assert all("epoch 2/2" in log.read_text() for log in folder.rglob("console.log"))
    assert cli(*words) == 0
    assert "2 of 2 runs are finished already" in capfd.readouterr().out
    assert records(folder) == made
    assert [path.name for path in tmp_path.iterdir()] == [ODD_FOLDER]


def test_outputs_that_nobody_may_write_are_named(cli, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pathlib.Path.mkdir", raising(OSError(errno.EROFS, "Read-only file system", "/readonly/runs")))
    assert cli(*SHORT) == 2
    assert error_lines(capsys) == [
        "error: /readonly/runs: Read-only file system: free space there or write elsewhere, and repeat the command"
    ]


@pytest.mark.parametrize(
    ("error", "phrases"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), ["memory ran out", "eval_batch_size"]),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), ["memory ran out"]),
        (MemoryError(), ["memory ran out"]),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), ["died", "data.num_workers=0"]),
        (RuntimeError("DataLoader timed out after 300 seconds"), ["hangs", "data.num_workers=0"]),
    ],
)
def test_fault_of_the_machine_is_one_line_with_the_mend(tmp_path, error, phrases):
    with pytest.raises(UserError) as caught, faults.faults_named(tmp_path):
        raise error
    assert all(phrase in str(caught.value) for phrase in phrases)


def test_run_that_met_a_fault_of_the_machine_goes_on_by_the_same_command(cli, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", raising(MemoryError()))
        assert cli(*SHORT) == 2
    (line,) = error_lines(capsys)
    assert "memory ran out" in line
    assert records(tmp_path) == []
    assert cli(*SHORT) == 0
    assert len(records(tmp_path)) == 1


def test_copy_that_fails_names_the_new_file(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, faults.faults_named(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/x", None, "full/a.ckpt")
    assert caught.value.filename == "full/a.ckpt"


def test_output_that_the_disk_takes_no_more_is_told_in_one_line(capsys):
    with io.FileIO("/dev/full", "w") as full, pytest.raises(SystemExit), one_line():
        full.write(b"x")
    assert error_lines(capsys) == [
        "error: the output: No space left on device: free space there or write elsewhere, and repeat the command"
    ]


def test_other_errors_are_not_renamed(tmp_path):
    with pytest.raises(RuntimeError, match="shapes differ"), faults.faults_named(tmp_path):
        raise RuntimeError("shapes differ")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("does", "phrase"), [("hangs", "worker hangs"), ("dies", "worker died")])
def test_loader_worker_that_is_lost_is_noticed(cli, tmp_path, monkeypatch, capsys, does, phrase):
    from msaseg.data.dataset import FrameDataset

    with monkeypatch.context() as patch:
        patch.setattr("msaseg.data.datamodule.PATIENCE", 5)
        patch.setattr(
            FrameDataset, "__getitem__", lambda *_: time.sleep(1000) if does == "hangs" else os.kill(os.getpid(), 9)
        )
        assert cli(*TINY, "data.num_workers=1") == 2
    (line,) = error_lines(capsys)
    assert phrase in line
    assert cli(*TINY, "data.num_workers=0") == 0
    assert len(records(tmp_path)) == 1


def test_run_whose_clock_is_set_back_has_a_record_with_lengths_of_time(cli, tmp_path, monkeypatch):
    now, step = [time.time()], SegmentationModule.training_step

    def set_back(*arguments):
        now[0] -= 3600
        return step(*arguments)

    monkeypatch.setattr(SegmentationModule, "training_step", set_back)
    monkeypatch.setattr(time, "time", lambda: now[0])
    assert cli(*SHORT) == 0
    (record,) = records(tmp_path)
    assert all(0 <= value < 1000 for value in record.seconds.values())
