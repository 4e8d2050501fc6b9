"""What every command does alike: help, mistakes in one line, the spelling of flags, signals, names that are no text."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from msaseg.__main__ import COMMANDS
from msaseg.cli.command import parser, path, printable, run, whole_number
from msaseg.cli.errors import UserError
from msaseg.config import ROOT


def made():
    cake = parser("cake", "cut a cake.\n\nOr two.", ["a.png --pieces 3", "a.png --out b"])
    cake.add_argument("cake")
    cake.add_argument("--pieces", type=whole_number, default=8)
    cake.add_argument("--shape", choices=["round", "square"], default="round")
    cake.add_argument("--out")
    cake.add_argument("--labels", action="store_true")
    cake.add_argument("--set", action="append", default=[])
    return cake


def said(words):
    with pytest.raises(UserError) as caught:
        made().parse_args(words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: cake"),
        (["a", "--piece=3"], "there is no --piece: did you mean --pieces?"),
        (["a", "--xyz"], "there is no --xyz: choose from --help, "),
        (["a", "--pieces=0"], "--pieces: 0: give a whole number of 1 or more"),
        (["a", "--pieces", "many"], "--pieces: many: give a whole number"),
        (["a", "--shape=sqare"], "--shape: sqare: did you mean square?"),
        (["a", "--pieces"], "--pieces: expected one argument"),
        (["a", "b"], "b: one word too many"),
    ],
)
def test_mistake_is_one_line_with_the_mend(words, message):
    assert said(words).startswith(message)


@pytest.mark.parametrize(
    ("words", "spelling"),
    [
        (["cake=a.png"], "cake=a.png: write a.png alone"),
        (["a", "shape=square"], "shape=square: write --shape square"),
        (["a", "protocol.size=[1,2]"], "protocol.size=[1,2]: write --set protocol.size=[1,2]"),
    ],
)
def test_former_word_is_answered_with_the_spelling_of_today(words, spelling):
    assert said(words).startswith(spelling)


def test_file_whose_name_looks_like_a_former_word_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cake=a.png").touch()
    assert made().parse_args(["cake=a.png"]).cake == "cake=a.png"
    assert made().parse_args(["epoch=0003, (best) [1] ${x}.ckpt"]).cake == "epoch=0003, (best) [1] ${x}.ckpt"
    assert made().parse_args(["a", "--set", "size=[1,2]"]).set == ["size=[1,2]"]


def test_mistake_of_a_sub_command_names_its_own_flags():
    baker = parser("baker", "bake.")
    baker.add_subparsers(dest="command").add_parser("cut").add_argument("--pieces")
    with pytest.raises(UserError, match="there is no --piece: did you mean --pieces"):
        baker.parse_args(["cut", "--piece=3"])
    with pytest.raises(UserError, match="cat: did you mean cut"):
        baker.parse_args(["cat"])
    with pytest.raises(UserError, match="pieces=3: write --pieces 3"):
        baker.parse_args(["cut", "pieces=3"])


def test_help_begins_with_what_it_does_and_examples():
    lines = made().format_help().splitlines()
    assert lines[:5] == [
        "python -m msaseg.cake: cut a cake.",
        "",
        "examples:",
        "  python -m msaseg.cake a.png --pieces 3",
        "  python -m msaseg.cake a.png --out b",
    ]
    assert "Or two." in lines


def test_status_is_that_of_the_act_and_2_after_a_mistake(capsys):
    assert run(made(), lambda arguments: 7, ["a"]) == 7
    assert run(made(), lambda arguments: 7, []) == 2

    def mistaken(_):
        raise UserError("a\x1b[2J\nb\udcff: wrong")

    assert run(made(), mistaken, ["a"]) == 2
    assert capsys.readouterr().err.splitlines()[1] == "error: a\\x1b[2J\\nb\\udcff: wrong"
    with pytest.raises(ZeroDivisionError):
        run(made(), lambda arguments: 1 // 0, ["a"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_a_command_in_one_line(capsys, number, status):
    with pytest.raises(SystemExit) as stopped:
        run(made(), lambda arguments: os.kill(os.getpid(), number), ["a"])
    assert stopped.value.code == status
    assert capsys.readouterr().err == "stopped; the same command goes on from the start\n"


def test_name_when_it_is_no_text_is_printable():
    assert printable("straße <b>.png") == "straße <b>.png"
    assert printable("a\udcff\r.png") == "a\\udcff\\r.png"


def test_number_when_it_is_none_is_refused():
    assert whole_number("12") == 12
    for text in ("0", "-1", "1.5", "", "many"):
        with pytest.raises(argparse.ArgumentTypeError):
            whole_number(text)


def test_empty_path_as_of_an_unset_variable_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="empty: give a path"):
        path("")
    assert path("a b") == Path("a b")


EACH = [*COMMANDS, "benchmark.overhead"]
HEAVY = {"torch", "torchvision", "timm", "pytorch_lightning", "wandb", "albumentations"}
HELPS = f"""
import contextlib, io, json, runpy, sys
told = {{}}
for command in {EACH}:
    sys.argv = ["msaseg." + command, "--help"]
    status = 0
    with contextlib.redirect_stdout(io.StringIO()) as text:
        try:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code or 0
    told[command] = (status, sorted({HEAVY} & sys.modules.keys()), text.getvalue())
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def helps():
    """Of each command the status, the heavy modules that it or one before it loaded, and the text."""
    done = subprocess.run([sys.executable, "-c", HELPS], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", EACH)
def test_help_of_a_command_begins_with_examples_and_loads_nothing_heavy(helps, command):
    status, heavy, text = helps[command]
    assert (status, heavy) == (0, [])
    lines = text.splitlines()
    assert lines[0].startswith(f"python -m msaseg.{command}: ")
    assert lines[1:3] == ["", "examples:"]
    assert lines[3].startswith(f"  python -m msaseg.{command}")


def test_output_that_nobody_reads_to_its_end_is_no_failure_to_tell():
    code = (
        "import sys; from msaseg.cli.command import parser, run; sys.exit(run(parser('x', 'x'), lambda _: print('a')))"
    )
    done = subprocess.run(
        f'{sys.executable} -c "{code}" | true; exit ${{PIPESTATUS[0]}}',
        executable="/bin/bash",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", ["train", "benchmark"])
def test_flag_where_words_are_expected_is_answered_with_the_word(command):
    words = [sys.executable, "-m", f"msaseg.{command}", "--protocol=smoke"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --protocol=smoke: write protocol=smoke without dashes")
    assert done.stderr.count("\n") == 1
