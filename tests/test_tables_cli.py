import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import LIGHT_PRELOAD, assert_one_line
from hydra import compose, initialize_config_dir
from tables_suite import TABLE

from msaseg.cli.errors import UserError
from msaseg.config import CONF, ROOT
from msaseg.sweep.gpus import Gpu
from msaseg.sweep.places import Places
from msaseg.sweep.runs import Settings
from msaseg.tables import reproduce as reproduction
from msaseg.tables.__main__ import main
from msaseg.tables.record_path import path_of_record
from msaseg.tables.reproduce import Work, announcement, get_data, job_of, reproduce, work_left
from msaseg.tables.results import Results
from msaseg.tables.runs import Run

STAND_IN = """
import os, sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from tables_suite import TABLE, record_of
from msaseg.tables.plan import Plan
plan = Plan(Path({outputs!r}))
[point] = [point for point in plan.points(TABLE, "smoke", [0]) if list(point.overrides) == sys.argv[1:]]
if point.row in {broken!r}:
    sys.exit(1)
if {sleeps!r}:
    Path({outputs!r}, f"pid-{{point.row}}").write_text(str(os.getpid()))
    time.sleep(60)
record_of(point, 40.0).save(point.path(plan.records("smoke")))
"""


@pytest.fixture
def checked(suite, capsys):
    suite.add(suite.points("laptop", "pool0")[0], 70.0)
    assert main(["render"]) == 0
    assert main(["check"]) == 0
    capsys.readouterr()
    return suite


def test_published_and_other_protocols_go_to_different_folders(suite, capsys):
    suite.add(suite.points("laptop", "pool0")[0], 70.0)
    suite.add(suite.points("smoke", "pool0")[0], 20.0)
    assert main(["render"]) == 0
    published = (suite.published / "tables" / "pooling_sweep.md").read_text()
    assert "`laptop`" in published
    assert "smoke" not in published
    assert not (suite.outputs / "tables").exists()
    assert main(["render", "--protocol", "smoke"]) == 0
    other = (suite.outputs / "tables" / "pooling_sweep.md").read_text()
    assert "20.00" in other
    assert "laptop" not in other
    assert other in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pooling_sweep.md", "pooling_sweep.csv"])
def test_check_finds_a_number_edited_by_hand(checked, capsys, name):
    file = checked.published / "tables" / name
    file.write_text(file.read_text().replace("70.00", "75.00"))
    assert main(["check"]) == 1
    assert capsys.readouterr().err == f"error: {file}: differs from what its records give; run `make tables`\n"


def test_check_finds_a_missing_file_and_one_that_belongs_to_no_table(checked, capsys):
    (checked.published / "tables" / "pooling_sweep.csv").unlink()
    assert main(["check"]) == 1
    assert "pooling_sweep.csv: missing; run `make tables`" in capsys.readouterr().err
    assert main(["render"]) == 0
    (checked.published / "tables" / "by_hand.md").write_text("| 99 |")
    assert main(["check"]) == 1
    assert "by_hand.md: no table is rendered to this file; delete it" in capsys.readouterr().err


def test_check_finds_a_record_that_is_not_rendered_yet(checked, capsys):
    checked.add(checked.points("laptop", "pool1")[0], 71.0)
    assert main(["check"]) == 1
    assert "run `make tables`" in capsys.readouterr().err


def test_list_counts_current_records_of_each_protocol(suite, capsys):
    first, second, _ = suite.points("laptop", "pool0")
    suite.add(first, 20.0)
    suite.add(second, 20.0, config_hash="00000000")
    assert main(["list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][0] == "pooling_sweep:"
    assert ["laptop", "1/18", "runs"] in lines
    assert ["smoke", "no", "runs"] in lines


def test_missing_of_a_table_under_a_protocol_that_it_is_not_made_under_names_its_own(suite, monkeypatch, capsys):
    tables = {suite.table.id: replace(suite.table, protocols=("laptop",))}
    monkeypatch.setattr("msaseg.tables.results.load_tables", lambda: tables)
    assert main(["missing", "--table", "pooling_sweep"]) == 2
    assert "not made under paper: write --protocol laptop" in capsys.readouterr().err


def test_missing_prints_the_command_of_each_run_once(suite, monkeypatch, capsys):
    twin = replace(TABLE, title="Another that needs the same runs")
    monkeypatch.setattr("msaseg.tables.results.load_tables", lambda: {TABLE.id: TABLE, "twin": twin})
    suite.add(suite.points("smoke", "pool0")[0], 20.0)
    assert main(["missing", "--protocol", "smoke", "--seeds", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("python -m msaseg.train ")
    assert lines[0].endswith("model.net.num_poolings=1 +experiment=pooling_sweep protocol=smoke seed=0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["render", "--protocol", "papper"], "there is no protocol 'papper': did you mean paper?"),
        (["list", "--table", "poling_sweep"], "there is no table 'poling_sweep': did you mean pooling_sweep?"),
    ],
)
def test_unknown_name_is_answered_with_the_nearest(suite, capsys, words, message):
    assert main(words) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize("text", ["zero", "0,,1", "-1", "4294967296"])
def test_seeds_that_are_none_are_refused(text, capsys):
    assert main(["missing", f"--seeds={text}"]) == 2
    assert_one_line(capsys, "error: --seeds: ")


@pytest.fixture
def with_light_preload(monkeypatch):
    settings = replace(Settings.load(), preload=LIGHT_PRELOAD)
    monkeypatch.setattr(Settings, "load", lambda: settings)


def stand_in(suite, monkeypatch, broken=(), sleeps=False):
    tests, outputs = os.path.dirname(__file__), str(suite.outputs)
    text = STAND_IN.format(tests=tests, outputs=outputs, broken=list(broken), sleeps=sleeps)
    (suite.folder / "standin.py").write_text(text)
    monkeypatch.syspath_prepend(str(suite.folder))
    monkeypatch.setenv("WANDB_MODE", "offline")
    return "standin"


@pytest.mark.usefixtures("with_light_preload")
def test_reproduce_makes_what_is_missing_renders_and_sums_up(suite, monkeypatch, capfd):
    train = stand_in(suite, monkeypatch)
    assert reproduce([suite.table], suite.plan, "smoke", [0], train) == 0
    out = capfd.readouterr().out
    assert out.startswith("Protocol smoke: 6 runs are missing. Hardware: ")
    assert "[6/6] pooling_sweep/pool" in out
    assert TABLE.rows["pool5"].label in out
    lines = out.splitlines()
    assert "…" not in out
    assert "40.00" in next(line for line in lines if TABLE.rows["pool5"].label in line)
    assert "  n = 1 seed." in lines
    assert lines[-3] == f"Tables: {suite.outputs / 'tables'}"
    assert lines[-1].endswith(f"msaseg.report --protocol smoke writes {suite.outputs / 'report.html'}")
    assert "40.00" in (suite.outputs / "tables" / "pooling_sweep.md").read_text()

    assert reproduce([suite.table], suite.plan, "smoke", [0], "no_module") == 0
    assert "no run is missing" in capfd.readouterr().out


@pytest.mark.usefixtures("with_light_preload")
def test_reproduce_with_a_run_that_failed_renders_the_others_and_fails(suite, monkeypatch, capfd):
    train = stand_in(suite, monkeypatch, broken=["pool3"])
    assert reproduce([suite.table], suite.plan, "smoke", [0], train) == 1
    streams = capfd.readouterr()
    assert "1 runs are still missing (pooling_sweep)" in streams.err
    assert "pooling_sweep/pool3/seed0 FAILED" in streams.out
    assert "missing" in streams.out
    assert "40.00" in (suite.outputs / "tables" / "pooling_sweep.md").read_text()


REPRODUCE = """
import sys
from dataclasses import replace
from pathlib import Path
from msaseg.sweep.runs import Settings
from msaseg.tables.plan import Plan
from msaseg.tables.reproduce import reproduce
from msaseg.tables.spec import load_tables
settings = replace(Settings.load(), preload={preload!r})
Settings.load = lambda: settings
sys.exit(reproduce([load_tables()["pooling_sweep"]], Plan(Path({outputs!r})), "smoke", [0], "standin"))
"""


@pytest.mark.usefixtures("with_light_preload")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_reproduce_ended_alone_leaves_no_run_behind_and_the_same_command_completes(suite, monkeypatch, number):
    stand_in(suite, monkeypatch, sleeps=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(suite.folder), str(ROOT)])}
    code = REPRODUCE.format(outputs=str(suite.outputs), preload=LIGHT_PRELOAD)
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(files := [file for file in suite.outputs.glob("pid-*") if file.read_text()]) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(timeout=20) == (-number if number == signal.SIGKILL else 128 + number)
    while any(Path(f"/proc/{file.read_text()}").exists() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(list(suite.outputs.glob("pid-*"))) == 2
    train = stand_in(suite, monkeypatch)
    assert reproduce([suite.table], suite.plan, "smoke", [0], train) == 0


def test_folder_of_a_run_is_where_the_run_itself_writes(suite):
    point = suite.points("smoke", "pool3")[1]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", list(point.overrides), return_hydra_config=True)
    job = job_of(point, suite.plan)
    assert str(job.log.parent) == config.hydra.run.dir
    assert job.result == path_of_record(config)


def run_of(hardware: dict[str, object], seconds: float) -> Run:
    return Run(Path("record.json"), "pool0", 0, "0", {}, None, False, dict(hardware), seconds, "", [64, 96])


def test_time_left_is_measured_on_like_hardware_or_estimated(suite):
    protocol = suite.plan.protocol("laptop")
    cores = os.cpu_count()
    here = {"kind": "cpu", "device": "x", "cores": cores, "threads": max(1, cores // 2)}
    alone = here | {"threads": cores + 1}
    gpu = {"kind": "cuda", "device": "L4", "cores": 64}

    missing = tuple(suite.points("laptop", "pool0")) * 6

    def told(*runs, table=TABLE, gpus=(), also=()):
        return announcement([Work(table, missing, runs), *also], protocol, Places(gpus))

    measured = told(run_of(here, 100), run_of(gpu, 7))
    assert "18 runs are missing" in measured
    assert f"CPU, {os.cpu_count()} cores. About 15 min (measured here)" in measured
    assert "About 45 min (estimated)" in told(run_of(gpu, 7), run_of(alone, 100))
    two = [Gpu("0", "L4"), Gpu("1", "L4")]
    assert "2 x L4. About 1 min (measured here)" in told(run_of(gpu, 7), gpus=two)
    many = [Gpu(str(number), "L4") for number in range(100)]
    assert "100 x L4. About 7 s (measured here)" in told(run_of(gpu, 7), gpus=many)  # no faster than one run
    assert "About 9 s (estimated)" in told(table=replace(TABLE, texts=True))
    assert "36 runs are missing" in told(also=[Work(TABLE, missing, (run_of(here, 100),))])
    assert "About 1 h (partly measured)" in told(also=[Work(TABLE, missing, (run_of(here, 100),))])


def test_run_that_two_tables_need_is_counted_once(suite):
    twin = replace(TABLE, title="Another")
    [work] = work_left([TABLE, twin], Results(suite.outputs), "smoke", [0])
    assert (work.table, len(work.missing), work.done) == (TABLE, 6, ())


def test_data_that_cannot_be_fetched_names_the_way_to_a_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="MSASEG_DATA=/path/to/CamVid make reproduce-tables"):
        get_data(tmp_path / "absent")


def test_data_that_is_there_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction.sys, "executable", "/bin/false")
    (tmp_path / "train").mkdir()
    get_data(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["train"]
