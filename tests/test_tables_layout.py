"""Where a cell stands and what it says: straight, transposed, texts, and runs that two tables share."""

from dataclasses import replace

from msaseg.tables.cells import Cell, FilledTable
from msaseg.tables.layout import Kind, difference, layout, ours
from msaseg.tables.protocols import Protocol
from msaseg.tables.render import grid
from msaseg.tables.spec import Row, Table, load_tables

PROTOCOL = Protocol("laptop", "about", True, {"cpu": 1.0, "gpu": 1.0}, True, "0123abcd")
PAPERS = replace(PROTOCOL, name="paper")


def table(**changes) -> Table:
    paper = {"iou_pct.Sky": 92.3, "iou_pct.Car": 28.3}
    rows = {"one": Row("One", paper), "two": Row("Two", paper)}
    columns = {"iou_pct.Sky": "Sky", "iou_pct.Car": "Car"}
    declared = {"id": "t", "title": "T", "source": "S", "row_header": "Net", "columns": columns, "tolerance": {}}
    return Table(**{**declared, "rows": rows, **changes})


def cell(mean, paper=None, marks=(), text=None) -> Cell:
    return Cell(mean, None, 1, 1, paper, marks, text)


def filled(table, cells, protocol=PROTOCOL) -> FilledTable:
    return FilledTable(table, protocol, (0,), (), cells)


def told(cell, protocol=PAPERS) -> str:
    return str(ours(cell, filled(table(), {}, protocol)))


def markdown(table, cells, protocol=PROTOCOL) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the lines of the grid, cell by cell."""
    lines = [line.strip("| ").split(" | ") for line in grid(table, [filled(table, cells, protocol)])]
    return lines[0], lines[2:]


def test_transposed_table_shows_the_papers_column_once_for_rival_rows():
    keys = [(row, column) for row in ("one", "two") for column in ("iou_pct.Sky", "iou_pct.Car")]
    cells = {key: cell(float(number), 92.3) for number, key in enumerate(keys)}
    head, lines = markdown(table(transposed=True), cells, PAPERS)
    assert head == ["Net", "as printed", "`paper`: One", "difference", "`paper`: Two", "difference"]
    assert lines[0] == ["Sky", "92.3", "0.00", "-92.30", "2.00", "-90.30"]
    assert [line[0] for line in lines] == ["Sky", "Car"]


def test_transposed_table_whose_rows_differ_shows_each_rows_print_before_ours():
    rows = {"one": Row("One", {"iou_pct.Sky": 1.0}), "two": Row("Two", {"iou_pct.Sky": 2.0}), "own": Row("Own", {})}
    cells = {(row, column): cell(3.0, None) for row in rows for column in ("iou_pct.Sky", "iou_pct.Car")}
    head, lines = markdown(table(transposed=True, rows=rows), cells)
    assert head == ["Net", "as printed: One", "`laptop`: One", "as printed: Two", "`laptop`: Two", "`laptop`: Own"]
    assert lines[0] == ["Sky", "1", "3.00", "2", "3.00", "3.00"]


def test_difference_and_its_mark_stand_under_the_papers_own_protocol_alone():
    one = table(rows={"one": Row("One", {"iou_pct.Sky": 50.0})}, columns={"iou_pct.Sky": "Sky"})
    cells = {("one", "iou_pct.Sky"): cell(40.0, 50.0, ("outside",))}
    assert markdown(one, cells, PAPERS)[1] == [["One", "50", "40.00", "-10.00 ✱"]]
    assert markdown(one, cells)[1] == [["One", "50", "40.00"]]


def test_protocols_follow_each_other_and_the_papers_numbers_stand_once():
    cells = {(row, column): cell(3.0, 92.3) for row in ("one", "two") for column in ("iou_pct.Sky", "iou_pct.Car")}
    laid = layout(table(), [filled(table(), cells, PAPERS), filled(table(), cells)])
    assert [(head.kind, head.protocol) for head in laid.heads[1:]] == [
        *[(Kind.PRINTED, ""), (Kind.OURS, "paper"), (Kind.DIFFERENCE, "paper")] * 2,
        *[(Kind.OURS, "laptop")] * 2,
    ]
    assert laid.begins == (1, 7)
    assert {len(line) for line in laid.lines} == {len(laid.heads)}


def test_table_without_a_protocol_is_what_the_paper_prints():
    laid = layout(table(), [])
    assert [[str(entry) for entry in line] for line in laid.lines] == [["One", "92.3", "28.3"], ["Two", "92.3", "28.3"]]


def test_text_cell_is_marked_if_the_paper_prints_another():
    assert told(cell(None, "3×3", (), "3×3")) == "3×3"
    assert told(cell(None, "3×3", ("outside",), "5×5")) == "5×5 ✱"
    assert told(cell(None, "3×3", ("outside",), "5×5"), PROTOCOL) == "5×5"  # the level is the paper's protocol's alone
    assert told(cell(None, "3×3", ("stale", "dirty"), "3×3")) == "3×3 † ‡"
    assert str(difference(cell(None, "3×3", ("outside",), "5×5"))) == ""


def test_number_is_shown_with_its_spread_and_says_why_where_there_is_none():
    assert told(replace(cell(71.0), sd=1.0)) == "71.00 ± 1.00"
    nothing = ours(replace(cell(None, 1.0, ("missing",)), n=0), filled(table(), {}))
    assert (str(nothing), nothing.missing) == ("missing", True)


def test_table_of_texts_has_no_column_of_differences():
    texts = table(texts=True, rows={"one": Row("One", {"iou_pct.Sky": "3×3"})})
    cells = {("one", "iou_pct.Sky"): cell(None, "3×3", (), "3×3"), ("one", "iou_pct.Car"): cell(None, None, (), "x")}
    head, lines = markdown(texts, cells, PAPERS)
    assert head == ["Net", "as printed: Sky", "`paper`: Sky", "`paper`: Car"]
    assert lines == [["One", "3×3", "3×3", "x"]]


def test_text_of_a_record_is_compared_with_the_papers(suite):
    layers = load_tables()["layerwise"]
    points = suite.plan.points(layers, "laptop")
    for point in points[:2]:
        values = {key.removeprefix("computed/"): "3×3" for key in layers.columns}
        suite.add(point, 0.0, metrics={"computed": values})
    part = suite.results.filled(layers, "laptop")
    assert part.cells["layer1", "computed/filter_size"].marks == ()
    assert part.cells["layer1", "computed/dilation"].marks == ("outside",)
    assert part.cells["layer1", "computed/dilation"].text == "3×3"
    assert part.cells["layer3", "computed/dilation"].marks == ("missing",)


def test_run_that_two_tables_need_fills_both_from_one_record(suite):
    tables = load_tables()
    sweep, other = tables["pooling_sweep"], tables["branch_fusion_sweep"]
    [shared] = [point for point in suite.plan.points(sweep, "laptop", [0]) if point.row == "pool5"]
    before = {point.row for point in suite.results.plan.missing(other, "laptop", [0])}
    suite.add(shared, 41.5)
    part = suite.results.filled(other, "laptop")
    assert part.cells["branches1_concat", "miou_pct"].mean == 41.5
    assert part.cells["branches1_none", "miou_pct"].marks == ("missing",)
    assert before - {point.row for point in suite.results.plan.missing(other, "laptop", [0])} == {"branches1_concat"}


def test_record_of_another_seed_or_configuration_is_not_shared(suite):
    other = load_tables()["branch_fusion_sweep"]
    [point] = [point for point in suite.points("laptop", "pool5") if point.seed == 0]
    suite.add(point, 41.5, config_hash="00000000")
    part = suite.results.filled(other, "laptop")
    assert not part.runs


def test_record_filed_under_both_tables_counts_once(suite):
    tables = load_tables()
    [point] = [
        point for point in suite.plan.points(tables["branch_fusion_sweep"], "laptop", [0]) if "1_concat" in point.row
    ]
    [twin] = [point for point in suite.plan.points(tables["pooling_sweep"], "laptop", [0]) if point.row == "pool5"]
    assert point.config_hash == twin.config_hash
    for run, miou in ((point, 30.0), (twin, 40.0)):
        suite.add(run, miou)
    part = suite.results.filled(tables["branch_fusion_sweep"], "laptop")
    assert (part.cells[point.row, "miou_pct"].mean, part.cells[point.row, "miou_pct"].n) == (30.0, 1)
    third = suite.results.filled(tables["attention_sweep"], "laptop").cells["strides16_8", "miou_pct"]
    assert (third.n, third.sd) == (1, None)
