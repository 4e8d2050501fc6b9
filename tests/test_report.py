"""The report's page as a whole: what stands in it, what it must not load, when it complains."""

import base64
import json
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest
from tables_suite import TABLE

from msaseg.config import ROOT
from msaseg.records.places import PUBLISHED
from msaseg.report import __main__ as command
from msaseg.report.__main__ import main
from msaseg.report.content import gather
from msaseg.report.page import html
from msaseg.tables.protocols import protocol_names
from msaseg.tables.results import Results

VOID = {"meta", "link", "img", "br", "hr", "input"}
HOSTILE = "<script>alert(1)</script> & \"quoted\" 'text'"


@dataclass
class Element:
    tag: str
    attrs: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        return self.attrs.get("class", "").split()

    @property
    def text(self) -> str:
        words = (child if isinstance(child, str) else child.text for child in self.children)
        return " ".join("".join(words).split())

    def all(self, tag: str = "", css: str = "") -> list["Element"]:
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if tag in ("", child.tag) and (not css or css in child.classes):
                    found.append(child)
                found += child.all(tag, css)
        return found

    def children_of(self, *tags: str) -> list["Element"]:
        return [child for child in self.children if isinstance(child, Element) and child.tag in tags]


class Tree(HTMLParser):
    """Reads a page whose elements must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(text)
        self.close()
        assert self.open == [self.root], f"not closed: {[element.tag for element in self.open[1:]]}"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {tag} {attrs}"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag, f"closed out of order: {tag}"

    def handle_data(self, data):
        self.open[-1].children.append(data)


@pytest.fixture
def report(suite, monkeypatch):
    """The suite with one table; of Plotly's script, which is long, the page has its licence alone."""
    monkeypatch.setattr("msaseg.tables.results.load_tables", lambda: {TABLE.id: suite.table})
    monkeypatch.setattr("msaseg.report.page.PLOTLY", "plotly.LICENSE")
    return suite


def page(suite, status=0):
    assert main([]) == status
    return Tree((suite.published / "report.html").read_text()).root


def grid(root):
    """Return the first table of the paper on the page."""
    [article] = [element for element in root.all("article") if element.attrs.get("id") == TABLE.id]
    return article.all("table", "grid")[0]


def row(root, key):
    return next(line for line in grid(root).all("tr") if line.all("th")[0].text == TABLE.rows[key].label)


def test_published_and_other_protocols_go_to_different_folders(report, capsys):
    report.add(report.points("laptop", "pool0")[0], 70.0)
    report.add(report.points("smoke", "pool0")[0], 20.0)
    assert main([]) == 0
    assert main(["--protocol", "smoke"]) == 0
    published, other = report.published / "report.html", report.outputs / "report.html"
    assert capsys.readouterr().out == f"{published}\n{other}\n"
    assert "70.00" in published.read_text()
    assert "20.00" not in published.read_text()
    assert "20.00" in other.read_text()
    assert "70.00" not in other.read_text()


def test_unknown_protocol_is_answered_with_the_nearest_and_nothing_is_written(report, capsys):
    assert main(["--protocol", "papper"]) == 2
    assert capsys.readouterr().err == "error: there is no protocol 'papper': did you mean paper?\n"
    assert not list(report.folder.rglob("report.html"))


def test_broken_record_is_named_once_and_the_page_is_written_without_it(report, capsys):
    good, bad, _ = report.points("laptop", "pool0")
    report.add(good, 33.0)
    path = report.add(bad, 99.0)
    path.write_text(path.read_text()[:100])
    root = page(report, status=1)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert error.count("\n") == 1
    assert "33.00" in row(root, "pool0").text
    assert "1 file could not be read" in root.text
    assert "99.00" not in root.text


def test_same_records_give_the_same_bytes(report):
    for point in report.points("laptop", "pool0"):
        report.add(point, 70.0)
    page(report)
    first = (report.published / "report.html").read_bytes()
    page(report)
    assert (report.published / "report.html").read_bytes() == first
    assert not list(report.folder.rglob("*.part"))


def test_page_that_cannot_be_made_leaves_the_one_before(report, monkeypatch):
    page(report)
    before = (report.published / "report.html").read_bytes()
    monkeypatch.setattr(command, "html", lambda content: "half\ud800")  # cannot be encoded
    with pytest.raises(UnicodeEncodeError):
        main([])
    assert (report.published / "report.html").read_bytes() == before


def test_nothing_is_loaded_from_elsewhere(report):
    report.add(report.points("laptop", "pool0")[0], 70.0)
    figures(report, frame=entry("frame", "Fig. 1"))
    root = page(report)
    loaded = [element.attrs["src"] for element in root.all() if "src" in element.attrs]
    loaded += [element.attrs["href"] for element in root.all("link")]
    assert loaded
    assert all(address.startswith("data:") for address in loaded)
    [style] = root.all("style")
    assert not re.search(r"url\(|@import", style.text)
    [policy] = [element for element in root.all("meta") if "http-equiv" in element.attrs]
    assert policy.attrs["content"].startswith("default-src 'none';")


def test_every_number_of_ours_stands_under_its_protocol(report):
    for protocol in ("paper", "laptop"):
        for point in report.points(protocol, "pool0"):
            report.add(point, 70.0)
    table = grid(page(report))
    heads = table.all("thead")[0].all("th")
    protocols = [head.all("span")[0].text if head.all("span") else "" for head in heads]
    assert protocols == ["", "as printed", "paper", "paper", "laptop"]
    for line in table.all("tbody")[0].all("tr"):
        for cell, protocol in zip(line.children_of("th", "td"), protocols, strict=True):
            if "ours" in cell.classes or "difference" in cell.classes:
                assert cell.attrs["data-protocol"] == protocol


def test_every_other_number_of_a_run_names_its_protocol_too(report):
    for point in report.points("laptop", "pool0"):
        report.add(point, 70.0)
    for line in (line for table in page(report).all("table") for body in table.all("tbody") for line in body.all("tr")):
        named = any("protocol" in element.classes for element in line.all("span"))
        for cell in line.all("td", "number"):
            assert named or "data-protocol" in cell.attrs or "printed" in cell.classes, cell


def test_row_without_record_is_missing_and_the_rest_of_its_protocol_is_shown(report):
    report.add(report.points("laptop", "pool0")[0], 70.0)
    root = page(report)
    assert row(root, "pool1").text == "Pooling ×1 71.3 missing"
    assert [cell.attrs.get("data-sort") for cell in row(root, "pool1").all("td")] == ["71.3", None]
    assert row(root, "pool0").text == "Pooling ×0 70.4 70.00"
    assert "missing: no record of such a run." in root.text


def test_page_without_any_record_shows_the_papers_numbers_and_says_so(report):
    root = page(report)
    assert "There is no record yet." in root.text
    assert [row(root, key).text for key in ("pool0", "pool5")] == ["Pooling ×0 70.4 missing", "Pooling ×5 75.6 missing"]
    assert not root.all("div", "plot")


def test_number_says_on_hover_and_in_the_fold_where_it_comes_from(report):
    path = report.add(report.points("laptop", "pool3")[0], 70.0)
    root = page(report)
    cell = row(root, "pool3").all("td", "ours")[0]
    said = "protocol laptop\n70.00 (seed 0, commit 0123456789, 0.6 min on Some CPU)"
    assert cell.attrs["title"] == said
    [link] = cell.all("a")
    [run] = [element for element in root.all("tr") if f"#{element.attrs.get('id')}" == link.attrs["href"]]
    said = [
        "laptop",
        "Pooling ×3",
        "0",
        "0123456789",
        "Some CPU (2 cores, 32-true)",
        "0.6",
        "2026-01-01 00:00",
        path.name,
    ]
    assert [cell.text for cell in run.all("td")] == said
    address = run.all("a")[0].attrs["href"]
    assert (report.published / address).samefile(path)
    assert "The newest record is of 2026-01-01T00:00:00+00:00, commit 0123456789" in root.text


def test_commands_that_make_the_numbers_again_are_told(report):
    report.add(report.points("laptop", "pool0")[0], 70.0)
    commands = [element.text for element in page(report).all("pre")]
    assert "python -m msaseg.train +experiment=pooling_sweep protocol=laptop seed=0 rerun=true -m" in commands
    assert "make reproduce-tables PROTOCOL=laptop" in commands
    assert "make reproduce-tables PROTOCOL=official" in commands


def test_every_link_within_the_page_has_its_end_and_every_id_is_there_once(report):
    report.add(report.points("laptop", "pool0")[0], 70.0)
    root = page(report)
    ids = [element.attrs["id"] for element in root.all() if "id" in element.attrs]
    assert len(ids) == len(set(ids))
    links = [element.attrs["href"][1:] for element in root.all("a") if element.attrs["href"].startswith("#")]
    assert links
    assert set(links) <= set(ids)


def test_hostile_text_is_shown_and_never_run(report):
    rows = {key: replace(row, label=HOSTILE) for key, row in TABLE.rows.items()}
    changes = {"title": f"Table 2: {HOSTILE}", "note": HOSTILE, "row_header": HOSTILE, "columns": {"miou_pct": HOSTILE}}
    report.table = replace(TABLE, rows=rows, **changes)
    for point in report.plan.points(TABLE, "laptop", [0]):
        hardware = {"device": HOSTILE, "cores": 2, "precision": HOSTILE}
        report.add(point, 70.0, hardware=hardware, code={"commit": HOSTILE, "dirty": False}, finished=HOSTILE)
    root = page(report)
    scripts = [element for element in root.all("script") if "type" not in element.attrs]
    assert len(scripts) == 5  # the page's own
    assert not any("alert" in script.text for script in scripts)
    assert any(element.text == f"Table 2: {HOSTILE}" for element in root.all("h3"))
    plots = [element.text for element in root.all("script") if element.attrs.get("type") == "application/json"]
    assert plots
    assert not any("<script" in text or "<script" in json.dumps(json.loads(text)) for text in plots)


SVG = '<svg width="100pt"><style>a{}</style><text style="font-family: \'DejaVu Sans\'"/></svg>'


def entry(id, paper, frames=("f",), **changes):
    files = [f"{id}.png", f"{id}.svg"]
    content = {"title": f"{paper}: {id}", "caption": "seen", "paper": paper, "files": files, "records": []}
    return {**content, "frames": frames, "commit": "0" * 40, "dirty": False, **changes}


def figures(suite, **entries):
    folder = suite.published / "figures"
    folder.mkdir(parents=True)
    for id in entries:
        (folder / f"{id}.svg").write_text(SVG)
    (folder / "figures.json").write_text(json.dumps(entries))
    return folder


def test_drawn_figures_stand_under_the_papers_and_the_others_are_said_to_be_missing(report):
    figures(report, frame=entry("frame", "Fig. 1"), net=entry("net", "Fig. 3", ()))
    root = page(report)
    sections = {element.attrs["id"]: element for element in root.all("article") if "id" in element.attrs}
    [frame], [net] = (sections[id].all("img") for id in ("figure-1", "figure-3"))
    assert (frame.attrs.get("width"), net.attrs.get("width")) == ("200", None)
    dark = [base64.b64decode(each.attrs["src"].partition(",")[2]).count(b"color-scheme: dark") for each in (frame, net)]
    assert dark == [1, 0]
    assert "not drawn yet: python -m msaseg.figures" in sections["figure-2"].text
    assert "not drawn yet" not in sections["figure-1"].text


def test_figure_whose_record_is_gone_is_not_shown(report):
    figures(report, predictions=entry("predictions", "Fig. 5", records=["experiments/records/gone.json"]))
    assert not page(report).all("img")


def test_figure_of_a_plot_is_linked_and_not_shown_twice(report):
    report.add(report.points("laptop", "pool0")[0], 70.0)
    figures(report, **{"pooling_sweep-laptop": entry("pooling_sweep-laptop", "Table 2", ())})
    root = page(report)
    assert not root.all("img")
    assert "figures/pooling_sweep-laptop.svg" in [element.attrs["href"] for element in root.all("a")]


@pytest.mark.parametrize("change", ["json", "shape", "picture"])
def test_broken_figures_are_named_and_the_page_is_written(report, capsys, change):
    folder = figures(report, frame=entry("frame", "Fig. 1"))
    broken = folder / ("frame.svg" if change == "picture" else "figures.json")
    if change == "picture":
        broken.unlink()
    else:
        broken.write_text("{" if change == "json" else '{"frame": {"files": []}}')
    root = page(report, status=1)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {broken}: ")
    assert error.endswith("; run `make figures`\n")
    assert error.count("\n") == 1
    assert "1 file could not be read" in root.text


def test_committed_report_is_small_enough_to_send():
    assert (ROOT / "experiments" / "report.html").stat().st_size <= 3e6


@pytest.mark.slow
def test_page_of_the_committed_results_has_at_most_three_megabytes(tmp_path):
    results = Results(tmp_path)
    known = [name for name in protocol_names() if results.plan.protocol(name).publish]
    content = gather(results.tables.values(), results, results.published, known, PUBLISHED)
    assert len(content.pictures) + sum(len(figure.pictures) for figure in content.figures) > 5
    assert len(html(content).encode()) < 3e6
