"""The README's results: generated between two markers, everything else left alone."""

import pytest
from tables_suite import TABLE

from msaseg.cli.errors import UserError
from msaseg.records import places
from msaseg.tables.__main__ import main
from msaseg.tables.markers import markers, with_part

BEGIN, END = markers("results")


def test_render_puts_the_top_row_between_the_markers_and_check_guards_it(suite):
    suite.add(suite.points("paper", "pool5")[0], 40.0)
    assert main(["render"]) == 0
    text = places.README.read_text()
    assert text.startswith("# Head\n")
    assert text.endswith("Tail\n")
    label = TABLE.rows["pool5"].label
    assert f"| [Table 2](experiments/tables/pooling_sweep.md), {label} | 75.6 | 40.00 |  | `paper` |" in text
    assert main(["check"]) == 0
    places.README.write_text(text.replace("40.00", "70.00"))
    assert main(["check"]) == 1
    assert main(["render"]) == 0
    assert places.README.read_text() == text


def test_readme_without_records_says_that_the_number_is_missing(suite):
    assert main(["render"]) == 0
    assert "| 75.6 | missing |  | `paper` |" in places.README.read_text()


@pytest.mark.parametrize("text", ["no markers", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{BEGIN}{END}"])
def test_readme_with_broken_markers_is_refused_and_named(tmp_path, text):
    with pytest.raises(UserError, match="put them back"):
        with_part(text, "results", "", tmp_path / "README.md")
