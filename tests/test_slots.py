import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from pathlib import Path

import pytest

from msaseg.sweep.slots import PARENT, Job, Outcome, Slots

FAKE_GPUS = [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]

WORK = """
    import json, os, pathlib, time
    start = time.time()
    time.sleep(0.15)
    line = [os.environ["CUDA_VISIBLE_DEVICES"], start, time.time()]
    pathlib.Path(RESULT).write_text(json.dumps(line))
"""
SLEEP = """
    import os, pathlib, time
    from msaseg.sweep.slots import die_with_parent
    die_with_parent()
    pathlib.Path(RESULT).write_text(str(os.getpid()))
    time.sleep(60)
"""


def job(folder: Path, name: str, body: str) -> Job:
    result = folder / f"{name}.json"
    code = f"RESULT = {str(result)!r}\n{textwrap.dedent(body)}"
    return Job(name, (sys.executable, "-c", code), folder / name / "console.log", result)


def run(jobs: list[Job], environments=FAKE_GPUS) -> dict[str, Outcome]:
    seen: list[Outcome] = []
    outcomes = Slots(environments, lambda job: None, seen.append).run(jobs)
    assert {outcome.job for outcome in seen} == set(jobs)
    return {outcome.job.name: outcome for outcome in outcomes}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_jobs_on_two_devices_never_share_one(tmp_path):
    outcomes = run([job(tmp_path, f"job{number}", WORK) for number in range(6)])
    assert all(outcome.failure is None for outcome in outcomes.values())
    spans = [json.loads((tmp_path / f"job{number}.json").read_text()) for number in range(6)]
    assert {device for device, _, _ in spans} == {"0", "1"}
    for device in "01":
        own = sorted((start, end) for where, start, end in spans if where == device)
        assert all(end <= start for (_, end), (start, _) in pairwise(own))


def test_jobs_that_break_are_told_and_the_others_finish(tmp_path):
    jobs = [
        job(tmp_path, "raises", "print('before'); raise RuntimeError('out of memory')"),
        job(tmp_path, "killed", "import os; os.kill(os.getpid(), 9)"),
        job(tmp_path, "empty", "print('Received SIGTERM')"),
        job(tmp_path, "works", WORK),
    ]
    outcomes = run(jobs)
    assert outcomes["raises"].failure == "exit code 1: RuntimeError: out of memory"
    assert outcomes["killed"].failure == "signal 9"
    assert outcomes["empty"].failure == "exit code 0, but no record: Received SIGTERM"
    assert outcomes["works"].failure is None


def test_job_whose_old_result_stays_as_it_was_has_failed(tmp_path):
    again = job(tmp_path, "again", "pass")
    again.result.write_text("of an earlier attempt")
    assert run([again])["again"].failure == "exit code 0, but no record"


def test_job_whose_folder_cannot_be_made_is_told(tmp_path):
    (tmp_path / "works").write_text("a file where the folder should be")
    assert "works" in str(run([job(tmp_path, "works", WORK)])["works"].failure)


def test_log_keeps_earlier_attempts(tmp_path):
    run([job(tmp_path, "twice", "print('first')")])
    run([job(tmp_path, "twice", "print('second')")])
    log = (tmp_path / "twice" / "console.log").read_text()
    assert log.count("====") == 2
    assert [line for line in log.splitlines() if line in ("first", "second")] == ["first", "second"]


PARENT_SCRIPT = """
    import signal, sys
    from pathlib import Path
    from msaseg.sweep.slots import Job, Slots
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(sys.argv[1])
    code = f"RESULT = {str(folder / 'pid')!r}\\n" + sys.argv[2]
    job = Job("sleep", (sys.executable, "-c", code), folder / "log", folder / "pid")
    Slots([{}], lambda job: None, lambda outcome: None).run([job])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_jobs_of_a_parent_that_is_ended_end_too(tmp_path, number):
    command = [sys.executable, "-c", textwrap.dedent(PARENT_SCRIPT), str(tmp_path), textwrap.dedent(SLEEP)]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    pid = tmp_path / "pid"
    assert wait_for(lambda: pid.exists() and pid.read_text())
    child = int(pid.read_text())
    assert alive(child)
    parent.send_signal(number)
    assert parent.wait(timeout=10) != 0
    assert wait_for(lambda: not alive(child), seconds=5)


def test_job_does_not_hand_its_parent_on_to_what_it_starts(tmp_path):
    body = f"""
        import os, pathlib
        from msaseg.sweep.slots import die_with_parent
        before = {PARENT!r} in os.environ
        die_with_parent()
        pathlib.Path(RESULT).write_text(str([before, {PARENT!r} in os.environ]))
    """
    run([job(tmp_path, "child", body)])
    assert (tmp_path / "child.json").read_text() == "[True, False]"
    assert PARENT not in os.environ
