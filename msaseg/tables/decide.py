"""The rules by which a claim holds, is contradicted or stays undecided; docs/verdicts.md explains them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msaseg.statistics import Interval, contrast, rank_correlation, seed_noise_bound, seed_spread
from msaseg.tables.cells import UNSOUND, Cell, FilledTable
from msaseg.tables.claim import Claim, Kind
from msaseg.tables.runs import Run

SMALLEST_EFFECT = 1.0
"""Points below which an effect does not matter: about half the paper's typical step."""

SIGNIFICANT = 0.05
"""Largest p of a rank correlation that counts."""


INITIALISATION = "recipe/initialisation"
"""Column that says what a net was initialised from."""


class Word(StrEnum):
    """What is said of a claim."""

    HOLDS = "holds"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Verdict:
    """What the records say of a claim under a protocol.

    Args:
        claim: of the paper.
        protocol: of the runs.
        word: the verdict.
        why: the rule that decided, or what is missing.
        effect: measured: points of a score, a share of a column, a correlation, frames a second; None without one.
        interval: of the effect over frames, 95 %; None where none can be had.
        seed_bound: what seeds alone do to the effect, 95 % half-width; None if no row of the table has two seeds.
        seeds: how many seeds each row has.
        device: that a speed was measured on, and its precision; "" for any other effect.
        printed: the paper's effect, where it prints what makes it.
    """

    claim: Claim
    protocol: str
    word: Word
    why: str
    effect: float | None = None
    interval: Interval | None = None
    seed_bound: float | None = None
    seeds: int = 0
    device: str = ""
    printed: float | None = None

    @property
    def how(self) -> str:
        """Return how a claim is contradicted: "missed" (a number), "reversed", "no such effect"; else ""."""
        if self.word is not Word.CONTRADICTED or self.effect is None:
            return ""
        if self.claim.kind is Kind.COUNT or self.claim.number is not None:
            return "missed"
        interval = self.interval
        half = 0.0 if interval is None or interval.high is None else interval.high - interval.estimate
        noise = max(self.seed_bound or 0.0, half)
        return "reversed" if self.effect + noise < 0 else "no such effect"


def decide(claim: Claim, filled: FilledTable) -> Verdict:
    """Return the verdict on a claim from a table's cells and runs under one protocol.

    Raises:
        UserError: the matrices of a run's frames cannot be read.
    """
    table, protocol = filled.table, filled.protocol.name
    if claim.kind is Kind.COUNT:  # of the net itself, whatever it is trained on
        return _counted(claim, filled)
    if protocol in table.untestable:
        return Verdict(claim, protocol, Word.NOT_MEASURED, f"cannot be tested here: {table.untestable[protocol]}")
    if claim.kind is Kind.RANKING:
        return _ranked(claim, filled)
    if claim.column.startswith("speed."):
        return _timed(claim, filled)
    return _scored(claim, filled)


def factors(claim: Claim) -> dict[str, float]:
    """Return row to factor: the claim's effect is the sum of its rows' scores times these."""
    if claim.kind is Kind.TREND:
        middle = (len(claim.rows) - 1) / 2
        spread = sum((i - middle) ** 2 for i in range(len(claim.rows)))
        return {row: (i - middle) / spread * 2 * middle for i, row in enumerate(claim.rows)}
    return dict(zip(claim.rows, (1.0, -1.0), strict=False))


def judge(
    claim: Claim, effect: float, half_widths: Mapping[str, float], printed: float | None = None
) -> tuple[Word, str]:
    """Return the verdict on an effect and the rule, from every half-width that it must exceed by itself.

    Args:
        claim: an order, a trend or a level.
        effect: in points; of a level, by how much the score lies above the number.
        half_widths: by what they are of: "frames", the interval over frames; "seeds", the noise of seeds.
        printed: the paper's effect; where it is smaller than what matters elsewhere, it matters. None: not printed.
    """
    widest = max(half_widths.values())
    enough, above = -SMALLEST_EFFECT, -SMALLEST_EFFECT
    if claim.kind is not Kind.LEVEL:
        above = 0.0
        enough = min(SMALLEST_EFFECT, round(printed, 2)) if printed is not None and printed > 0 else SMALLEST_EFFECT
    if effect >= enough and effect - widest > above:
        explain = " and ".join(half_widths)
        return Word.HOLDS, f"the effect is at least {enough:+g} and above {above:+g} by more than {explain} explain"
    explain = " or ".join(half_widths)
    if effect + widest < enough:
        return Word.CONTRADICTED, f"below {enough:+g} by more than {explain} explain"
    return Word.UNDECIDED, f"{explain} may explain it"


def _scored(claim: Claim, filled: FilledTable) -> Verdict:
    protocol, chosen = filled.protocol.name, factors(claim)
    runs = {row: _by_seed(claim, filled, row) for row in chosen}
    missing = [row for row, found in runs.items() if not found]
    if missing:
        return Verdict(claim, protocol, Word.NOT_MEASURED, f"no current run of {', '.join(missing)}")
    if other := _started_otherwise(claim.rows, filled):
        return Verdict(claim, protocol, Word.NOT_MEASURED, other)
    seeds = sorted(set.intersection(*(set(found) for found in runs.values())))
    if not seeds:
        return Verdict(claim, protocol, Word.NOT_MEASURED, "the rows have no seed in common")
    behind = [(factor / len(seeds), runs[row][seed]) for row, factor in chosen.items() for seed in seeds]
    effect = sum(factor * run.number(claim.column) for factor, run in behind) - (claim.number or 0.0)
    interval = change_over_frames(behind, claim.number or 0.0) if claim.column == "miou_pct" else None
    spread = seed_spread(
        [[run.number(claim.column) for run in _by_seed(claim, filled, row).values()] for row in filled.table.rows]
    )
    bound = None if spread is None else seed_noise_bound(spread, [factor for factor, _ in behind])
    paper = [filled.table.printed(row, claim.column) for row in chosen]
    parts = [factor * x for factor, x in zip(chosen.values(), paper, strict=True) if isinstance(x, int | float)]
    printed = sum(parts) if len(parts) == len(chosen) else None
    half = None if interval is None or interval.high is None else interval.high - interval.estimate
    if bound is None:
        word, why = Word.UNDECIDED, "no row of the table has two seeds: their noise is not known"
    elif half is None and claim.column == "miou_pct":
        word, why = Word.UNDECIDED, "no matrices of single frames: their noise is not known"
    else:
        half_widths = {"seeds": bound} if half is None else {"frames": half, "seeds": bound}
        word, why = judge(claim, effect, half_widths, printed)
    return Verdict(claim, protocol, word, why, effect, interval, bound, len(seeds), printed=printed)


def _started_otherwise(rows: Iterable[str], filled: FilledTable) -> str:
    """Return which of the rows were initialised otherwise than in their papers; "" if none: they can be compared."""
    cells = {row: filled.cells.get((row, INITIALISATION)) for row in rows}
    other = [(row, cell) for row, cell in cells.items() if cell is not None and "outside" in cell.marks]
    return "; ".join(f"{row} starts from {cell.text} here, from {cell.paper} in its paper" for row, cell in other)


def _by_seed(claim: Claim, filled: FilledTable, row: str) -> dict[int, Run]:
    """Return the current runs of a row by seed; a stale or missing row has none."""
    cell = filled.cells[row, claim.column]
    if not _counts(cell):
        return {}
    return {run.seed: run for run in filled.runs if run.row == row and claim.column in run.values}


def _counts(cell: Cell) -> bool:
    """Return whether a cell's runs are there with a value, and are those that the configuration makes today."""
    return not {"missing", "undefined", *UNSOUND} & set(cell.marks)


def change_over_frames(behind: Sequence[tuple[float, Run]], level: float = 0.0) -> Interval | None:
    """Return a sum of runs' mIoUs less a level, with its 95 % interval over frames; None if a run kept no frames.

    Args:
        behind: the factor of each run.
        level: in percent.

    Raises:
        UserError: the matrices of a run's frames cannot be read.
    """
    frames = [one for _, run in behind if (one := run.frames) is not None]
    if len(frames) < len(behind):
        return None
    found = contrast(frames, [factor for factor, _ in behind])
    low, high = (None if end is None else end - level for end in (found.low, found.high))
    return Interval(found.estimate - level, low, high)


def _counted(claim: Claim, filled: FilledTable) -> Verdict:
    cells = _printed(claim, filled)
    missing = [row for row, cell in cells.items() if not _counts(cell)]
    if missing:
        return Verdict(claim, filled.protocol.name, Word.NOT_MEASURED, f"no current run of {', '.join(missing)}")
    right = [row for row, cell in cells.items() if "outside" not in cell.marks]
    word = Word.HOLDS if len(right) == len(cells) else Word.CONTRADICTED
    why = f"{len(right)} of {len(cells)} rows are what the paper prints, within its last digit"
    return Verdict(claim, filled.protocol.name, word, why, 100 * len(right) / len(cells), seeds=_fewest(cells))


def _ranked(claim: Claim, filled: FilledTable) -> Verdict:
    printed = _printed(claim, filled)
    found = [(cell.paper, cell.mean) for cell in printed.values() if _counts(cell)]
    pairs = [(paper, mean) for paper, mean in found if mean is not None and isinstance(paper, float)]
    if len(pairs) < len(printed):
        why = f"{len(printed) - len(pairs)} of {len(printed)} rows have no current run"
        return Verdict(claim, filled.protocol.name, Word.NOT_MEASURED, why)
    if other := _started_otherwise(printed, filled):
        return Verdict(claim, filled.protocol.name, Word.NOT_MEASURED, other)
    tau, p = rank_correlation([paper for paper, _ in pairs], [ours for _, ours in pairs])
    word = Word.UNDECIDED if p > SIGNIFICANT else Word.HOLDS if tau > 0 else Word.CONTRADICTED
    why = f"Kendall's tau over {len(pairs)} rows, p {p:.3f}"
    return Verdict(claim, filled.protocol.name, word, why, tau, seeds=_fewest(printed))


def _printed(claim: Claim, filled: FilledTable) -> dict[str, Cell]:
    """Return the cells of a claim's column for which the paper prints something."""
    return {
        row: filled.cells[row, claim.column]
        for row in filled.table.rows
        if filled.table.printed(row, claim.column) is not None
    }


def _fewest(cells: Mapping[str, Cell]) -> int:
    return min(cell.n for cell in cells.values())


def _timed(claim: Claim, filled: FilledTable) -> Verdict:
    device = claim.column.split(".")[1]
    speeds = {run.row: run for run in filled.speeds if claim.column in run.values and not run.dirty}
    if not speeds.keys() >= set(claim.rows):
        return Verdict(claim, filled.protocol.name, Word.NOT_MEASURED, f"no speed on a device of the kind {device}")
    first, *other = (speeds[row] for row in claim.rows)
    slow, fast, _ = first.ranges[claim.column]
    if claim.number is None:
        if first.hardware["device"] != other[0].hardware["device"]:
            why = "their speeds are from different devices"
            return Verdict(claim, filled.protocol.name, Word.NOT_MEASURED, why)
        effect = first.number(claim.column) - other[0].number(claim.column)
        low, high, _ = other[0].ranges[claim.column]
        sure = "the ranges of 90 % of their calls do not overlap"
    else:
        effect, low, high = first.number(claim.column) - claim.number, claim.number, claim.number
        sure = f"{'faster' if slow > high else 'slower'} in 19 of 20 calls"
    if low <= fast and slow <= high:
        word = Word.UNDECIDED
        why = "the calls scatter about it" if claim.number is not None else "the ranges of 90 % of their calls overlap"
    else:
        word, why = Word.HOLDS if slow > high else Word.CONTRADICTED, sure
    precision = first.hardware["precision"]
    named = f"{precision} without TF32" if device == "cuda" and precision == "fp32" else precision
    measured_on = f"{first.hardware['device']}, {named}"
    return Verdict(claim, filled.protocol.name, word, why, effect, device=measured_on)
