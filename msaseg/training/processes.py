"""One run in several processes, one per device: that of the command starts the others, and stops all if one fails.

In a Slurm job of several nodes `srun` starts them, as many on each node.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from lightning_fabric.plugins.environments.lightning import find_free_network_port

from msaseg.cli.errors import UserError

RANK = "RANK"
"""Environment variable that says which of several processes this is; torch and Lightning read it too."""

NODES = "MSASEG_NODES"
"""Environment variable with the number of machines that the processes of a run are shared out over."""

STARTER = "MSASEG_STARTER"
"""Environment variable with the process that started this one as one of several."""

RUN_DIR = "MSASEG_RUN_DIR"
"""Environment variable with the folder of the run: its name may hold what Hydra would read in a word."""

START = """
import runpy, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
runpy.run_module("msaseg.train", run_name="__main__", alter_sys=True)
"""
"""Code of a process: told to stop while it still imports, it ends without a word."""

TASK = """
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: signal.raise_signal(signal.SIGINT))
told = os.environ
told.update(RANK=told["SLURM_PROCID"], LOCAL_RANK=told["SLURM_LOCALID"], NODE_RANK=told["SLURM_NODEID"])
told.update(MASTER_ADDR=told["SLURM_LAUNCH_NODE_IPADDR"], MSASEG_LEASED=told.get("CUDA_VISIBLE_DEVICES", ""))
"""
"""What a task of Slurm's does first; its GPUs are the job's. `srun` passes SIGUSR1 on; SIGINT would be for itself."""

PAUSE = 5.0
"""Seconds that make an error be told once, by the first process if all share it: the others wait, and are stopped."""

GRACE = 10.0
"""Seconds between asking a process to stop and killing it: it may wait for another that is gone."""


def rank() -> int:
    """Return which of the processes of a run this is; 0 of a single one."""
    return int(os.environ[RANK]) if is_one_of_several() else 0


def is_one_of_several() -> bool:
    """Return whether another process started this one for a share of its run."""
    return RUN_DIR in os.environ


def nodes() -> int:
    """Return over how many machines the processes of a run are shared out: those of a Slurm job, unless in a step."""
    job = 1 if "SLURM_STEP_ID" in os.environ else os.environ.get("SLURM_JOB_NUM_NODES", 1)
    return int(os.environ.get(NODES, job))


def run_processes(count: int, run_dir: Path) -> None:
    """Make this run in `count` processes.

    Raises:
        UserError: one was killed.
        SystemExit: one failed, with its status; it has told why.
    """
    chosen = HydraConfig.get().overrides
    words = [*chosen.task, *(word for word in chosen.hydra if not word.startswith("hydra.mode"))]
    words += [f"hydra.run.dir=${{oc.env:{RUN_DIR}}}", "hydra.output_subdir=null"]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port()), "TORCH_CPP_LOG_LEVEL": "ERROR"}
    shared |= {RUN_DIR: str(run_dir), NODES: str(nodes())}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        if nodes() > 1:
            command = [*_srun(count), sys.executable, "-c", TASK + START, *words]
            processes.append(_started(command, shared))
        else:
            for number in range(count):
                own = {STARTER: str(os.getpid()), RANK: str(number), "LOCAL_RANK": str(number)}
                processes.append(_started([sys.executable, "-c", START, *words], shared | own, silent=number > 0))
        _wait(processes)
    finally:
        _stop(processes, signal.SIGUSR1 if nodes() > 1 else signal.SIGINT)


def _srun(count: int) -> list[str]:
    here = count // nodes()
    options = {"nodes": nodes(), "ntasks": count, "ntasks-per-node": here, "kill-on-bad-exit": 1, "output": 0}
    if cores := os.environ.get("SLURM_CPUS_PER_TASK"):
        options["cpus-per-task"] = max(1, int(cores) // here)
    return ["srun", "--quiet", "--unbuffered", *(f"--{key}={value}" for key, value in options.items())]


def _started(command: Sequence[str], variables: Mapping[str, str], silent: bool = False) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if silent else None,
        start_new_session=True,  # Ctrl-C is for this process, which passes it on
    )


def _wait(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    while True:
        codes = [process.poll() for process in processes]
        for number, code in enumerate(codes, start=1):
            if code and code < 0:
                name = f"process {number} of {len(codes)}"
                raise UserError(f"{name} was killed by signal {-code}: if memory ran out, lower data.batch_size")
            if code:
                raise SystemExit(code)
        if None not in codes:
            return
        time.sleep(0.1)


def _stop(processes: Sequence["subprocess.Popen[bytes]"], number: signal.Signals) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)  # to SIGTERM Lightning answers with a broadcast, in which all may wait
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def told_once() -> Iterator[None]:
    """Within it the first process speaks for all, and of an error that stops the others only the cause is told."""
    if STARTER in os.environ:
        threading.Thread(target=_end_with_starter, daemon=True).start()
    if rank():
        logging.disable()
        warnings.simplefilter("ignore")
    try:
        yield
    except Exception as error:
        if is_one_of_several():  # a process that was left alone fails at once, and is stopped before it tells
            time.sleep(PAUSE * (2 * (rank() > 0) + (not isinstance(error, UserError))))
        raise


def _end_with_starter() -> None:
    while os.getppid() == int(os.environ[STARTER]):
        time.sleep(0.5)
    os._exit(128 + signal.SIGTERM)
