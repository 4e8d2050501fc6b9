"""Runs as tasks of Ray. Ray starts a task again whose worker or machine died: its run goes on."""

import os
import platform
import secrets
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from msaseg.cli.errors import UserError
from msaseg.sweep.gpus import visible_gpus
from msaseg.sweep.job import Job, stamp
from msaseg.sweep.places import Place, Places
from msaseg.sweep.progress import SweepProgress
from msaseg.sweep.slots import GRACE, LOOK, Outcome, Running, Slots

PLACE = "ray.place"
"""File in a run's folder that says where Ray started the run last."""


@dataclass(frozen=True)
class Ray:
    """Makes runs as tasks of Ray, which end with this process: the values of `conf/hydra/launcher/ray.yaml`.

    Args:
        address: "HOST:PORT" of a Ray that runs, or "auto" for this machine's; None starts one here.
        gpus: that a run takes: a whole number, or a part of one GPU; with 0 it computes on the CPU.
        cpus: cores that Ray counts for a run, and threads that it computes with.
        max_retries: how often Ray starts a run again whose worker or machine died.
    """

    address: str | None
    gpus: float
    cpus: float
    max_retries: int

    def run(self, jobs: Sequence[Job], shown: SweepProgress, environment: Mapping[str, str]) -> list[Outcome]:
        """Hand all jobs to Ray and watch them; as an `Engine`.

        Raises:
            UserError: Ray is not installed, cannot be reached, refuses a value, or has no machine for such a run.
        """
        variables = {**os.environ, **environment, "CUDA_VISIBLE_DEVICES": ""}  # a task with GPUs sets its own
        ray = self._connected()
        try:
            task = ray.remote(max_calls=1, num_gpus=self.gpus, num_cpus=self.cpus, max_retries=self.max_retries)(make)
            named = [(task.options(name=job.name), job) for job in jobs]
            tasks = {task.remote(job, self.gpus, variables, os.getcwd()): job for task, job in named}
        except (TypeError, ValueError) as error:
            raise UserError(f"hydra.launcher, gpus, cpus or max_retries: {_first_line(error)}") from error
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(node.get("GPU", 0) >= self.gpus and node.get("CPU", 0) >= self.cpus for node in nodes):
            asked = f"hydra.launcher.gpus={self.gpus}, cpus={self.cpus}"
            raise UserError(f"{asked}: no machine of this Ray has so many (gpus=0 takes none)")
        return _watch(ray, tasks, shown)

    def _connected(self) -> ModuleType:
        os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # else `uv run` sends the working folder to each machine
        if self.address is None:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex())  # else Ray keeps one in the home folder
        try:
            ray = import_module("ray")
        except ImportError as error:
            raise UserError("hydra/launcher=ray: Ray is not installed: pip install 'msaseg[ray]'") from error
        handler = signal.getsignal(signal.SIGTERM)
        try:
            host, colon, port = str(self.address).rpartition(":")
            if colon:  # Ray itself would try for two minutes
                socket.create_connection((host, port), timeout=10).close()
            ray.init(self.address or "local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise UserError(f"hydra.launcher.address={self.address}: {_first_line(error)}") from error
        signal.signal(signal.SIGTERM, handler)  # Ray has put its own in this place
        return ray


def make(job: Job, gpus: float, environment: Mapping[str, str], folder: str) -> list[Outcome]:
    """Make one run, as a sweep of one on what Ray gave this task, in the sweep's folder and environment."""
    os.chdir(folder)
    if job.is_done:
        return [Outcome(job, 0.0, None)]  # by another sweep, or by this task before its worker died
    gpus_here = visible_gpus() if gpus else []
    places = Places(gpus_here, jobs_per_gpu=int(1 / gpus) if 0 < gpus < 1 else 1, jobs_on_cpu=job.places)

    def started(running: Running) -> None:
        (job.log.parent / PLACE).write_text(f"{platform.node()}, {running.place.name}")

    return Slots(places, started, lambda outcome: None, environment=environment).run([job])


def _watch(ray: ModuleType, tasks: dict[object, Job], shown: SweepProgress) -> list[Outcome]:
    """Tell what happens to tasks until all have ended; stop them if this process is told to stop."""
    seen = {job: stamp(job.log.parent / PLACE) for job in tasks.values()}
    running: dict[Job, Running] = {}
    outcomes: list[Outcome] = []
    try:
        while tasks:
            ended, _ = ray.wait(list(tasks), timeout=LOOK)
            for job in tasks.values():
                place = job.log.parent / PLACE
                if stamp(place) != seen[job]:
                    seen[job] = stamp(place)
                    if job in running:
                        shown.returned(running[job])
                    running[job] = Running(job, Place(place.read_text()), time.monotonic(), job.log.stat().st_size)
                    shown.started(running[job])
            for task in ended:
                job = tasks.pop(task)
                running.pop(job, None)
                try:
                    outcomes += ray.get(task)
                except ray.exceptions.RayError as error:
                    outcomes.append(Outcome(job, 0.0, _first_line(error)))
                shown.ended(outcomes[-1])
            shown.look(list(running.values()))
    except BaseException:
        for task in tasks:
            ray.cancel(task)
        ray.wait(list(tasks), num_returns=len(tasks), timeout=GRACE)
        raise
    finally:
        ray.shutdown()
    return outcomes


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(getattr(error, 'cause', error)).strip().partition(chr(10))[0]}"
