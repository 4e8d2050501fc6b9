"""The measured speeds of a table's nets: what `msaseg.benchmark` recorded of the nets that the rows train."""

from pathlib import Path

from msaseg.config import net_hash
from msaseg.records.speed import SpeedRecord, extent, read_speeds
from msaseg.tables.plan import Plan
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table

SPEED = "speed."
"""What the keys of columns begin with that hold measured speeds: `speed.cpu.fps`."""


def speed_runs(table: Table, protocol: str, plan: Plan, complaints: list[str]) -> list[Run]:
    """Return the measurements behind the columns `speed.DEVICE.NUMBER`: of each row the latest on each kind of device.

    A measurement belongs to a row if it is of the net that the row trains under the protocol, whatever its classes
    and weights, and was made as `table.speed` says, of the net alone.

    Args:
        table: to fill; one without such columns has none.
        protocol: name of the protocol.
        plan: of the table's runs.
        complaints: takes one line for each record that cannot be read.
    """
    if not any(column.startswith(SPEED) for column in table.columns):
        return []
    records = list(read_speeds(plan.speeds(protocol), complaints))
    rows = {digest: row for row, digest in plan.nets(table, protocol).items()} if records else {}
    latest: dict[tuple[str, str], Run] = {}
    for path, record in records:
        row = rows.get(net_hash(record.config["net"]))
        if row is None or not _as_asked(record, table):
            continue
        key = (row, record.hardware["kind"])
        if key not in latest or latest[key].finished < record.finished:
            latest[key] = _run(path, record, row)
    return [run for _, run in sorted(latest.items())]


def _as_asked(record: SpeedRecord, table: Table) -> bool:
    return not any(record.include.values()) and all(getattr(record, key) == value for key, value in table.speed.items())


def _run(path: Path, record: SpeedRecord, row: str) -> Run:
    numbers = {
        "fps": record.fps,
        "latency_ms": record.latency_ms["median"],
        "ratio": record.ratio["median"] if record.ratio else None,
        "macs_g": record.cost["macs"] / 1e9,
        "params_m": record.cost["params"] / 1e6,
        "deployed_m": deployed / 1e6 if (deployed := record.cost.get("params_deployed")) else None,
        "times_bound": record.roofline["times_bound"],
    }
    slowest, fastest = (1000 / latency for latency in reversed(extent(record.latency_ms)))
    ranges = {"fps": (slowest, fastest, int(record.latency_ms["n"]))}
    if record.ratio:
        ranges["ratio"] = (*extent(record.ratio), int(record.ratio["n"]))
    column = f"{SPEED}{record.hardware['kind']}."
    return Run(
        path=path,
        row=row,
        seed=0,
        config_hash=record.config_hash,
        values={f"{column}{name}": float(value) for name, value in numbers.items() if value is not None},
        commit=record.code["commit"],
        dirty=bool(record.code["dirty"]),
        hardware=dict(record.hardware),
        seconds=float(record.seconds["total"]),
        finished=record.finished,
        size=record.size,
        ranges={f"{column}{name}": found for name, found in ranges.items()},
    )
