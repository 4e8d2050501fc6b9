"""What a device tells of itself, from files and a command that are not the machine's."""

from types import SimpleNamespace

import pytest
import torch

from msaseg.benchmark import clocks
from msaseg.benchmark.clocks import FIELDS, read_clocks

CPU = torch.device("cpu")


def test_cpu_tells_what_its_files_hold_and_none_where_there_are_none(monkeypatch, tmp_path):
    monkeypatch.setattr(clocks, "CPUS", tmp_path)
    monkeypatch.setattr(clocks, "CPUINFO", tmp_path / "cpuinfo")
    assert read_clocks(CPU) == {"governor": None, "mhz": None, "throttle_count": None}
    (tmp_path / "cpuinfo").write_text("processor\t: 0\ncpu MHz\t\t: 2596.120\ncpu MHz\t\t: 2598.000\n")
    assert read_clocks(CPU)["mhz"] == 2597
    for core, khz in enumerate(("1000000", "3000000")):
        files = {"cpufreq/scaling_governor": "schedutil", "cpufreq/scaling_cur_freq": khz}
        for name, content in (files | {"thermal_throttle/core_throttle_count": str(core)}).items():
            path = tmp_path / f"cpu{core}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
    assert read_clocks(CPU) == {"governor": "schedutil", "mhz": 2000, "throttle_count": 1}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("580.82, 1980 MHz, [N/A], Active, Not Active, X\n", ["580.82", "1980 MHz", None, "Active", "Not Active", "X"]),
        (None, [None] * len(FIELDS)),
    ],
)
def test_gpu_tells_what_its_driver_says(monkeypatch, told, expected):
    def run(command, **_):
        assert "--id=GPU-12-34" in command
        if told is None:
            raise FileNotFoundError("nvidia-smi")
        return SimpleNamespace(stdout=told)

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="12-34"))
    monkeypatch.setattr(clocks.subprocess, "run", run)
    assert read_clocks(torch.device("cuda")) == dict(zip(FIELDS, expected, strict=True))
