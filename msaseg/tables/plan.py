"""Which runs fill a table, and which of them have no record yet."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from msaseg.cli.errors import UserError
from msaseg.config import composing, config_hash, net_hash, plain, without
from msaseg.records.places import FILES, records_root
from msaseg.records.run import RunKey
from msaseg.records.speed import speeds_root
from msaseg.sweep.compose import compose_job, files_read_once
from msaseg.tables.composed import Composed, ComposedCache
from msaseg.tables.protocols import Protocol, about, compose_protocol
from msaseg.tables.spec import Table

Job = tuple[str, Callable[[], dict[str, Any]]]
"""What to call for an answer, after its name in messages."""


@dataclass(frozen=True)
class Point(RunKey):
    """One run of a table.

    Args:
        overrides: what to type after `msaseg.train` to make exactly this run.
    """

    overrides: tuple[str, ...]


class Plan:
    """The runs behind every table, composed once and then remembered.

    Args:
        outputs: the machine's folder for runs: holds the cache, and the records of unpublished protocols.
    """

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.cache = ComposedCache(outputs / "cache")

    def protocol(self, name: str) -> Protocol:
        """Return a protocol by its name.

        Raises:
            UserError: its file does not compose.
        """
        key, job = _protocol_job(name)
        fields = self.cache.get(key, lambda: _composed([job])[0])
        return Protocol(name=name, about=about(name), **fields)

    def seeds(self, table: Table, protocol: str) -> list[int]:
        """Return the seeds that the table's sweep asks for under a protocol."""
        return list(self._sweep(table, protocol)["seeds"])

    def points(self, table: Table, protocol: str, seeds: Sequence[int] | None = None) -> list[Point]:
        """Return the runs of a table under a protocol, in the order of its rows.

        Args:
            table: the table to fill.
            protocol: name of the protocol to run under.
            seeds: to run instead of those that the sweep names.

        Raises:
            UserError: the experiment does not compose, or its sweep reaches other rows than are declared.
        """
        sweep = self._sweep(table, protocol)
        return [
            Point(table.id, protocol, row, seed, digest, (*overrides, f"seed={seed}"))
            for row, digest, _, overrides in sorted(sweep["rows"], key=lambda entry: list(table.rows).index(entry[0]))
            for seed in (sweep["seeds"] if seeds is None else seeds)
        ]

    def nets(self, table: Table, protocol: str) -> dict[str, str]:
        """Return row to `net_hash` of the net that it trains under a protocol.

        Raises:
            UserError: the experiment does not compose.
        """
        return {row: net for row, _, net, _ in self._sweep(table, protocol)["rows"]}

    def prepare(self, wanted: Iterable[tuple[Table, str]]) -> None:
        """Compose protocols and the sweeps of tables under them on all cores, as far as they are not remembered.

        The garbage collector would find nothing and take a fifth of the time.

        Raises:
            UserError: as in `points`.
        """
        wanted = list(wanted)
        jobs = dict(_sweep_job(table.id, name) for table, name in wanted)
        jobs |= dict(_protocol_job(name) for _, name in wanted)
        keys = [key for key in jobs if key not in self.cache]
        count = min(os.cpu_count() or 1, len(keys))
        if count < 2:
            return
        parts = [keys[first::count] for first in range(count)]
        with ProcessPoolExecutor(count, multiprocessing.get_context("fork"), gc.disable) as pool:
            done = pool.map(_composed, [[jobs[key] for key in part] for part in parts])
            for part, answers in zip(parts, done, strict=True):
                self.cache.keep(dict(zip(part, answers, strict=True)))

    def _sweep(self, table: Table, protocol: str) -> dict[str, Any]:
        """Return `rows`, a [row, config hash, net hash, overrides without the seed] each, and `seeds`."""
        key, job = _sweep_job(table.id, protocol)
        answer = self.cache.get(key, lambda: _composed([job])[0])
        _check_rows(table, [entry[0] for entry in answer["rows"]], job[0])
        return dict(answer)

    def missing(self, table: Table, protocol: str, seeds: Sequence[int] | None = None) -> list[Point]:
        """Return the runs of a table that have no record, under whichever table it may be filed."""
        found = recorded(self.records(protocol).glob(FILES), protocol)
        return [point for point in self.points(table, protocol, seeds) if point.file_name not in found]

    def left(
        self, tables: Iterable[Table], protocol: str, seeds: Sequence[int] | None = None
    ) -> list[tuple[Table, tuple[Point, ...]]]:
        """Return the tables that have missing runs and those, each run with the first table that needs it."""
        taken: set[str] = set()
        left = []
        for table in tables:
            missing = tuple(point for point in self.missing(table, protocol, seeds) if point.file_name not in taken)
            taken |= {point.file_name for point in missing}
            if missing:
                left.append((table, missing))
        return left

    def speeds(self, protocol: str) -> Path:
        """Return the folder that holds the measured speeds shown under a protocol."""
        return speeds_root(self.protocol(protocol).publish, self.outputs)

    def records(self, protocol: str) -> Path:
        """Return the folder that holds the records of a protocol."""
        return records_root(self.protocol(protocol).publish, self.outputs)


def recorded(files: Iterable[Path], protocol: str) -> dict[str, Path]:
    """Return file name to path of every record of a protocol, whichever table and row it is filed under.

    Two tables may ask for one run (Table 2's last row is one of Table 3's): it is made and filed once. Of two copies,
    which sweeps at the same time may leave, the first by path counts everywhere.
    """
    return {path.name: path for path in sorted(files, reverse=True) if path.parts[-3] == protocol}


def _protocol_job(name: str) -> tuple[str, Job]:
    return f"protocol {name}", (f"conf/protocol/{name}.yaml", partial(compose_protocol, name))


def _sweep_job(table: str, protocol: str) -> tuple[str, Job]:
    where = f"conf/experiment/{table}.yaml with protocol={protocol}"
    return f"sweep {table} protocol={protocol}", (where, partial(_sweep, table, protocol))


def _composed(jobs: Sequence[Job]) -> list[Composed]:
    """Call each of the functions with the configuration folder opened."""
    done = []
    with files_read_once() as names:
        for where, make in jobs:
            names.clear()
            try:
                with composing():
                    done.append(Composed(make(), set(names)))
            except (HydraException, OmegaConfBaseException) as error:
                raise UserError(f"{where}: {' '.join(str(error).split())}") from error
    return done


def _sweep(table: str, protocol: str) -> dict[str, Any]:
    """Return `rows` and `seeds` (`Plan._sweep`) of the jobs that Hydra's sweeper would make."""
    arguments = [f"+experiment={table}", f"protocol={protocol}"]
    base = compose("train", arguments, return_hydra_config=True)
    params = OmegaConf.to_container(base.hydra.sweeper.params or OmegaConf.create(), resolve=True)
    assert isinstance(params, dict)
    words = _parse(arguments)
    jobs: dict[tuple[str, ...], None] = {}
    seeds: dict[int, None] = {}
    swept = _parse([f"{key!s}={value}" for key, value in params.items()])
    for job in BasicSweeper.split_arguments([*swept, *words], None)[0]:
        jobs[tuple(word for word in job if not word.startswith("seed="))] = None
        seeds.update(dict.fromkeys(int(word[len("seed=") :]) for word in job if word.startswith("seed=")))
    shared = {f"{word.get_key_element()}={word.get_value_element_as_str()}" for word in words}
    base = without(base, ("hydra",))
    runs = {job: compose_job(base, job, shared, _parse, partial(compose, "train")) for job in jobs}
    rows = [[str(run.row), config_hash(run), net_hash(plain(run.model.net)), job] for job, run in runs.items()]
    return {"rows": rows, "seeds": list(seeds) or [int(base.seed)]}


def _parse(words: list[str]) -> list[Override]:
    return OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(words)


def _check_rows(table: Table, reached: list[str], where: str) -> None:
    for row in reached:
        if row not in table.rows:
            raise UserError(f"{where}: the sweep reaches row {row!r}, which table.rows does not declare")
        if reached.count(row) > 1:
            raise UserError(f"{where}: the sweep reaches row {row!r} {reached.count(row)} times, must be once")
    for row in table.rows:
        if row not in reached:
            raise UserError(f"{where}: table.rows.{row} is declared, but the sweep does not reach it")
