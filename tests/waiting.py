"""Wait for what another process does."""

import time
from pathlib import Path


def wait_until(true, otherwise=lambda: "it does not come to pass", seconds=60.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)


def wait_for_end(*pids, seconds=30.0):
    wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), lambda: f"of {pids} one goes on", seconds
    )
