"""The index beside the pictures: complete, and true after every kind of change."""

import json

import pytest
from matplotlib.figure import Figure

from msaseg.cli.errors import UserError
from msaseg.figures.index import NAME, Index
from msaseg.figures.planned import Drawing, Planned

CODE = {"commit": "a" * 40, "dirty": False}
LATER = {"commit": "b" * 40, "dirty": False}


def figure(words: str) -> Figure:
    drawn = Figure(figsize=(1, 1))
    drawn.text(0.1, 0.5, words)
    return drawn


def planned(id: str) -> Planned:
    return Planned(id, f"Title of {id}", "Fig. 4", lambda: Drawing(figure(id), "Seen."))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "experiments" / "figures"


def entries(folder):
    return json.loads((folder / NAME).read_text(encoding="utf-8"))


def test_entry_tells_all_that_a_reader_of_the_index_needs(folder):
    record = folder.parent / "records" / "t" / "laptop" / "r" / "seed0-0.json"
    index = Index(folder)
    record.parent.mkdir(parents=True)
    record.touch()
    files = index.add(planned("one"), Drawing(figure("x"), "Seen.", [record], ["test/a"]), CODE)
    index.close()
    assert files == [folder / "one.png", folder / "one.svg"]
    assert all(file.stat().st_size for file in files)
    assert entries(folder) == {
        "one": {
            "title": "Title of one",
            "caption": "Seen.",
            "paper": "Fig. 4",
            "files": ["one.png", "one.svg"],
            "records": ["experiments/records/t/laptop/r/seed0-0.json"],
            "frames": ["test/a"],
            **CODE,
        }
    }


def test_picture_that_comes_out_the_same_keeps_its_commit_and_a_changed_one_gets_the_new(folder):
    index = Index(folder)
    for id in ("same", "other"):
        index.add(planned(id), Drawing(figure("x"), "Seen."), CODE)
    index.close()
    index = Index(folder)
    index.add(planned("same"), Drawing(figure("x"), "Seen."), LATER)
    index.add(planned("other"), Drawing(figure("y"), "Seen."), LATER)
    index.close()
    assert {id: entry["commit"] for id, entry in entries(folder).items()} == {
        "same": CODE["commit"],
        "other": LATER["commit"],
    }


def test_index_when_closed_keeps_what_is_not_drawn_again_and_deletes_what_no_longer_exists(folder):
    index = Index(folder)
    for id in ("old", "gone"):
        index.add(planned(id), Drawing(figure("x"), "Seen."), CODE)
    index.close()
    (folder / "notes.txt").write_text("kept")
    index = Index(folder)
    index.add(planned("new"), Drawing(figure("y"), "Seen."), CODE)
    assert index.close({"old", "new"}) == [folder / "gone.png", folder / "gone.svg"]
    assert list(entries(folder)) == ["new", "old"]
    left = {f"{id}.{suffix}" for id in ("new", "old") for suffix in ("png", "svg")}
    assert {path.name for path in folder.iterdir()} == {"figures.json", "notes.txt", *left}


def test_nothing_drawn_leaves_no_folder(folder):
    assert Index(folder).close(set()) == []
    assert not folder.exists()


def test_figure_whose_record_is_gone_is_deleted_and_a_picture_without_entry_stays(folder):
    record = folder.parent / "records" / "gone.json"
    index = Index(folder)
    index.add(planned("one"), Drawing(figure("x"), "Seen.", [record]), CODE)
    (folder / "other.png").write_text("drawn on another machine")
    assert index.close() == [folder / "one.png", folder / "one.svg"]
    assert {path.name for path in folder.iterdir()} == {"figures.json", "other.png"}
    assert entries(folder) == {}


@pytest.mark.parametrize("content", ["{", "[1]", '{"one": null}', '{"one": {"files": null}}'])
def test_unreadable_index_is_named_with_the_mend(folder, content):
    folder.mkdir(parents=True)
    (folder / NAME).write_text(content)
    with pytest.raises(UserError, match=r"figures\.json: not an index of figures; .*git checkout"):
        Index(folder)
