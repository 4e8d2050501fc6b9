"""What the suite costs: statistics and page without a clock; the whole command once, tiny (slow)."""

import json
from dataclasses import asdict
from subprocess import CalledProcessError

import numpy as np
import pytest
import torch
from command_line import assert_one_line

from msaseg.benchmark.overhead import command, cpu_step, page, step
from msaseg.benchmark.overhead.__main__ import main
from msaseg.benchmark.overhead.commands import generated, process_cost
from msaseg.benchmark.overhead.measurement import Measurement
from msaseg.benchmark.overhead.page import MARKED, line, page_part
from msaseg.benchmark.overhead.store import InMemory
from msaseg.cli.errors import UserError
from msaseg.data.synthetic.streets import SyntheticStreets
from msaseg.records.run import RunRecord
from msaseg.tables.markers import markers, with_part
from msaseg.tables.plan import Point

BEGIN, END = markers(MARKED)


def measurement(**changes) -> Measurement:
    content = {
        "what": "a step",
        "unit": "times",
        "values": [1.2, 1.01, 1.03],
        "limit": 1.05,
        "at_most": True,
        "absolute": {"suite (ms a step)": 331.2},
    }
    return Measurement(**(content | changes))


def record_of(*measurements, dirty=False, left_out=()):
    return {
        "measurements": [asdict(one) for one in measurements],
        "left_out": list(left_out),
        "code": {"commit": "0123456789abcdef", "dirty": dirty},
        "versions": {"torch": "2.15.0", "pytorch-lightning": "2.6.6"},
        "hardware": {"device": "Some CPU", "kind": "cpu", "cores": 2, "threads": 2, "precision": "32-true"},
        "finished": "2026-01-01T00:00:00+00:00",
    }


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Page and record in a temporary folder; no data unless a test sets it."""
    monkeypatch.setattr(page, "PAGE", tmp_path / "docs" / "benchmarks.md")
    monkeypatch.setattr(page, "RECORD", tmp_path / "experiments" / "overhead.json")
    monkeypatch.setenv("MSASEG_DATA", "")
    monkeypatch.delenv("MSASEG_DATA")
    page.PAGE.parent.mkdir()
    page.PAGE.write_text(f"# Head\n\n{BEGIN}\nold\n{END}\n\nTail\n")
    return tmp_path


def measured(monkeypatch, *measurements):
    monkeypatch.setattr(command, "measure", lambda *_: record_of(*measurements))


@pytest.mark.parametrize(
    ("changes", "result", "met"),
    [
        ({}, 1.03, True),  # the median, though one turn was above
        ({"values": [1.0, 1.06, 1.07]}, 1.06, False),
        ({"values": [1.05]}, 1.05, True),
        ({"values": [9.0, 3.0, 5.0], "limit": 4.0, "at_most": False}, 5.0, True),
        ({"values": [9.0, 3.0, 3.9], "limit": 4.0, "at_most": False}, 3.9, False),
        ({"values": [2.4, 1.9, 2.2], "limit": 2.0, "unit": "s"}, 1.9, True),  # the best call
    ],
)
def test_measurement_holds_median_ratio_or_best_seconds_against_its_limit(changes, result, met):
    assert measurement(**changes).result == result
    assert measurement(**changes).met is met


def test_line_shows_result_spread_requirement_and_verdict():
    shown = "| a step | 1.03 times (1.01 to 1.2, n=3) | at most 1.05 times | yes | suite (ms a step) 331.2 |"
    assert line(asdict(measurement())) == shown
    missed = line(asdict(measurement(values=[3.5], limit=4.0, at_most=False)))
    assert "| 3.5 times (3.5 to 3.5, n=1) | at least 4 times | **no** |" in missed


def test_page_part_names_machine_versions_commit_changes_and_what_was_left_out():
    clean = page_part(record_of(measurement()))
    assert "on Some CPU (2 cores, 2 threads, 32-true), torch 2.15.0" in clean
    assert "commit 0123456789.\n" in clean
    assert "commit 0123456789 **with uncommitted changes**.\n" in page_part(record_of(measurement(), dirty=True))
    part = page_part(record_of(measurement(), left_out=["this", "that"]))
    assert part.endswith(" 331.2 |\n\nLeft out: this.\n\nLeft out: that.")


def test_measurement_without_requirement_is_shown_and_never_missed():
    known = measurement(values=[9.0], limit=None)
    assert known.met
    assert line(asdict(known)) == "| a step | 9 times (9 to 9, n=1) | nothing |  | suite (ms a step) 331.2 |"


def test_with_part_replaces_only_what_is_between_the_markers(tmp_path):
    once = with_part(f"head\n{BEGIN}\nold\n{END}\ntail\n", MARKED, "new", tmp_path)
    assert once == f"head\n{BEGIN}\n\nnew\n\n{END}\ntail\n"
    assert with_part(once, MARKED, "new", tmp_path) == once


@pytest.mark.parametrize(
    "text", ["no markers", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}{END}", f"{BEGIN}{BEGIN}{END}"]
)
def test_with_part_without_both_markers_once_refuses_in_one_line(text, tmp_path):
    with pytest.raises(UserError, match="must be there, once each") as raised:
        with_part(text, MARKED, "new", tmp_path / "benchmarks.md")
    assert str(raised.value).startswith(f"{tmp_path / 'benchmarks.md'}: ")
    assert "\n" not in str(raised.value)


def test_the_repository_s_page_has_its_markers():
    assert "new" in with_part(page.PAGE.read_text(encoding="utf-8"), MARKED, "new", page.PAGE)


@pytest.mark.parametrize("content", [None, "no markers\n"])
def test_write_to_a_page_that_cannot_take_it_measures_nothing(files, monkeypatch, capsys, content):
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("measured before the page was looked at"))
    page.PAGE.unlink() if content is None else page.PAGE.write_text(content)
    assert main(["--write"]) == 2
    assert_one_line(capsys, f"error: {page.PAGE}: ")


def test_write_keeps_the_record_and_renders_the_page_from_it(files, monkeypatch):
    measured(monkeypatch, measurement())
    assert main(["--write"]) == 0
    record = json.loads(page.RECORD.read_text())
    assert record == record_of(measurement())
    assert page.PAGE.read_text() == f"# Head\n\n{BEGIN}\n\n{page_part(record)}\n\n{END}\n\nTail\n"
    assert [path.name for path in files.rglob("*.part")] == []


def test_without_write_no_file_changes(files, monkeypatch):
    measured(monkeypatch, measurement())
    before = page.PAGE.read_text()
    assert main([]) == 0
    assert page.PAGE.read_text() == before
    assert not page.RECORD.exists()


def test_missed_requirement_is_written_and_named_and_ends_with_1(files, monkeypatch, capsys):
    measured(monkeypatch, measurement(), measurement(what="another step", values=[1.5]))
    assert main(["--write"]) == 1
    assert capsys.readouterr().err == "error: missed: another step: 1.5, required at most 1.05 times\n"
    assert "**no**" in page.PAGE.read_text()


@pytest.mark.parametrize("arguments", [["--repeats", "0"], ["--steps", "-1"], ["--data", "/no/such/folder"]])
def test_bad_argument_is_told_in_one_line(files, capsys, arguments):
    assert main(arguments) == 2
    assert_one_line(capsys, arguments[1])


def test_frames_in_memory_repeat_the_kept_and_hands_out_copies():
    streets = SyntheticStreets((32, 48), train=5, val=1, test=1)
    kept = InMemory(streets, kept=2)
    image, label = kept.sample(4, full_label=False)
    assert np.array_equal(image, streets.sample(0, full_label=True)[0])
    image[:], label[:] = 0, 0
    assert np.array_equal(kept.sample(4, full_label=False)[0], streets.sample(0, full_label=True)[0])
    assert kept.names == streets.names


def small(monkeypatch):
    """Measure the step of a net that is small enough for a test."""
    compose = step.compose_run
    extra = [
        "model/net/encoder@protocol.encoder=conv",
        "protocol.size=[64,64]",
        "protocol.width=8",
        "trainer.accelerator=cpu",
    ]
    for measured in (step, cpu_step):
        monkeypatch.setattr(measured, "compose_run", lambda overrides: compose([*overrides, *extra]))


def test_both_sides_of_the_step_train_the_same_net_on_the_same_batches(monkeypatch):
    small(monkeypatch)
    sides, plain_loop = {}, step.plain_loop

    def watched(net, module, *rest):
        sides["plain"] = net
        return plain_loop(net, module, *rest)

    monkeypatch.setattr(step, "plain_loop", watched)
    turns = step.Turns.on_train_batch_start
    seen = []

    def after(self, trainer, pl_module, batch, batch_idx):
        turns(self, trainer, pl_module, batch, batch_idx)
        if batch_idx in (2, 4):
            pairs = zip(sides["plain"].parameters(), pl_module.net.parameters(), strict=True)
            seen.append(all(torch.equal(a, b) for a, b in pairs))

    monkeypatch.setattr(step.Turns, "on_train_batch_start", after)
    measured, hardware = step.measure_step(repeats=1, steps=2)
    assert seen == [True, True]
    assert len(measured.values) == 1
    assert measured.values[0] > 0
    assert hardware["precision"] == "32-true"


@pytest.mark.parametrize("protocol", ["paper", "laptop"])
def test_precision_trains_one_net_in_bf16_and_one_in_float32_on_the_same_batches(monkeypatch, protocol):
    small(monkeypatch)
    loops, plain_loop = [], cpu_step.plain_loop

    def watched(net, module, batches, device, bf16):
        loops.append((bf16, [parameter.clone() for parameter in net.parameters()], net, batches))
        return plain_loop(net, module, batches, device, bf16)

    monkeypatch.setattr(cpu_step, "plain_loop", watched)
    measured = cpu_step.measure_bf16(protocol, repeats=2, steps=1)
    (bf16, first, one, batches), (float32, second, other, same_batches) = loops
    assert (bf16, float32) == (True, False)
    assert batches is same_batches
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), first, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert len(measured.values) == 2
    assert measured.limit is None


@pytest.mark.slow
def test_freed_memory_kept_and_given_back_take_turns_in_processes_of_their_own():
    tiny = ["protocol.size=[32,32]", "protocol.batch_size=2", "model.net.fc_channels=8", "model.net.encoder.width=4"]
    measured = cpu_step.measure_kept_memory(2, *tiny)
    assert len(measured.values) == 2


@pytest.mark.parametrize(("bf16", "asked"), [(True, ["paper", "laptop", "memory"]), (False, [])])
def test_precision_is_measured_where_the_cpu_computes_in_bf16_and_else_said_to_be_left_out(
    monkeypatch, capsys, bf16, asked
):
    seen = []
    known = measurement(limit=None)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(command, "measure_step", lambda *_: (measurement(), {}))
    monkeypatch.setattr(command, "measure_loader", lambda *_: measurement())
    monkeypatch.setattr(command, "measure_commands", lambda: [measurement()])
    monkeypatch.setattr(command, "measure_bf16", lambda protocol, *_: seen.append(protocol) or known)
    monkeypatch.setattr(command, "measure_kept_memory", lambda *_: seen.append("memory") or known)
    record = command.measure(None, 1, 1)
    assert seen == asked
    assert record["left_out"] == ([] if bf16 else [cpu_step.LEFT_OUT])
    assert ("left out: steps in bf16" in capsys.readouterr().out) is not bf16


def test_measured_process_ends_with_the_status_of_its_command(tmp_path):
    with pytest.raises(CalledProcessError) as raised:
        process_cost(tmp_path, ("report", "--protocol", "none such"))
    assert raised.value.returncode == 2


def test_generated_record_is_one_that_can_be_read(tmp_path):
    record = generated(Point("a_table", "laptop", "a_row", 0, "01234567", ()))
    record.save(tmp_path / "record.json")
    assert RunRecord.load(tmp_path / "record.json") == record


@pytest.mark.slow
def test_whole_command_tiny_writes_every_measurement(files, monkeypatch, capfd):
    small(monkeypatch)
    monkeypatch.setattr(command, "machine_paths", lambda: type("Paths", (), {"data": files / "none"}))
    assert main(["--write", "--repeats", "1", "--steps", "2"]) in (0, 1)  # a busy machine may miss one
    record = json.loads(page.RECORD.read_text())
    units = ["times"] * 3 + ["s", "s", "MiB", "s", "s"]
    units += ["times", "times"] if torch.cpu._is_avx512_bf16_supported() else []
    assert [one["unit"] for one in record["measurements"]] == units
    assert all(value > 0 for one in record["measurements"] for value in one["values"])
    assert "synthetic" in record["measurements"][1]["what"]
    assert page.PAGE.read_text().count("\n| ") == 1 + len(units)
    assert "the loader reads a synthetic tree" in capfd.readouterr().out
