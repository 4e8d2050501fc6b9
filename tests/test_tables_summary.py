"""A table in a terminal of 80 columns: nothing is cut off, and what a number stands for is said below."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from test_tables_layout import PAPERS, cell, filled, table

from msaseg.tables.cells import Cell, FilledTable
from msaseg.tables.layout import legend
from msaseg.tables.spec import Row, load_tables
from msaseg.tables.summary import print_summary, sections

MARKS = ("stale", "dirty", "outside", "fewer")


def printed(filled, width=80):
    text = io.StringIO()
    print_summary(filled, Console(file=text, width=width))
    return text.getvalue()


@pytest.mark.parametrize("name", sorted(load_tables()))
def test_any_table_when_printed_at_80_columns_is_whole(name):
    declared = load_tables()[name]
    keys = [(row, column) for row in declared.rows for column in declared.columns]
    cells = {key: Cell(12.3456, 11.25, 2, 3, declared.printed(*key), MARKS) for key in keys}
    out = printed(FilledTable(declared, PAPERS, (0, 1, 2), (), cells))
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("12.35 ± 11.25 † ‡ ") == len(keys)
    assert "n = 2 of 3 seeds." in out or declared.texts


def test_table_of_several_columns_when_printed_has_a_heading_for_each():
    cells = {(row, key): cell(1.0, 92.3) for row in ("one", "two") for key in ("iou_pct.Sky", "iou_pct.Car")}
    parts = sections(filled(table(), cells))
    assert [(heading, [label for label, _ in lines]) for heading, lines in parts] == [
        ("Sky", ["One", "Two"]),
        ("Car", ["One", "Two"]),
    ]
    turned = sections(filled(table(transposed=True), cells))
    assert [(heading, [label for label, _ in lines]) for heading, lines in turned] == [
        ("One", ["Sky", "Car"]),
        ("Two", ["Sky", "Car"]),
    ]
    assert "T — protocol laptop\n" in printed(filled(table(), cells))


def test_table_of_one_column_when_printed_names_it_above_with_the_papers_number_ours_and_the_difference():
    one = table(columns={"miou_pct": "mIoU [%]"}, rows={"one": Row("One [1]", {"miou_pct": 50.0})})
    out = printed(filled(one, {("one", "miou_pct"): cell(40.0, 50.0, ("outside",))}, PAPERS))
    assert "T — mIoU [%] — protocol paper\n" in out
    (line,) = (line for line in out.splitlines() if "One [1]" in line)
    assert [part.strip() for part in line.strip("│").split("│")] == ["One [1]", "50", "40.00", "-10.00 ✱"]


def test_footnotes_when_rows_have_different_numbers_of_seeds_name_them_and_leave_missing_ones_out():
    three = table(columns={"miou_pct": "mIoU"}, rows={name: Row(name.title(), {}) for name in ("a", "b", "c")})
    fewer = replace(cell(1.0, None, ("fewer",)), n=1, asked=3)
    cells = {
        ("a", "miou_pct"): fewer,
        ("b", "miou_pct"): replace(cell(1.0, None), n=3, asked=3),
        ("c", "miou_pct"): replace(cell(None, None, ("missing",)), n=0, asked=3),
    }
    assert legend(filled(three, cells)) == [
        "n = 3 seeds: B.",
        "n = 1 of 3 seeds: A.",
        "missing: no record of such a run.",
    ]
