"""The procedure of the benchmark, with a clock that is not one."""

import ast
from itertools import groupby

import pytest

from msaseg.benchmark.memory import out_of_memory
from msaseg.benchmark.throughput import find_best_batches
from msaseg.benchmark.timing import Procedure, ratios, summary, take_turns
from msaseg.config import CONF, ROOT

PROCEDURE = Procedure(warmup=2, repeats=3, calls=4)
PACKAGE = sorted((ROOT / "msaseg" / "benchmark").glob("*.py"))


class FakeMachine:
    """Steps that note who was called, and a clock that says how long each takes."""

    def __init__(self, **seconds):
        self.seconds = seconds
        self.called = []

    def steps(self):
        return {label: lambda label=label: self.called.append(label) for label in self.seconds}

    def stopwatch(self, step):
        step()
        return self.seconds[self.called[-1]]


def raising(error, after=0):
    calls = []

    def step():
        calls.append(None)
        if len(calls) > after:
            raise error

    return step


def test_nets_take_turns_and_each_gets_the_same_warmup_and_calls():
    machine = FakeMachine(a=1.0, b=2.0, c=3.0)
    seconds, failures = take_turns(machine.steps(), machine.stopwatch, PROCEDURE)
    visits = [(label, len(list(calls))) for label, calls in groupby(machine.called)]
    warmup, timed = [(label, 2) for label in "abc"], [(label, 1 + 4) for label in "abc"]
    assert visits == warmup + 3 * timed
    assert seconds == {"a": 3 * [4 * [1.0]], "b": 3 * [4 * [2.0]], "c": 3 * [4 * [3.0]]}
    assert failures == {}


def test_machine_that_slows_down_moves_seconds_but_no_ratio():
    machine = FakeMachine(a=1.0, b=2.0)

    def slower_and_slower(step):
        seconds = machine.stopwatch(step)
        return seconds * (1 + (len(machine.called) - 5) // 10)  # a whole round of turns is ten calls

    turns, _ = take_turns(machine.steps(), slower_and_slower, PROCEDURE)
    assert turns["a"][2][0] > turns["a"][0][0]
    assert ratios(turns["a"], turns["b"]) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("after", [0, 3])
def test_net_that_fails_is_left_out_and_the_others_go_on(after):
    machine = FakeMachine(a=1.0, c=3.0)
    a, c = machine.steps().values()
    error = RuntimeError("broken")

    def stopwatch(step):
        step()
        return 1.0

    seconds, failures = take_turns({"a": a, "b": raising(error, after), "c": c}, stopwatch, PROCEDURE)
    assert failures == {"b": error}
    assert {label: len(rounds) for label, rounds in seconds.items()} == {"a": 3, "c": 3}


def test_summary_keeps_the_outliers_out_of_the_range_of_ninety_percent():
    found = summary([*range(1, 100), 10_000])
    assert (found["median"], found["max"], found["n"]) == (50.5, 10_000, 100)
    assert found["p5"] < 7
    assert found["p95"] < 100


def batches(seconds_of, most=16, failing=None):
    """Search with nets whose call on a batch takes `seconds_of[label](batch)`."""
    tried, current = [], {}

    def make_step(label, batch):
        if failing and (label, batch) == failing[:2]:
            raise failing[2]
        tried.append((label, batch))
        return lambda: current.update(label=label, batch=batch)

    def stopwatch(step):
        step()
        return seconds_of[current["label"]](current["batch"])

    first = {label: [[seconds(1)]] for label, seconds in seconds_of.items()}
    return find_best_batches(first, make_step, stopwatch, PROCEDURE, most, lambda: None), tried


def test_batches_double_until_a_net_stops_improving():
    seconds_of = {"flat": lambda batch: 1.0 * batch, "wide": lambda batch: max(1.0, batch / 4)}
    found, tried = batches(seconds_of)
    assert (found["flat"].batch, found["flat"].stopped) == (1, "no gain")
    assert (found["wide"].batch, found["wide"].stopped) == (4, "no gain")
    assert found["wide"].best["median"] == 4.0
    assert tried == [("flat", 2), ("wide", 2), ("wide", 4), ("wide", 8)]


def test_batches_end_at_the_largest_allowed():
    found, _ = batches({"wide": lambda _: 1.0}, most=8)
    assert (found["wide"].batch, found["wide"].stopped) == (8, "most")


def test_batches_end_where_memory_does():
    error = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    found, _ = batches({"wide": lambda _: 1.0, "other": lambda _: 1.0}, failing=("wide", 4, error))
    assert (found["wide"].batch, found["wide"].stopped) == (2, "memory")
    assert (found["other"].batch, found["other"].stopped) == (16, "most")


def test_batches_tell_another_error():
    found, _ = batches({"wide": lambda _: 1.0}, failing=("wide", 2, RuntimeError("no\nkernel")))
    assert (found["wide"].batch, found["wide"].stopped) == (1, "no kernel")
    assert not out_of_memory(RuntimeError("no kernel"))


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.name)
def test_no_file_of_the_benchmark_treats_one_net_differently(path):
    nets = {file.stem for file in (CONF / "model").glob("*.yaml")}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare | ast.Match | ast.Dict):
            words = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
            assert not words & nets
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("msaseg.nets"):
            known = ("msaseg.nets.net", "msaseg.nets.msanet.attention")
            assert node.module in known, "the contract and a layer may be known, a net not"
