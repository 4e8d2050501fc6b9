"""Which of the project's runs belong to a table: W&B knows a run by its group, tags and configuration."""

from collections import defaultdict
from collections.abc import Mapping

from omegaconf import OmegaConf

from msaseg.config import CONF
from msaseg.dashboard.specification import Runs
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import protocol_names
from msaseg.tables.spec import Table

PROTOCOL = "protocol.name"


def runs_of_tables(tables: Mapping[str, Table], plan: Plan) -> dict[str, Runs]:
    """Return the runs of each table: those of its own group, and those that another table shares with it.

    A run that two tables need is made once, in the group of the one that asked for it first. Runs that
    agree in their protocol and in what the table's sweep varies are shown as one: their seeds are averaged.

    Raises:
        UserError: an experiment does not compose.
    """
    protocols = protocol_names()
    fillers: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for protocol in protocols:
        for table in tables.values():
            for point in plan.points(table, protocol):
                fillers[protocol, point.config_hash].add((table.id, point.row))
    shared: dict[str, dict[tuple[str, str], list[str]]] = {table: defaultdict(list) for table in tables}
    for (protocol, _), places in fillers.items():
        for table_id, _ in places:
            for other in sorted(place for place in places if place[0] != table_id):
                shared[table_id][other].append(protocol)
    return {table: Runs(_filter(table, shared[table], protocols), (PROTOCOL, *swept_keys(table))) for table in tables}


def _filter(table: str, shared: Mapping[tuple[str, str], list[str]], protocols: list[str]) -> str:
    alternatives = [f"Metric('Group') == {table!r}"]
    for (group, row), under in sorted(shared.items()):
        conditions = [f"Metric('Group') == {group!r}", f"Tags() in {[row]}"]
        if under != protocols:
            conditions.append(f"Tags() in {under}")
        alternatives.append(f"({' and '.join(conditions)})")
    return " or ".join(alternatives)


def swept_keys(table: str) -> tuple[str, ...]:
    """Return the keys of the configuration that a table's sweep varies, its seeds apart.

    Where it varies a whole configuration group, such as `model`, the key is the group's `name`.
    """
    params = OmegaConf.select(OmegaConf.load(CONF / "experiment" / f"{table}.yaml"), "hydra.sweeper.params") or {}
    keys = [str(key) for key in params if key != "seed"]
    return tuple(f"{key}.name" if (CONF / key).is_dir() else key for key in keys)
