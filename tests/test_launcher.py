import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from command_line import LIGHT_PRELOAD, STAND_IN
from preloaded import ASKED, MODULES

from msaseg import config
from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.sweep import gpus, launcher, places, runs
from msaseg.sweep.gpus import Gpu, parse_listing, visible_gpus
from msaseg.sweep.job import Job
from msaseg.sweep.progress import SweepProgress
from msaseg.sweep.runs import longest_first

SWEEP = """
    import os, sys
    import hydra
    from msaseg.sweep import launcher
    from msaseg.config import CONF
    from msaseg.tables.record_path import RecordPaths

    @hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
    def run(config):
        raise AssertionError("the launcher starts processes")

    if __name__ == "__main__":
        launcher.register(RecordPaths)
        sys.argv[1:] = launcher.reorder_flags(sys.argv[1:])
        run()
"""


def sweep(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "sweep.py").write_text(textwrap.dedent(SWEEP))
    (folder / "standin.py").write_text(textwrap.dedent(STAND_IN))
    stand_in = ["+hydra.launcher.train_module=standin", f"hydra.launcher.preload=[{','.join(LIGHT_PRELOAD)}]"]
    command = [sys.executable, "sweep.py", *words, *stand_in]
    path = f"{folder}{os.pathsep}{ROOT}"
    settings = {"MSASEG_OUTPUTS": str(folder / "out"), "PYTHONPATH": path, "HYDRA_FULL_ERROR": "1"}
    settings["TMPDIR"] = str(folder)
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


SEEDS = ("-m", "protocol=smoke,laptop", "protocol.publish=false", "seed=range(0,3)", "logger=none")
SMOKE = ("+experiment=pooling_sweep", "-m", "protocol=smoke", "model.net.num_poolings=0,1,2", "seed=0")


def records(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in (folder / "out" / "records").rglob("*.json"))


def test_sweep_with_broken_runs_names_them_and_a_second_one_makes_them_alone(tmp_path):
    broken = sweep(tmp_path, *SMOKE, BREAK_pool0="raise", BREAK_pool1="kill", CUDA_VISIBLE_DEVICES="0,1")
    assert broken.returncode != 0
    assert records(tmp_path) == ["pool2"]
    summary = broken.stderr.strip().splitlines()[-1]
    assert "2 of 3 runs failed: " in summary
    assert "pool0/seed0 (exit code 1)" in summary
    assert "pool1/seed0 (signal 9)" in summary
    assert "[3/3]" in broken.stdout

    mended = sweep(tmp_path, *SMOKE, CUDA_VISIBLE_DEVICES="0,1")
    assert mended.returncode == 0, mended.stderr
    assert "1 of 3 runs are finished already" in mended.stdout
    assert "[2/3] pool" in mended.stdout
    assert "done in " in mended.stdout
    assert records(tmp_path) == ["pool0", "pool1", "pool2"]
    [log] = (tmp_path / "out" / "runs" / "pooling_sweep" / "smoke" / "pool0").rglob("console.log")
    assert "training pool0 in " in log.read_text()


def test_sweep_over_seeds_and_protocols_makes_each_in_a_folder_of_its_own(tmp_path):
    for name in ("train", "trainannot", "val", "valannot", "test", "testannot"):
        (tmp_path / "camvid" / name).mkdir(parents=True)
        (tmp_path / "camvid" / name / "frame.png").touch()
    done = sweep(tmp_path, *SEEDS, "hydra.launcher.jobs_on_cpu=3", MSASEG_DATA=str(tmp_path / "camvid"))
    assert done.returncode == 0, done.stderr
    assert "[6/6]" in done.stdout
    made = {path.relative_to(tmp_path / "out" / "records").parts[1] for path in (tmp_path / "out").rglob("seed*.json")}
    assert made == {"smoke", "laptop"}
    logs = sorted((tmp_path / "out" / "runs").rglob("console.log"))
    assert [log.parent.name.partition("-")[0] for log in logs] == ["seed0", "seed1", "seed2"] * 2
    assert all(log.read_text().count("training msanet") == 1 for log in logs)


def test_sweep_without_its_frames_ends_at_once_and_one_that_reads_none_is_made(tmp_path):
    words = ["-m", "protocol=laptop", "protocol.publish=false", "logger=none"]
    lost = sweep(tmp_path, *words, "+experiment=pooling_sweep", MSASEG_DATA=str(tmp_path / "camvid"))
    assert f"UserError: {tmp_path}/camvid/train: no such folder: run `make data`" in lost.stderr
    assert not (tmp_path / "out" / "runs").exists()
    made = sweep(tmp_path, *words, "+experiment=layerwise", MSASEG_DATA=str(tmp_path / "camvid"))
    assert made.returncode == 0, made.stderr
    assert records(tmp_path) == [f"layer{number}" for number in range(1, 7)]


def test_jobs_share_the_cores_unless_told_their_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv(config.CORES, raising=False)
    monkeypatch.setattr(places.os, "cpu_count", lambda: 16)
    places.share_cores(1)
    assert "OMP_NUM_THREADS" not in os.environ
    assert config.loader_workers() == 8
    places.share_cores(2)
    assert os.environ["OMP_NUM_THREADS"] == "8"
    assert config.loader_workers() == 4
    places.share_cores(4)
    assert os.environ["OMP_NUM_THREADS"] == "8"
    assert config.loader_workers() == 0


@pytest.mark.parametrize(
    ("gpus_here", "jobs", "cores"), [([], 1, 16), ([], 2, 8), ([], 3, 8), ([Gpu("GPU-abc", "L4")], 1, 8)]
)
def test_run_alone_without_gpu_computes_on_all_cores(monkeypatch, gpus_here, jobs, cores):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv(config.CORES, "16")
    monkeypatch.setattr(places.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(runs, "visible_gpus", lambda: gpus_here)
    monkeypatch.setattr(runs.Slots, "run", lambda self, jobs: jobs)
    one = Job("full/seed0", (), Path("console.log"), Path("record.json"))
    runs.Settings(jobs_per_gpu=2, jobs_on_cpu=2, preload=LIGHT_PRELOAD).run([one] * jobs, SweepProgress(jobs), {})
    assert os.environ[config.CORES] == str(cores)


@pytest.mark.parametrize("key", ["jobs_per_gpu", "jobs_on_cpu"])
@pytest.mark.parametrize("number", [0, 1.5, None])
def test_launcher_with_no_whole_number_of_jobs_at_a_time_is_refused(key, number):
    with pytest.raises(UserError, match=f"{key}={number}: set a whole number"):
        launcher.GpuLauncher(**{"jobs_per_gpu": 1, "jobs_on_cpu": 1, "preload": []} | {key: number})


@pytest.mark.parametrize(
    ("value", "ids"),
    [(None, ["GPU-abc"]), ("", []), ("-1", []), ("0,1", ["0", "1"]), ("2, GPU-ab", ["2", "GPU-ab"]), ("3,-1,4", ["3"])],
)
def test_gpus_are_those_of_the_driver_unless_visible_devices_limit_them(monkeypatch, value, ids):
    monkeypatch.setattr(gpus, "_listed", lambda: [Gpu("GPU-abc", "L4")])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value or "")
    if value is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert [gpu.id for gpu in visible_gpus()] == ids


SLICED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-a)
  MIG 3g.20gb     Device  1: (UUID: MIG-b)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-2)
"""


def test_gpu_cut_into_slices_counts_as_its_slices():
    assert [gpu.id for gpu in parse_listing(SLICED)] == ["MIG-a", "MIG-b", "GPU-2"]
    assert {gpu.name for gpu in parse_listing(SLICED)} == {"NVIDIA A100-SXM4-40GB"}


def test_device_known_by_index_is_the_one_that_the_driver_lists_there(monkeypatch):
    monkeypatch.setattr(gpus, "_listed", lambda: parse_listing(SLICED))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0,GPU-2,7")
    assert [gpu.uuid for gpu in visible_gpus()] == ["GPU-2", "MIG-a", "GPU-2", "7"]


@pytest.mark.parametrize(("listed", "status"), [(True, 255), (False, 9)])
def test_driver_s_tool_that_fails_is_believed_in_what_it_lists_and_else_is_named(monkeypatch, tmp_path, listed, status):
    tool = tmp_path / "nvidia-smi"
    listing = "echo 'GPU 3: NVIDIA L4 (UUID: GPU-abc)'" if listed else ""
    tool.write_text(f"#!/bin/sh\n{listing}\nexit {status}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "DEVICES", tmp_path)
    if listed:
        assert visible_gpus() == [Gpu("GPU-abc", "NVIDIA L4", index=3)]
        return
    assert visible_gpus() == []
    (tmp_path / "nvidia0").touch()
    with pytest.raises(UserError, match=r"nvidia-smi -L.*CUDA_VISIBLE_DEVICES"):
        visible_gpus()


def test_value_that_depends_on_the_seed_gives_each_seed_a_record_of_its_own(tmp_path):
    words = ["-m", "protocol=smoke", "+protocol.source.seed=${seed}", "seed=0,1,2", "logger=none"]
    done = sweep(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    made = {path.stem.partition("-")[::2] for path in (tmp_path / "out" / "records").rglob("*.json")}
    assert [len({one[part] for one in made}) for part in (0, 1)] == [3, 3]
    before = [path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").rglob("console.log")]
    again = sweep(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    assert "3 of 3 runs are finished already" in again.stdout
    assert [path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").rglob("console.log")] == before


def test_rows_that_took_longest_before_start_first_after_those_never_run(tmp_path):
    def job(row, *seconds):
        folder = tmp_path / row
        folder.mkdir()
        for seed, taken in enumerate(seconds):
            (folder / f"seed{seed}-00000000.json").write_text(json.dumps({"seconds": {"total": taken}}))
        return Job(row, (), folder / "console.log", folder / "seed9-00000000.json")

    jobs = [job("short", 5.0), job("new"), job("long", 7.0, 90.0), job("other")]
    assert [job.name for job in longest_first(jobs)] == ["new", "other", "long", "short"]


def test_what_sweeps_preload_leaves_cuda_to_the_runs():
    assert "msaseg.training.run" in MODULES
    assert ASKED == []
