"""Which runs fill a table, and which of them have no record yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from msaseg.cli.errors import UserError
from msaseg.config import CONF, config_hash, net_hash, plain, without
from msaseg.records.places import records_root
from msaseg.records.run import RunKey
from msaseg.records.speed import speeds_root
from msaseg.sweep.compose import compose_job
from msaseg.tables.composed import ComposedCache
from msaseg.tables.protocols import Protocol, about, compose_protocol
from msaseg.tables.spec import Table


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
        where = f"conf/protocol/{name}.yaml"
        fields = self.cache.get(f"protocol {name}", lambda: _composed(where, lambda: compose_protocol(name)))
        return Protocol(name=name, about=about(name), **fields)

    def seeds(self, table: Table, protocol: str) -> list[int]:
        """Return the seeds that the table's sweep asks for under a protocol."""
        chosen = (f"protocol={protocol}",)
        where = f"conf/experiment/{table.id}.yaml with {chosen[0]}"
        key = f"seeds {table.id} {chosen[0]}"
        return list(
            self.cache.get(key, lambda: _composed(where, lambda: {"seeds": _sweep(table.id, chosen)[2]}))["seeds"]
        )

    def points(
        self, table: Table, protocol: str, seeds: Sequence[int] | None = None, extra: Sequence[str] = ()
    ) -> list[Point]:
        """Return the runs of a table under a protocol, in the order of its rows.

        Args:
            table: the table to fill.
            protocol: name of the protocol to run under.
            seeds: to run instead of those that the sweep names.
            extra: further overrides of every run.

        Raises:
            UserError: the experiment does not compose, or its sweep reaches other rows than are declared.
        """
        chosen = (f"protocol={protocol}", *extra)
        where = f"conf/experiment/{table.id}.yaml with {' '.join(chosen)}"
        key = f"points {table.id} {' '.join(chosen)}"
        plan = self.cache.get(key, lambda: _composed(where, lambda: _rows(table.id, chosen)))
        _check_rows(table, [row for row, _, _ in plan["rows"]], where)
        return [
            Point(table.id, protocol, row, seed, digest, (*overrides, f"seed={seed}"))
            for row, digest, overrides in sorted(plan["rows"], key=lambda entry: list(table.rows).index(entry[0]))
            for seed in (plan["seeds"] if seeds is None else seeds)
        ]

    def nets(self, table: Table, protocol: str) -> dict[str, str]:
        """Return row to `net_hash` of the net that it trains under a protocol.

        Raises:
            UserError: the experiment does not compose.
        """
        chosen = (f"protocol={protocol}",)
        where = f"conf/experiment/{table.id}.yaml with {chosen[0]}"
        key = f"nets {table.id} {chosen[0]}"
        return dict(self.cache.get(key, lambda: _composed(where, lambda: _nets(table.id, chosen))))

    def missing(self, table: Table, protocol: str, seeds: Sequence[int] | None = None) -> list[Point]:
        """Return the runs of a table that have no record, under whichever table it may be filed."""
        found = recorded(self.records(protocol), protocol)
        return [point for point in self.points(table, protocol, seeds) if point.file_name not in found]

    def speeds(self, protocol: str) -> Path:
        """Return the folder that holds the measured speeds shown under a protocol."""
        return speeds_root(self.protocol(protocol).publish, self.outputs)

    def records(self, protocol: str) -> Path:
        """Return the folder that holds the records of a protocol."""
        return records_root(self.protocol(protocol).publish, self.outputs)


def recorded(root: Path, protocol: str) -> dict[str, Path]:
    """Return file name to path of every record of a protocol below a folder, whichever table and row it is filed under.

    Two tables may ask for one run (Table 2's last row is one of Table 3's): it is made and filed once.
    """
    files = sorted(root.glob(f"*/{protocol}/*/*.json"), reverse=True)
    return {file.name: file for file in files}


def _composed(where: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call `make` with the configuration folder opened, once for all that it composes."""
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return make()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}") from error


def _arguments(table: str, chosen: Sequence[str]) -> list[str]:
    return [f"+experiment={table}", *chosen]


def _sweep(table: str, chosen: Sequence[str]) -> tuple[DictConfig, list[list[str]], list[int]]:
    """Return what the jobs share, the overrides of each without its seed, and the seeds, as Hydra's sweeper does."""
    arguments = _arguments(table, chosen)
    base = compose("train", arguments, return_hydra_config=True)
    params = OmegaConf.to_container(base.hydra.sweeper.params or OmegaConf.create(), resolve=True)
    assert isinstance(params, dict)
    parsed = _parse([f"{key!s}={value}" for key, value in params.items()] + arguments)
    jobs: dict[tuple[str, ...], None] = {}
    seeds: dict[int, None] = {}
    for job in BasicSweeper.split_arguments(parsed, None)[0]:
        jobs[tuple(word for word in job if not word.startswith("seed="))] = None
        seeds.update(dict.fromkeys(int(word[len("seed=") :]) for word in job if word.startswith("seed=")))
    return without(base, ("hydra",)), [list(job) for job in jobs], list(seeds) or [int(base.seed)]


def _rows(table: str, chosen: Sequence[str]) -> dict[str, Any]:
    """Return `rows`, a [row, config hash, overrides] each, and `seeds`."""
    jobs, seeds, runs = _runs(table, chosen)
    rows = [[str(run.row), config_hash(run), job] for run, job in zip(runs, jobs, strict=True)]
    return {"rows": rows, "seeds": seeds}


def _nets(table: str, chosen: Sequence[str]) -> dict[str, str]:
    """Return row to `net_hash`."""
    return {str(run.row): net_hash(plain(run.model.net)) for run in _runs(table, chosen)[2]}


def _runs(table: str, chosen: Sequence[str]) -> tuple[list[list[str]], list[int], list[DictConfig]]:
    """Return the overrides of each job without its seed, the seeds, and the jobs composed."""
    base, jobs, seeds = _sweep(table, chosen)
    shared = {
        f"{word.get_key_element()}={word.get_value_element_as_str()}" for word in _parse(_arguments(table, chosen))
    }
    whole = partial(compose, "train")
    return jobs, seeds, [compose_job(base, job, shared, _parse, whole) for job in jobs]


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
