"""The README's results: generated between two markers, everything else left alone."""

from tables_suite import TABLE

from msaseg.records import places
from msaseg.tables.__main__ import main


def test_render_puts_the_grid_between_the_markers_and_check_guards_it(suite):
    suite.add(suite.points("laptop", "pool0")[0], 40.0)
    assert main(["render"]) == 0
    text = places.README.read_text()
    assert text.startswith("# Head\n")
    assert text.endswith("Tail\n")
    assert TABLE.title in text
    assert "40.00 (n=1 of 3)" in text
    assert main(["check"]) == 0
    places.README.write_text(text.replace("40.00", "70.00"))
    assert main(["check"]) == 1
    assert main(["render"]) == 0
    assert places.README.read_text() == text


def test_readme_without_records_names_the_table_and_prints_no_number(suite):
    assert main(["render"]) == 0
    text = places.README.read_text()
    assert f"No record yet: {TABLE.title}." in text
    assert "70.4" not in text
