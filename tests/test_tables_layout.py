"""Where a cell stands and what it says: straight, transposed, texts, and runs that two tables share."""

from msaseg.tables.cells import Cell, Group
from msaseg.tables.layout import layout, show, show_difference
from msaseg.tables.protocols import Protocol
from msaseg.tables.render import groups_of
from msaseg.tables.spec import Row, Table, load_tables

PROTOCOL = Protocol("laptop", "about", True, {"cpu": 1.0, "gpu": 1.0}, True)


def table(**changes) -> Table:
    paper = {"iou_pct.Sky": 92.3, "iou_pct.Car": 28.3}
    rows = {"one": Row("One", paper), "two": Row("Two", paper)}
    columns = {"iou_pct.Sky": "Sky", "iou_pct.Car": "Car"}
    declared = {"id": "t", "title": "T", "source": "S", "row_header": "Net", "columns": columns, "tolerance": {}}
    return Table(**{**declared, "rows": rows, **changes})


def cell(mean, paper=None, marks=(), text=None) -> Cell:
    return Cell(mean, None, 1, 1, paper, marks, text)


def group(cells) -> Group:
    return Group(PROTOCOL, (0,), (), cells)


def test_transposed_table_shows_the_papers_column_once_for_rival_rows():
    keys = [(row, column) for row in ("one", "two") for column in ("iou_pct.Sky", "iou_pct.Car")]
    cells = {key: cell(float(number), 92.3) for number, key in enumerate(keys)}
    head, lines = layout(table(transposed=True), [group(cells)])
    assert head == ["Net", "As printed", "`laptop`: One", "difference", "`laptop`: Two", "difference"]
    assert lines[0] == ["Sky", "92.3", "0.00 (n=1)", "-92.30", "2.00 (n=1)", "-90.30"]
    assert [line[0] for line in lines] == ["Sky", "Car"]


def test_transposed_table_whose_rows_differ_shows_each_rows_print():
    rows = {"one": Row("One", {"iou_pct.Sky": 1.0}), "two": Row("Two", {"iou_pct.Sky": 2.0}), "own": Row("Own", {})}
    cells = {(row, column): cell(3.0, None) for row in rows for column in ("iou_pct.Sky", "iou_pct.Car")}
    head, lines = layout(table(transposed=True, rows=rows), [group(cells)])
    assert head[:3] == ["Net", "One, as printed", "Two, as printed"]
    assert head[-1] == "`laptop`: Own"
    assert lines[0][:3] == ["Sky", "1", "2"]


def test_text_cell_is_shown_without_a_count_and_marked_if_the_paper_prints_another():
    assert show(cell(None, "3×3", (), "3×3")) == "3×3"
    assert show(cell(None, "3×3", ("outside",), "5×5")) == "5×5 ✱"
    assert show(cell(None, "3×3", ("stale", "dirty"), "3×3")) == "3×3 †‡"
    assert show_difference(cell(None, "3×3", ("outside",), "5×5")) == ""


def test_table_of_texts_has_no_column_of_differences():
    texts = table(texts=True, rows={"one": Row("One", {"iou_pct.Sky": "3×3"})})
    cells = {("one", "iou_pct.Sky"): cell(None, "3×3", (), "3×3"), ("one", "iou_pct.Car"): cell(None, None, (), "x")}
    head, lines = layout(texts, [group(cells)])
    assert head == ["Net", "Sky, as printed", "`laptop`: Sky", "`laptop`: Car"]
    assert lines == [["One", "3×3", "3×3", "x"]]


def test_text_of_a_record_is_compared_with_the_papers(suite):
    layers = load_tables()["layerwise"]
    points = suite.plan.points(layers, "laptop")
    for point in points[:2]:
        values = {key.removeprefix("computed/"): "3×3" for key in layers.columns}
        suite.add(point, 0.0, metrics={"computed": values})
    [part] = groups_of(layers, suite.plan, ["laptop"], [])
    assert part.cells["layer1", "computed/filter_size"].marks == ()
    assert part.cells["layer1", "computed/dilation"].marks == ("outside",)
    assert part.cells["layer1", "computed/dilation"].text == "3×3"
    assert part.cells["layer3", "computed/dilation"].marks == ("missing",)


def test_run_that_two_tables_need_fills_both_from_one_record(suite):
    tables = load_tables()
    sweep, other = tables["pooling_sweep"], tables["branch_fusion_sweep"]
    [shared] = [point for point in suite.plan.points(sweep, "laptop", [0]) if point.row == "pool5"]
    before = {point.row for point in suite.plan.missing(other, "laptop", [0])}
    suite.add(shared, 41.5)
    [part] = groups_of(other, suite.plan, ["laptop"], [])
    assert part.cells["branches1_concat", "miou_pct"].mean == 41.5
    assert part.cells["branches1_none", "miou_pct"].marks == ("missing",)
    assert before - {point.row for point in suite.plan.missing(other, "laptop", [0])} == {"branches1_concat"}


def test_record_of_another_seed_or_configuration_is_not_shared(suite):
    other = load_tables()["branch_fusion_sweep"]
    [point] = [point for point in suite.points("laptop", "pool5") if point.seed == 0]
    suite.add(point, 41.5, config_hash="00000000")
    [part] = groups_of(other, suite.plan, ["laptop"], [])
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
    [part] = groups_of(tables["branch_fusion_sweep"], suite.plan, ["laptop"], [])
    assert (part.cells[point.row, "miou_pct"].mean, part.cells[point.row, "miou_pct"].n) == (30.0, 1)
