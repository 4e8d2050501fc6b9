"""The W&B pages: they name what runs log, and publishing sends them; W&B itself is a stand-in."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import pytest
from command_line import TINY
from test_wandb_logger import logged
from wandb_server import Server, serving

from msaseg.config import ROOT, compose_run, hashed_part
from msaseg.dashboard import __main__ as command
from msaseg.dashboard.runs import runs_of_tables, swept_keys
from msaseg.dashboard.sections import NUMBERS, dashboard
from msaseg.tables.plan import Plan, Point
from msaseg.tables.spec import load_tables

pytestmark = pytest.mark.filterwarnings(
    "default",  # wandb's own threads and sockets
    "ignore:Pydantic V1 style",  # wandb-workspaces
)

COMMON = ["curves", "classes", "overlays", "comparison", "speed"]
NOT_SHOWN = {"test/class_accuracy_pct"}
KEYS = cache(swept_keys)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A plan that composes nothing; two tables share a run under every protocol, two more under one."""
    monkeypatch.setenv("MSASEG_OUTPUTS", str(tmp_path))
    monkeypatch.setattr("msaseg.dashboard.runs.swept_keys", KEYS)
    shared = {("pooling_sweep", "pool5"): "one", ("branch_fusion_sweep", "branches1_concat"): "one"}
    under_smoke = {("class_iou", "msanet"): "two", ("branch_fusion_sweep", "branches2_concat"): "two"}

    def points(self, table, protocol, seeds=None):
        same = shared | (under_smoke if protocol == "smoke" else {})
        places = [(table.id, row) for row in table.rows]
        return [Point(table.id, protocol, row, 0, same.get((id, row), f"{id} {row}"), ()) for id, row in places]

    monkeypatch.setattr(Plan, "points", points)
    return Plan(tmp_path)


@pytest.fixture
def content(plan):
    tables = load_tables()
    return dashboard(tables, runs_of_tables(tables, plan))


@pytest.fixture
def few(plan, monkeypatch):
    """Pages of two tables: one of all is a megabyte."""
    tables = {name: load_tables()[name] for name in ("pooling_sweep", "class_iou")}
    monkeypatch.setattr(command, "load_tables", lambda: tables)
    return dashboard(tables, runs_of_tables(tables, plan))


@pytest.fixture
def server(monkeypatch):
    """W&B's own library talks to it, over HTTP."""
    import wandb

    server = Server()
    wandb.teardown()  # another test's session may be offline
    with serving(server) as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.delenv("WANDB_MODE", raising=False)
        yield server
    wandb.teardown()


def test_json_has_every_declared_table_then_the_sections_on_runs(plan, capsys):
    assert command.main(["--json"]) == 0
    first = capsys.readouterr().out
    printed = json.loads(first)
    assert printed["project"] == "msaseg"
    assert [section["id"] for section in printed["sections"]] == [*load_tables(), *COMMON]
    assert printed["report"]["sections"] == [*load_tables(), *COMMON]
    pooling = next(page for page in printed["workspaces"] if page["name"] == "pooling_sweep")
    assert pooling["sections"] == ["pooling_sweep", *COMMON]
    classes = next(page for page in printed["workspaces"] if page["name"] == "class_iou")
    assert classes["sections"] == ["class_iou", *COMMON[:1], *COMMON[2:]]  # it shows the classes itself
    assert command.main(["--json"]) == 0
    assert capsys.readouterr().out == first


def test_json_shows_a_table_as_soon_as_it_is_declared(plan, capsys, monkeypatch):
    tables = load_tables()
    new = replace(tables["pooling_sweep"], id="another")
    monkeypatch.setattr(command, "load_tables", lambda: {**tables, "another": new})
    monkeypatch.setattr("msaseg.dashboard.runs.swept_keys", lambda table: ())
    assert command.main(["--json", "--project", "elsewhere"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "another" in [section["id"] for section in printed["sections"]]
    assert printed["project"] == "elsewhere"


def test_table_section_shows_what_the_paper_prints_in_the_charts_of_what_runs_log(content):
    sections = {section.id: section for section in content.tables}
    text, *bars = sections["pooling_sweep"].panels
    assert "paper, Table 2, page 4" in text.text
    assert [(panel.kind, panel.metrics) for panel in bars] == [("bars", ("test/miou_pct", "printed/miou_pct"))]
    shown = [metric for panel in sections["class_iou"].panels for metric in panel.metrics]
    assert {"test/iou_per_class", "test/confusion"} <= set(shown)
    curves = [panel.metrics for panel in sections["training_curves"].panels if panel.kind == "curve"]
    assert ("val/pixel_accuracy_pct", "printed/val/pixel_accuracy_pct") in curves
    assert [(panel.x, panel.metrics) for panel in sections["speed_accuracy"].panels if panel.kind == "scatter"] == [
        ("cost/macs_g", ("test/miou_pct",))
    ]
    printed = [metric for panel in sections["leakage"].panels for metric in panel.metrics if "printed" in metric]
    assert not printed  # the paper prints nothing for it


def test_table_without_runs_in_wandb_has_a_section_but_no_workspace(content):
    assert [panel.kind for panel in content.tables[list(load_tables()).index("layerwise")].panels] == ["text"]
    assert set(content.workspaces) == set(load_tables()) - {"layerwise"}


def test_filter_adds_the_runs_that_another_table_asked_for_first(plan):
    runs = runs_of_tables(load_tables(), plan)
    assert runs["pooling_sweep"].filter == (
        "Metric('Group') == 'pooling_sweep' or "
        "(Metric('Group') == 'branch_fusion_sweep' and Tags() in ['branches1_concat'])"
    )
    assert runs["class_iou"].filter == (
        "Metric('Group') == 'class_iou' or "
        "(Metric('Group') == 'branch_fusion_sweep' and Tags() in ['branches2_concat'] and Tags() in ['smoke'])"
    )
    assert runs["leakage"].filter == "Metric('Group') == 'leakage'"


@pytest.mark.parametrize("table", load_tables())
def test_runs_are_grouped_by_keys_that_their_configuration_has(table):
    run = compose_run([f"+experiment={table}"])
    config = hashed_part(run) | {"row": run.row}  # what W&B is given
    assert swept_keys(table)
    for key in swept_keys(table):
        value = config
        for part in key.split("."):
            value = value[part]
        assert isinstance(value, int | str), key


def test_panels_name_what_a_run_really_logs(cli, tmp_path, monkeypatch, content):
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert cli(*TINY, "logger=wandb", "+experiment=pooling_sweep", "model.net.num_poolings=1") == 0
    run, config, history = logged(tmp_path)
    names = {name.partition(".")[0] for name in history}
    scores = {name for name in names if name.split("/")[0] in ("train", "val", "test")}
    assert {name: float(history[name][0]) for name in names if name.startswith("printed/")} == {
        "printed/miou_pct": 71.3
    }
    panels = [panel for section in content.sections for panel in section.panels]
    shown = {metric for panel in panels for metric in panel.metrics}
    assert scores - shown == NOT_SHOWN
    assert {name for name in shown if not name.startswith("printed/")} <= scores
    assert {name for name in scores if name in history} == NUMBERS
    assert {panel.x for panel in panels if panel.x} <= names
    assert json.loads(history["test/iou_per_class._type"][0]) == "table-file"
    assert json.loads(history["test/predictions._type"][0]) == "images/separated"
    runs = next(section.runs for section in content.tables if section.id == "pooling_sweep")
    assert f"Metric('Group') == {run.run_group!r}" in runs.filter
    assert {"pool1", "smoke"} <= set(run.tags)
    assert runs.group_by == ("protocol.name", "model.net.num_poolings")
    assert json.loads(config["protocol"])["name"] == "smoke"
    assert json.loads(config["model"])["net"]["num_poolings"] == 1


def test_workspace_holds_the_specification_without_an_account(content):
    from msaseg.dashboard.publish import workspace

    sections = content.workspaces["pooling_sweep"]
    model = json.loads(workspace("pooling_sweep", sections, "e", "p")._to_model().model_dump_json(by_alias=True))
    built = model["spec"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in built] == [section.title for section in sections]
    for section, wanted in zip(built, sections, strict=True):
        assert len(section["panels"]) == len(wanted.panels)
        for panel, plain in zip(section["panels"], wanted.panels, strict=True):
            for metric in plain.metrics:
                assert metric in json.dumps(panel)
            assert plain.text in panel["config"].get("value", "")
            assert plain.kind == "scatter" or panel["config"].get("xAxis", "") == plain.x
            assert plain.x in json.dumps(panel)
    (runs,) = model["spec"]["section"]["runSets"]
    assert [item["value"] for item in runs["filters"]["filters"]] == [
        "pooling_sweep",
        "branch_fusion_sweep",
        ["branches1_concat"],
    ]
    assert [item.get("connector") for item in runs["filters"]["filters"]] == [None, "OR", "AND"]
    assert [key["name"] for key in runs["grouping"]] == ["protocol.value.name", "model.value.net.num_poolings"]


def test_publishing_sends_the_report_and_a_workspace_a_table_and_prints_the_addresses(plan, content, server, capsys):
    assert command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.partition(": ")[0] for line in lines]
    assert names == ["report", *(f"workspace {name}" for name in content.workspaces)]
    assert all(": http://127.0.0.1:" in line and "/someone/msaseg" in line for line in lines)
    report, *workspaces = server.sent
    assert [sent["displayName"] for sent in workspaces] == list(content.workspaces)
    assert {(sent["entityName"], sent["projectName"]) for sent in server.sent} == {("someone", "msaseg")}
    blocks = json.loads(report["spec"])["blocks"]
    grids = [block["metadata"] for block in blocks if block["type"] == "panel-grid"]
    assert [grid["runSets"][0]["name"] for grid in grids] == [section.id for section in content.sections]
    pooling = grids[[section.id for section in content.sections].index("pooling_sweep")]["runSets"][0]
    assert [item["value"] for item in pooling["filters"]["filters"]][:2] == ["pooling_sweep", "branch_fusion_sweep"]
    assert [key["name"] for key in pooling["grouping"]] == ["protocol.value.name", "model.value.net.num_poolings"]
    for grid, section in zip(grids, content.sections, strict=True):
        assert len(grid["panelBankSectionConfig"]["panels"]) == len(section.panels)
        for metric in (metric for panel in section.panels for metric in panel.metrics):
            assert metric in json.dumps(grid["panelBankSectionConfig"])


def test_second_call_updates_the_same_pages_and_keeps_their_addresses(few, server, capsys, monkeypatch):
    assert command.main([]) == 0
    first, before = capsys.readouterr().out, dict(server.views)
    changed = replace(few, common=few.common[:1])
    monkeypatch.setattr(command, "dashboard", lambda *_: changed)
    assert command.main([]) == 0
    assert capsys.readouterr().out == first
    assert server.views.keys() == before.keys()
    assert all(len(server.views[id]["spec"]) < len(before[id]["spec"]) for id in before)


def test_dry_run_is_an_outline_of_pages_sections_and_panels(plan, content, capsys):
    assert command.main(["--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["project msaseg", "report msaseg"]
    assert [line.strip() for line in lines if line.startswith("  ") and not line.startswith("    ")] == [
        section.title for section in content.sections
    ]
    assert len([line for line in lines if line.startswith("    ")]) == sum(len(one.panels) for one in content.sections)


def test_entity_and_project_of_the_command_line_are_used(few, server, capsys):
    assert command.main(["--entity", "team", "--project", "msaseg"]) == 0
    assert {sent["entityName"] for sent in server.sent} == {"team"}
    assert command.main(["--entity", "team", "--project", "nothing"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: W&B did not take the report: ValueError:")
    assert "Project nothing does not exist under entity team" in error


def test_refused_page_is_one_line_after_those_that_were_saved(plan, server, capsys):
    server.refuse = 2
    assert command.main([]) == 2
    out, err = capsys.readouterr()
    assert [line.partition(": ")[0] for line in out.splitlines()] == ["report", "workspace attention_sweep"]
    assert err.splitlines()[-1] == (
        "error: W&B did not take the workspace backbone_replication_sweep: "
        "WandbApiFailedError: input: permission denied; look at --entity and --project"
    )


@pytest.mark.parametrize(
    ("login", "line"),
    [
        (lambda: False, "no W&B account: run `wandb login`, unset WANDB_MODE if it is set, or add --dry-run"),
        (lambda: refuse(), "W&B does not let you in (key invalid): try `wandb login --relogin`, or add --dry-run"),
    ],
)
def test_without_an_account_one_line_says_what_to_do(plan, monkeypatch, capsys, login, line):
    import wandb

    monkeypatch.setattr(wandb, "login", lambda **_: login())
    assert command.main([]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {line}\n")


def refuse():
    import wandb

    raise wandb.errors.AuthenticationError("key\ninvalid.")


def test_account_without_default_entity_is_asked_for_one(plan, server, monkeypatch, capsys):
    server.entity = None
    assert command.main([]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: the W&B account has no default entity: add --entity NAME"


def test_dry_run_needs_neither_torch_nor_wandb():
    code = (
        "import sys; import msaseg.dashboard.__main__ as command; "
        "command.load_tables = lambda: {}; assert command.main(['--dry-run']) == 0; "
        "sys.exit('torch' in sys.modules or 'wandb' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
