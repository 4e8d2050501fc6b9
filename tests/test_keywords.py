"""`key=value` words: read into a dataclass, refused in one line, explained by --help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from msaseg.cli.errors import UserError
from msaseg.cli.keywords import parse


@dataclass(frozen=True)
class Options:
    """Cut a cake."""

    cake: Annotated[Path, "file of the cake"]
    pieces: Annotated[int, "how many"] = 8
    cream: Annotated[bool, "with cream"] = False
    shape: Annotated[Literal["round", "square"], "of a piece"] = "round"
    guest: Annotated[str | None, "who gets one"] = None
    plate: Annotated[Literal["blue", "white"] | None, "colour"] = None


def read(*words):
    return parse(words, Options, "python -m cake")


def test_words_when_given_become_values_of_the_declared_types():
    assert read("cake=a.ckpt", "pieces=3", "cream=true", "shape=square", "guest=Ann", "plate=blue") == Options(
        Path("a.ckpt"), 3, True, "square", "Ann", "blue"
    )


def test_keys_when_left_out_keep_their_defaults():
    assert read("cake=a") == Options(Path("a"))


def test_file_names_when_they_hold_signs_of_a_grammar_are_taken_as_they_are():
    name = "epoch=0003, (best) [1] ${x}.ckpt"
    assert read(f"cake={name}").cake == Path(name)


def test_home_when_it_is_a_path_is_filled_in(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert read("cake=~/a").cake == Path("/home/ann/a")
    assert read("cake=~no such user/a").cake == Path("~no such user/a")


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        ([], ["cake=... is missing", "file of the cake", "python -m cake --help"]),
        (["cake"], ["cake: write key=value", "--help"]),
        (["cake=a", "piece=3"], ["no key piece", "did you mean pieces?"]),
        (["--cake=a"], ["no key --cake", "did you mean cake?"]),
        (["cake=a", "xyzzy=3"], ["no key xyzzy", "choose from", "pieces"]),
        (["cake=a", "cake=b"], ["cake is given twice"]),
        (["cake="], ["cake=: give a value"]),
        (["cake=a", "guest="], ["guest=: give a value"]),
        (["cake=a", "pieces=0"], ["pieces=0", "1 or more"]),
        (["cake=a", "pieces=-1"], ["pieces=-1", "1 or more"]),
        (["cake=a", "pieces=many"], ["pieces=many", "whole number"]),
        (["cake=a", "pieces=1.5"], ["pieces=1.5", "whole number"]),
        (["cake=a", "cream=yes"], ["cream=yes", "choose from false, true"]),
        (["cake=a", "shape=sqare"], ["shape=sqare", "did you mean square?"]),
        (["cake=a", "plate=red"], ["plate=red", "choose from blue, white"]),
    ],
)
def test_mistake_when_made_is_one_line_with_the_mend(words, phrases):
    with pytest.raises(UserError) as caught:
        read(*words)
    assert "\n" not in str(caught.value)
    for phrase in phrases:
        assert phrase in str(caught.value)


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_when_asked_for_tells_every_key_and_ends_well(capsys, word):
    with pytest.raises(SystemExit) as stopped:
        read("pieces=0", word)
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith("python -m cake KEY=VALUE ...")
    assert "Cut a cake." in told
    lines = {line.split("=")[0].strip(): line for line in told.splitlines() if line.startswith("  ")}
    assert set(lines) == {"cake", "pieces", "cream", "shape", "guest", "plate"}
    assert "(needed)" in lines["cake"]
    assert lines["pieces"].endswith("how many [8]")
    assert "cream=true|false" in lines["cream"]
    assert "[false]" in lines["cream"]
    assert "plate=blue|white" in lines["plate"]
