"""What a device tells of itself, from files and a command that are not the machine's."""

import subprocess
from types import SimpleNamespace

import pytest
import torch

from msaseg.benchmark import clocks
from msaseg.benchmark.clocks import read_clocks

GPU = torch.device("cuda")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{content}\n")


def test_cpu_tells_what_its_files_hold_and_none_where_there_are_none(monkeypatch, tmp_path):
    monkeypatch.setattr(clocks, "CPUS", tmp_path)
    monkeypatch.setattr(clocks, "CPUINFO", tmp_path / "cpuinfo")
    assert read_clocks(torch.device("cpu")) == {"governor": None, "mhz": None, "throttle_events": None}
    write(tmp_path / "cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2596.120\ncpu MHz\t\t: 2598.000")
    assert read_clocks(torch.device("cpu"))["mhz"] == 2597
    for core, khz in enumerate((1_000_000, 3_000_000)):
        write(tmp_path / f"cpu{core}" / "cpufreq" / "scaling_governor", "schedutil")
        write(tmp_path / f"cpu{core}" / "cpufreq" / "scaling_cur_freq", khz)
        write(tmp_path / f"cpu{core}" / "thermal_throttle" / "core_throttle_count", core)
    assert read_clocks(torch.device("cpu")) == {"governor": "schedutil", "mhz": 2000, "throttle_events": 1}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("580.82.07, 1980, 2619, 0x0000000000000000\n", ("580.82.07", 1980, 2619, [])),
        (
            "580.82.07, 1200, 2619, 0x0000000000000024\n",
            ("580.82.07", 1200, 2619, ["power cap", "heat, by the driver"]),
        ),
        ("580.82.07, 345, [N/A], 0x0000000000000001\n", ("580.82.07", 345, None, [])),
        ("580.82.07, [N/A], [N/A], [Not Supported]\n", ("580.82.07", None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_gpu_tells_what_its_driver_says(monkeypatch, told, expected):
    def run(command, **_):
        assert "--id=GPU-12-34" in command
        if told is None:
            raise FileNotFoundError("nvidia-smi")
        return subprocess.CompletedProcess(command, 0, told)

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="12-34"))
    monkeypatch.setattr(clocks.subprocess, "run", run)
    assert tuple(read_clocks(GPU).values()) == expected
