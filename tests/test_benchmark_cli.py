"""The command line of the benchmark: records, the table, what happens to a net that fails, mistakes."""

import json
import os
import sys

import pytest
import torch
import yaml
from command_line import assert_one_line
from hydra.core.global_hydra import GlobalHydra
from torch import nn

from msaseg.benchmark import __main__ as command
from msaseg.benchmark import run as benchmark_run
from msaseg.benchmark.modes import program
from msaseg.benchmark.roofline import Peaks
from msaseg.benchmark.session import Conditions, make_step, prepare
from msaseg.benchmark.variants import build, parse
from msaseg.cli import extras
from msaseg.cli.errors import UserError
from msaseg.config import CONF, identity_hash
from msaseg.records.speed import SpeedRecord

NET = "msanet net/encoder=conv net.width=8 net.num_poolings=1"
TINY = ["publish=false", "device=cpu", "size=64x64", "warmup=1", "repeats=2", "calls=2", "most_images=1"]
CLOCKS = {"governor": "powersave", "mhz": 2000, "throttle_count": None}
DEFAULTS = {"form": "plain", "mode": "eager", "precision": "fp32"}


@pytest.fixture
def benchmark(monkeypatch, tmp_path, own_log):
    """Call the command line; every output goes below `tmp_path`, and the device's peaks are given."""
    monkeypatch.setenv("MSASEG_OUTPUTS", str(tmp_path))
    monkeypatch.setattr(benchmark_run, "measure_peaks", lambda *_: Peaks(1e12, 1e12))
    monkeypatch.setattr(benchmark_run, "read_clocks", lambda _: CLOCKS)
    environment = dict(os.environ)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["msaseg.benchmark", *words])
        GlobalHydra.instance().clear()
        with pytest.raises(SystemExit) as stopped:
            command.main()
        return stopped.value.code

    yield call
    os.environ.clear()
    os.environ.update(environment)


def records(folder):
    return {record.net: record for record in map(SpeedRecord.load, sorted(folder.rglob("speeds/*/*.json")))}


def listed(*entries):
    return f"nets={json.dumps(entries)}"


def test_run_writes_a_record_a_net_and_prints_the_ratio_first(benchmark, tmp_path, capsys):
    tuned, whole = f"{NET} form=tuned", f"{NET} form=end_to_end"
    assert benchmark(*TINY, listed(NET, tuned, whole), f'reference="{tuned}"') == 0
    found = records(tmp_path)
    assert set(found) == {NET, tuned, whole}
    plain = found[NET]
    assert (plain.form, found[tuned].form, plain.reference) == ("plain", "tuned", tuned)
    assert found[tuned].ratio == {"median": 1, "p5": 1, "p95": 1, "min": 1, "max": 1, "n": 2}
    assert plain.ratio["median"] > 0
    assert plain.latency_ms["n"] == 4
    assert plain.fps == pytest.approx(1000 / plain.latency_ms["median"], rel=1e-3)
    assert set(plain.include.values()) == {False}
    assert set(found[whole].include.values()) == {True}
    assert plain.clocks == {"before": CLOCKS, "after": CLOCKS}
    assert plain.procedure["order"] == [NET, tuned, whole]
    assert 0 < plain.cost["params_deployed"] < plain.cost["params"]
    assert plain.throughput["batch"] == 1
    assert plain.peak_memory_mb > 4 * plain.cost["params"] / 1e6
    assert plain.cost["input_size"] == plain.size == [64, 64]
    assert plain.roofline["times_bound"] == pytest.approx(
        plain.latency_ms["median"] / plain.roofline["bound_ms"], rel=1e-3
    )
    assert set(plain.code) == {"commit", "dirty"}
    assert plain.config["net"]["width"] == 8
    assert plain.config_hash == identity_hash(plain.config) != found[tuned].config_hash
    assert str(tmp_path) not in json.dumps(plain.config)
    assert plain.seconds["total"] > 0
    told = capsys.readouterr().out
    assert "reference: " + tuned + "; governor powersave, mhz 2000" in told
    header, _, row, *_ = [line for line in told.splitlines() if line.startswith("|")]
    assert header.split("|")[2].strip().startswith("times as fast")
    assert row.split("|")[2].strip().startswith(f"{plain.ratio['median']:.3g} (")


def test_net_that_fails_is_named_and_the_others_are_measured(benchmark, tmp_path, capsys):
    graphs, rounded = f"{NET} mode=cudagraphs", f"{NET} precision=tf32"
    assert benchmark(*TINY, listed(graphs, NET, rounded)) == 1
    found = records(tmp_path)
    assert set(found) == {NET}
    assert found[NET].ratio is None, "the reference is the first entry, and it failed"
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"error: {graphs}: mode")
    assert told[1].startswith(f"error: {rounded}: precision")
    assert told[2] == f"error: 2 of 3 nets failed: {graphs}, {rounded}"


def test_sweep_goes_on_after_a_mistake_and_ends_with_its_status(benchmark, tmp_path, capsys):
    assert benchmark(*TINY, listed(NET), "size=8x8,64x64,64x96", "-m") == 2
    assert sorted(json.loads(path.read_text())["size"] for path in tmp_path.rglob("speeds/*/*.json")) == [
        [64, 64],
        [64, 96],
    ]
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")] == [
        "error: size=8x8: write HEIGHTxWIDTH, 64 or more each, like 360x480"
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sized=64x64"], "there is no key sized: did you mean size"),
        (["nets=[mssnet]"], "nets: mssnet: there is no model=mssnet: "),
        (["nets=[]"], "nets=[]: write a list"),
        (["nets=msanet"], "nets=msanet: write a list"),
        (["nets=5"], "nets=5: write a list"),
        (["seed=abc"], "seed=abc: write a whole number"),
        (["nets=[msanet,msanet]"], "nets: msanet is there twice"),
        (['nets=["msanet width"]'], "nets: msanet width: width is not KEY=VALUE"),
        (['nets=["msanet form=fast"]'], "form=fast: choose from end_to_end, naive, plain, tuned"),
        (['nets=["msanet net.num_pooling=1"]'], "there is no key model.net.num_pooling: did you mean"),
        (['nets=["msanet net.num_poolings=9"]'], "num_poolings must be one of"),
        (["nets=[msanet]", "reference=enet"], "reference=enet is not an entry of nets"),
        (["mode=jit"], "mode=jit: choose from"),
        (["repeats=0"], "repeats=0: write a whole number, 1 or more"),
        (["device=gpu"], "device=gpu: "),
        (["publish=true", "repeats=29"], "repeats × calls = 29: a published speed takes 30"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_mistake_is_one_line_and_status_2(benchmark, capsys, tmp_path, words, told):
    assert benchmark("publish=false", "nets=[msanet]", *words) == 2
    assert_one_line(capsys, told)
    assert not records(tmp_path)


def test_missing_package_is_told_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"x needs onnx, onnxscript, onnxruntime: pip install -e '\.\[export\]'"):
        extras.check_onnx("x")


def test_record_that_is_cut_is_named_with_the_mend(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text('{"schema": 1, "net": ')
    with pytest.raises(UserError, match=r"cut\.json: not a readable record .*measure again"):
        SpeedRecord.load(path)


@pytest.mark.parametrize("form", ["tuned", "end_to_end"])
def test_step_times_the_net_alone_or_the_way_from_frame_to_classes(form):
    (variant,) = parse([f"{NET} form={form}"], DEFAULTS)
    conditions = Conditions((64, 96), torch.device("cpu"))
    subject = prepare(variant, build(variant, 0), conditions)
    given = []
    subject.net.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    step = make_step(subject, 2, conditions)
    first, second = step(), step()
    whole = form == "end_to_end"
    assert (first.shape, first.dtype) == (((2, 64, 96), torch.uint8) if whole else ((2, 11, 64, 96), torch.float32))
    assert torch.equal(first, second)
    assert (given[0] is given[1]) is not whole
    assert given[0].shape == (2, 3, 64, 96)
    assert 0.8 < given[0].max() <= 1


@pytest.mark.parametrize("entry", yaml.safe_load((CONF / "benchmark.yaml").read_text())["nets"])
def test_net_of_the_default_list_composes(entry):
    (variant,) = parse([entry], DEFAULTS)
    assert variant.net_config["num_classes"] == 11
    assert "imagenet" not in str(variant.net_config)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["compile", "onnxruntime"])
def test_mode_computes_what_the_net_does(mode):
    if mode == "onnxruntime":
        pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()).eval().requires_grad_(False)
    images = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(program(net, images, mode)(images), net(images), rtol=1e-4, atol=1e-5)
