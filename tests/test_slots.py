"""Jobs on places: started warm, told apart when they break, stopped with the sweep, shared between sweeps."""

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import LIGHT_PRELOAD
from rich.console import Console
from waiting import wait_until

from msaseg.sweep import progress
from msaseg.sweep.gpus import Gpu
from msaseg.sweep.job import Job, stamp
from msaseg.sweep.locks import Lock, lease
from msaseg.sweep.places import Place, Places
from msaseg.sweep.progress import SweepProgress
from msaseg.sweep.slots import CLAIM, Outcome, Running, Slots, last_line

TWO = [Gpu("0", ""), Gpu("1", "")]

WORK = """
    import json, os, time
    start = time.time()
    time.sleep(0.1)
    RESULT.write_text(json.dumps([os.environ["CUDA_VISIBLE_DEVICES"], start, time.time()]))
"""
SLEEP = """
    import os, time
    RESULT.write_text(str(os.getpid()))
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder_of_locks(monkeypatch, tmp_path):
    """These GPUs are no real ones: another test may have them too."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))


def job(folder: Path, name: str, body: str, places: int = 1) -> Job:
    result = folder / f"{name}.json"
    code = f"from pathlib import Path\nRESULT = Path({str(result)!r})\n{textwrap.dedent(body)}"
    (folder / f"of_{name}.py").write_text(code)
    return Job(name, (f"of_{name}",), folder / name / "console.log", result, places)


def run(jobs: list[Job], places: Places | None = None) -> dict[str, Outcome]:
    seen: list[Outcome] = []
    slots = Slots(places or Places(TWO), lambda running: None, seen.append, preload=LIGHT_PRELOAD)
    outcomes = slots.run(jobs)
    assert {outcome.job for outcome in seen} == set(jobs)
    return {outcome.job.name: outcome for outcome in outcomes}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def times(folder: Path, count: int) -> list[tuple[str, float, float]]:
    return [json.loads((folder / f"job{number}.json").read_text()) for number in range(count)]


def never_together(spans) -> bool:
    for device in {device for device, _, _ in spans}:
        own = sorted((start, end) for where, start, end in spans if where == device)
        if any(end > start for (_, end), (start, _) in pairwise(own)):
            return False
    return True


def test_job_whose_result_came_since_it_was_found_missing_is_done_and_one_to_repeat_is_made(tmp_path):
    made, again = (job(tmp_path, name, 'RESULT.write_text("new")') for name in ("made", "again"))
    for one in (made, again):
        one.result.write_text("old")
    outcomes = run([made, replace(again, before=stamp(again.result))])
    assert {name: outcome.failure for name, outcome in outcomes.items()} == {"made": None, "again": None}
    assert (made.result.read_text(), again.result.read_text()) == ("old", "new")


def test_jobs_on_two_devices_never_share_one(tmp_path):
    outcomes = run([job(tmp_path, f"job{number}", WORK) for number in range(6)])
    assert all(outcome.failure is None for outcome in outcomes.values())
    spans = times(tmp_path, 6)
    assert {device for device, _, _ in spans} == {"0", "1"}
    assert never_together(spans)


def test_hundred_jobs_on_eight_devices_when_each_runs_once_lose_nothing(tmp_path):
    body = """
        import os
        with RESULT.open("x") as file:  # a second time fails
            file.write(os.environ["CUDA_VISIBLE_DEVICES"])
    """
    places = Places([Gpu(str(number), "") for number in range(8)])
    outcomes = run([job(tmp_path, f"job{number}", body) for number in range(100)], places)
    assert {name: end.failure for name, end in outcomes.items()} == {f"job{n}": None for n in range(100)}
    assert {(tmp_path / f"job{number}.json").read_text() for number in range(100)} == set("01234567")
    assert not places.taken


def test_jobs_that_break_are_told_and_the_others_finish(tmp_path):
    jobs = [
        job(tmp_path, "raises", "print('before'); raise RuntimeError('out of memory')"),
        job(tmp_path, "killed", "import os; os.kill(os.getpid(), 9)"),
        job(tmp_path, "empty", "print('Received SIGTERM')"),
        job(tmp_path, "status", "import sys; print('error: no data', file=sys.stderr); sys.exit(2)"),
        job(tmp_path, "works", WORK),
    ]
    outcomes = run(jobs)
    assert outcomes["raises"].failure == "exit code 1: RuntimeError: out of memory"
    assert outcomes["killed"].failure == "signal 9"
    assert outcomes["empty"].failure == "exit code 0, but no record: Received SIGTERM"
    assert outcomes["status"].failure == "exit code 2: error: no data"
    assert outcomes["works"].failure is None


def test_jobs_when_the_server_that_forked_them_is_killed_fail_and_the_next_start_anew(tmp_path):
    jobs = [
        job(tmp_path, "orphan", SLEEP.replace("time.sleep", "os.kill(os.getppid(), 9); time.sleep")),
        job(tmp_path, "works", WORK),
    ]
    outcomes = run(jobs, Places(TWO[:1]))
    assert outcomes["orphan"].failure is not None
    assert outcomes["works"].failure is None
    wait_until(lambda: not alive(int((tmp_path / "orphan.json").read_text())), seconds=5)


def test_job_whose_old_result_stays_as_it_was_has_failed(tmp_path):
    again = job(tmp_path, "again", "pass")
    again.result.write_text("of an earlier attempt")
    again = replace(again, before=stamp(again.result))
    assert run([again])["again"].failure == "exit code 0, but no record"


def test_job_whose_folder_cannot_be_made_is_told(tmp_path):
    (tmp_path / "works").write_text("a file where the folder should be")
    assert "works" in str(run([job(tmp_path, "works", WORK)])["works"].failure)


FULL = """
    import os, sys
    for number in (1, 2):
        os.dup2(os.open("/dev/full", os.O_WRONLY), number)
    print("lost")
    print("lost too", file=sys.stderr, flush=True)
"""


def test_job_whose_log_the_disk_takes_no_more_is_made_and_fails_as_it_would(tmp_path):
    jobs = [job(tmp_path, "made", FULL + "    RESULT.write_text('')"), job(tmp_path, "fails", FULL + "    sys.exit(2)")]
    outcomes = run(jobs)
    assert outcomes["made"].failure is None
    assert str(outcomes["fails"].failure).startswith("exit code 2")


@pytest.mark.parametrize("gpus", [TWO[:1], []])
def test_job_of_which_the_disk_takes_no_log_is_told_and_its_place_is_free_for_the_next(tmp_path, gpus):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "console.log").symlink_to("/dev/full")
    work = WORK.replace('os.environ["CUDA_VISIBLE_DEVICES"]', "0")
    outcomes = run([job(tmp_path, name, work) for name in ("first", "second")], Places(gpus, jobs_on_cpu=1))
    assert "No space left on device" in str(outcomes["first"].failure)
    assert outcomes["second"].failure is None
    (tmp_path / "first" / "console.log").unlink()
    assert run([job(tmp_path, "first", work)], Places(gpus, jobs_on_cpu=1))["first"].failure is None


def test_sweep_of_whose_own_output_the_disk_takes_no_more_goes_on(tmp_path):
    with io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True) as full:
        shown = SweepProgress(1, console=Console(file=full))
        (outcome,) = Slots(Places(TWO), shown.started, shown.ended, shown.look).run([job(tmp_path, "job0", WORK)])
    assert outcome.failure is None


def test_sweep_that_finds_no_free_place_says_so_soon_and_then_seldom(monkeypatch):
    clock = iter([0.0, 0.0, 5.0, 11.0, 11.0, 30.0, 612.0, 612.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    screen = io.StringIO()
    shown = SweepProgress(3, console=Console(file=screen, width=200))
    for _ in range(5):
        shown.look([])
    assert screen.getvalue().splitlines() == [f"[0/3]; {progress.WAITING}"] * 2


def test_log_that_is_lost_says_nothing(tmp_path):
    assert last_line(tmp_path / "console.log", 0) == ""


def test_log_keeps_earlier_attempts(tmp_path):
    run([job(tmp_path, "twice", "print('first')")])
    run([job(tmp_path, "twice", "print('second')")])
    log = (tmp_path / "twice" / "console.log").read_text()
    assert log.count("==== ") == 2
    assert [line for line in log.splitlines() if line in ("first", "second")] == ["first", "second"]


def test_job_has_a_session_its_arguments_and_the_environment_of_this_moment(tmp_path, monkeypatch):
    run([job(tmp_path, "before", WORK)])  # the server runs from here on
    monkeypatch.setenv("SET_LATER", "yes")
    body = """
        import os, sys
        RESULT.write_text(repr([os.getsid(0) == os.getpid(), os.environ["SET_LATER"], sys.argv[1:], __name__]))
    """
    one = job(tmp_path, "one", body)
    assert run([Job(one.name, (*one.command, "seed=3"), one.log, one.result)])["one"].failure is None
    assert one.result.read_text() == "[True, 'yes', ['seed=3'], '__main__']"


def test_job_whose_run_another_table_filed_meanwhile_has_not_failed(tmp_path):
    record = tmp_path / "records" / "fusion" / "paper" / "concat" / "seed0-00000000.json"
    one = job(tmp_path, "twin", f"other = Path({str(record)!r})\nother.parent.mkdir(parents=True)\nother.touch()")
    own = tmp_path / "records" / "pooling" / "paper" / "pool5" / record.name
    twin = Job(one.name, one.command, one.log, own)
    assert run([twin])["twin"].failure is None
    assert run([replace(twin, result=own.with_name("seed1-00000000.json"))])["twin"].failure.startswith("exit code")


def test_job_of_two_devices_gets_two_and_one_that_asks_for_more_than_there_are_is_told(tmp_path):
    outcomes = run([job(tmp_path, "pair", WORK, places=2), job(tmp_path, "three", WORK, places=3)])
    assert json.loads((tmp_path / "pair.json").read_text())[0] == "0,1"
    assert outcomes["three"].failure == "it needs 3 GPUs or parts of the cores, of 2"


SWEEP = """
    import signal, sys
    from pathlib import Path
    from msaseg.sweep.gpus import Gpu
    from msaseg.sweep.job import Job
    from msaseg.sweep.places import Place, Places
    from msaseg.sweep.slots import Slots
    if __name__ == "__main__":
        signal.signal(signal.SIGINT, signal.default_int_handler)
        folder, names = Path(sys.argv[1]), sys.argv[2:]
        jobs = [Job(name, (f"of_{name}",), folder / name / "console.log", folder / f"{name}.json") for name in names]
        gpus = [Gpu("0", ""), Gpu("1", "")]
        ends = Slots(Places(gpus), lambda running: None, lambda outcome: None).run(jobs)
        print(sum(end.seconds > 0 for end in ends), [end.job.name for end in ends if end.failure])
"""


def sweep(folder: Path, *names: str) -> subprocess.Popen[str]:
    (folder / "sweep_script.py").write_text(textwrap.dedent(SWEEP))
    paths = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, str(folder / "sweep_script.py"), str(folder), *names]
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": paths}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_jobs_of_a_sweep_that_is_ended_end_too(tmp_path, number):
    job(tmp_path, "sleeps", SLEEP)
    parent = sweep(tmp_path, "sleeps")
    pid = tmp_path / "sleeps.json"
    wait_until(lambda: pid.exists() and pid.read_text())
    child = int(pid.read_text())
    assert alive(child)
    assert lease(Gpu("0", "")) is None
    parent.send_signal(number)
    parent.communicate(timeout=10)
    assert parent.returncode != 0
    wait_until(lambda: not alive(child), seconds=5)
    wait_until(lambda: lease(Gpu("0", "")) is not None, seconds=5)


def test_two_sweeps_of_the_same_jobs_both_work_make_each_once_and_share_no_device(tmp_path):
    names = [f"job{number}" for number in range(8)]
    for name in names:
        job(tmp_path, name, WORK.replace("0.1", "0.5") + '    print("made")\n')
    both = [sweep(tmp_path, *names), sweep(tmp_path, *names)]
    told = [process.communicate(timeout=60)[0].split(maxsplit=1) for process in both]
    assert [failed.strip() for _, failed in told] == ["[]", "[]"]
    assert sum(int(made) for made, _ in told) == 8
    assert all((tmp_path / name / "console.log").read_text().count("made") == 1 for name in names)
    assert never_together(times(tmp_path, 8))


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("loading\n", ""),
        ("epoch 1/9 · loss 1.13\n", ", epoch 1/9"),
        (
            "epoch 1/9 · loss 1.13 · 4 min left\n" + "a warning\n" * 1000 + "epoch 2/9 · loss 1.02 · 3 min left\n",
            ", epoch 2/9, 3 min left",
        ),
        ("epoch 8/9 · loss 0.8 · 3 s left\nepoch 9/9 · loss 0.8\n", ", epoch 9/9"),
    ],
)
def test_sweep_tells_of_a_run_what_the_run_itself_told_last(tmp_path, told, shown):
    log = tmp_path / "console.log"
    log.write_text("epoch 3/9 · loss 2 · 2 h left\n" + told)
    head = len(log.read_bytes()) - len(told.encode())
    running = Running(Job("a", (), log, log), Place("GPU 1"), 0.0, head)
    assert progress.where(running) == f"a (GPU 1{shown})"


def test_job_that_another_sweep_makes_is_passed_over_until_it_is_free(tmp_path):
    taken, free = job(tmp_path, "taken", WORK), job(tmp_path, "free", WORK)
    taken.log.parent.mkdir()
    claim = Lock.take(taken.log.parent / CLAIM)
    assert claim is not None
    ends: list[Outcome] = []

    def ended(outcome: Outcome) -> None:
        ends.append(outcome)
        if outcome.job == free:
            claim.release()

    Slots(Places(TWO[:1]), lambda running: None, ended).run([taken, free])
    assert [(end.job.name, end.failure) for end in ends] == [("free", None), ("taken", None)]
