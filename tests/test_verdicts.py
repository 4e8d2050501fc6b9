"""Verdicts on claims: the rules, on records whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from tables_suite import record_of

from msaseg.records.frame_matrices import FrameMatrices, file_beside
from msaseg.tables.__main__ import main
from msaseg.tables.cells import Cell
from msaseg.tables.claim import Claim, Kind, read_claim
from msaseg.tables.decide import INITIALISATION, Verdict, Word, decide, factors, judge
from msaseg.tables.readme import headline
from msaseg.tables.spec import load_tables
from msaseg.tables.verdicts import summary, told

ORDER = Claim("a_over_b", "A is above B", 1, Kind.ORDER, "miou_pct", ("pool5", "pool0"))
TREND = replace(ORDER, kind=Kind.TREND, rows=("pool0", "pool1", "pool2", "pool3"))
LEVEL = replace(ORDER, kind=Kind.LEVEL, rows=("pool0",), number=70.0)
NAMES = [f"test/{sequence}_{30 * t:06}" for sequence in ("A", "B") for t in range(100)]


def add(suite, row, mious, frames=True, noise=0.0, **changes):
    """File a run a seed: two classes of one size, whose frames all have this mIoU but for noise shared by all rows."""
    ease = np.random.default_rng(0).normal(0, noise, len(NAMES))
    for point, miou in zip(suite.points("paper", row), mious, strict=False):
        right = np.clip(np.round(10_000 * 2 * miou / (100 + miou) + 100 * ease), 0, 10_000).astype(int)
        counts = np.array([[[r, 10_000 - r], [10_000 - r, r]] for r in right], np.uint32)
        total = counts.sum(0, dtype=int)
        iou = 100 * total[0, 0] / (total[0].sum() + total[1, 0])
        record = record_of(point, round(float(iou), 4), confusion={"test": total.tolist()}, **changes)
        path = record.key.path(suite.plan.records("paper"))
        if frames:
            matrices = FrameMatrices.of({"test": NAMES}, dict(zip(NAMES, counts, strict=True)))
            record = replace(record, frame_matrices=matrices.save(file_beside(path)))
        record.save(path)


def verdict(suite, claim):
    return decide(claim, suite.results.filled(suite.table, "paper"))


@pytest.mark.parametrize(
    ("effect", "frames", "seeds", "word"),
    [
        (3.0, 1.0, 2.0, Word.HOLDS),
        (3.0, 3.1, 0.1, Word.UNDECIDED),
        (3.0, 0.1, 3.1, Word.UNDECIDED),
        (0.9, 0.2, 0.3, Word.UNDECIDED),  # above nothing, but too small to matter
        (0.5, 0.2, 0.3, Word.CONTRADICTED),
        (-3.0, 1.0, 2.0, Word.CONTRADICTED),
        (-3.0, 1.0, 4.1, Word.UNDECIDED),
        (1.0, 0.1, 0.1, Word.HOLDS),
    ],
)
def test_order_is_judged_by_effect_and_each_noise_alone(effect, frames, seeds, word):
    assert judge(ORDER, effect, {"frames": frames, "seeds": seeds})[0] == word
    assert judge(ORDER, effect, {"frames": seeds, "seeds": frames})[0] == word
    assert judge(ORDER, effect, {"frames": frames, "seeds": seeds}, printed=5.0)[0] == word


@pytest.mark.parametrize(
    ("effect", "noise", "word"),
    [(0.4, 0.1, Word.HOLDS), (0.4, 0.5, Word.UNDECIDED), (0.3, 0.2, Word.UNDECIDED), (0.1, 0.2, Word.CONTRADICTED)],
)
def test_effect_that_the_paper_prints_is_enough_where_it_is_small(effect, noise, word):
    assert judge(ORDER, effect, {"seeds": noise}, printed=0.4)[0] == word


@pytest.mark.parametrize(
    ("above", "word"), [(0.5, Word.HOLDS), (-0.9, Word.UNDECIDED), (-1.4, Word.UNDECIDED), (-1.6, Word.CONTRADICTED)]
)
def test_level_is_reached_within_the_smallest_effect_that_matters(above, word):
    assert judge(LEVEL, above, {"seeds": 0.5})[0] == word


def test_factors_of_a_trend_give_the_change_from_first_to_last_along_the_line():
    scores = {"pool0": 10.0, "pool1": 12.0, "pool2": 15.0, "pool3": 16.0}
    slope = np.polyfit(range(4), list(scores.values()), 1)[0]
    assert sum(factor * scores[row] for row, factor in factors(TREND).items()) == pytest.approx(3 * slope)


def test_difference_beyond_frames_and_seeds_holds_and_its_reverse_is_contradicted(suite):
    add(suite, "pool0", [60.0, 60.4, 59.8])
    add(suite, "pool5", [70.0, 70.3, 69.9])
    found = verdict(suite, ORDER)
    assert (found.word, found.seeds) == (Word.HOLDS, 3)
    assert found.effect == pytest.approx(10.0, abs=0.05)
    assert found.seed_bound > 0
    assert verdict(suite, replace(ORDER, rows=("pool0", "pool5"))).word == Word.CONTRADICTED
    assert verdict(suite, replace(ORDER, rows=("pool0", "pool5"))).how == "reversed"
    assert verdict(suite, replace(LEVEL, number=60.0)).word == Word.HOLDS
    missed = verdict(suite, replace(LEVEL, number=65.0))
    assert (missed.word, missed.how) == (Word.CONTRADICTED, "missed")
    assert told(missed).endswith("; missed: below -1 by more than frames or seeds explain")


def test_difference_of_nothing_is_contradicted_as_too_small_to_matter(suite):
    add(suite, "pool0", [60.0, 60.1, 60.05])
    add(suite, "pool5", [60.05, 60.1, 60.0])
    found = verdict(suite, ORDER)
    assert (found.word, found.how) == (Word.CONTRADICTED, "no such effect")
    assert "1 contradicted (1 no such effect)" in summary([(suite.table, found)])


def test_interval_of_a_difference_forgets_what_is_hard_for_both(suite):
    add(suite, "pool0", [60.0, 60.4], noise=5)
    add(suite, "pool5", [70.0, 70.3], noise=5)
    difference = verdict(suite, ORDER).interval
    alone = verdict(suite, LEVEL).interval
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)


def test_one_seed_a_row_is_undecided_until_another_row_tells_the_noise_of_seeds(suite):
    add(suite, "pool0", [60.0])
    add(suite, "pool5", [70.0])
    found = verdict(suite, ORDER)
    assert (found.word, found.seed_bound) == (Word.UNDECIDED, None)
    assert "no row of the table has two seeds" in found.why
    add(suite, "pool3", [65.0, 65.2])
    assert verdict(suite, ORDER).word == Word.HOLDS


def test_noise_of_seeds_as_large_as_the_effect_leaves_it_undecided(suite):
    add(suite, "pool0", [60.0])
    add(suite, "pool5", [63.0])
    add(suite, "pool3", [60.0, 66.0])
    found = verdict(suite, ORDER)
    assert found.word == Word.UNDECIDED
    assert found.seed_bound > 3


def test_runs_without_matrices_of_frames_are_undecided(suite):
    add(suite, "pool0", [60.0, 60.1], frames=False)
    add(suite, "pool5", [70.0, 70.1], frames=False)
    found = verdict(suite, ORDER)
    assert (found.word, found.interval) == (Word.UNDECIDED, None)
    assert "no matrices of single frames" in found.why


@pytest.mark.parametrize(
    "changes", [{"config_hash": "00000000"}, {"code": {"commit": "1", "dirty": True}}], ids=["stale", "dirty"]
)
def test_rows_that_do_not_count_are_not_measured_and_named(suite, changes):
    add(suite, "pool0", [60.0, 60.1])
    assert verdict(suite, ORDER).why == "no current run of pool5"
    add(suite, "pool5", [70.0, 70.1], **changes)
    found = verdict(suite, ORDER)
    assert (found.word, found.why) == (Word.NOT_MEASURED, "no current run of pool5")


@pytest.mark.parametrize("mark", ["stale", "dirty", "weights", "undefined"])
@pytest.mark.parametrize("kind", [Kind.COUNT, Kind.RANKING])
def test_counts_and_rankings_leave_out_what_does_not_count(suite, kind, mark):
    filled = suite.results.filled(suite.table, "paper")
    marked = {key: Cell(cell.paper, None, 1, 1, cell.paper, (mark,)) for key, cell in filled.cells.items()}
    found = decide(Claim("all", "all", 1, kind, "miou_pct", ()), replace(filled, cells=marked))
    assert found.word == Word.NOT_MEASURED
    assert "no current run" in found.why


def test_rival_that_started_from_other_weights_than_in_its_paper_is_not_measured(suite):
    add(suite, "pool0", [60.0, 60.1])
    add(suite, "pool5", [70.0, 70.1])
    filled = suite.results.filled(suite.table, "paper")
    alike = Cell(None, None, 2, 2, "ImageNet", (), "ImageNet")
    other = replace(alike, marks=("outside",), text="scratch")
    cells = {("pool0", INITIALISATION): other, ("pool5", INITIALISATION): alike}
    found = decide(ORDER, replace(filled, cells={**filled.cells, **cells}))
    assert (found.word, found.why) == (Word.NOT_MEASURED, "pool0 starts from scratch here, from ImageNet in its paper")


def test_protocol_that_cannot_test_a_claim_says_why(suite):
    found = decide(ORDER, suite.results.filled(suite.table, "laptop"))
    assert found.word == Word.NOT_MEASURED
    assert "2×3" in found.why


def test_verdicts_are_rendered_checked_and_printed(suite, capsys):
    add(suite, "pool0", [60.0, 60.1])
    add(suite, "pool5", [70.0, 70.1])
    assert main(["render"]) == 0
    page = suite.published / "tables" / "verdicts.md"
    text = page.read_text()
    assert "| **holds** | +10.0" in text
    assert (suite.folder / "README.md").read_text().count("**holds**") == 1
    assert main(["check"]) == 0
    page.write_text(text.replace("**holds**", "**contradicted**"))
    assert main(["check"]) == 1
    capsys.readouterr()
    assert main(["verdicts"]) == 0
    assert "holds         paper     five_over_none: " in capsys.readouterr().out


ROWS, COLUMNS = {"a": None, "b": None}, {"miou_pct": "mIoU"}
GOOD = {"says": "x", "page": 1, "order": ["a", "b"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text", "must be a mapping"),
        ({**GOOD, "trend": ["a", "b"]}, "one of order"),
        ({**GOOD, "note": "x"}, "nothing else"),
        ({"page": 1, "order": ["a", "b"]}, "must have `says`"),
        ({**GOOD, "order": ["a"]}, "a list of two rows"),
        ({**GOOD, "order": ["a", "c"]}, "there is no row 'c': use one of a, b"),
        ({"says": "x", "page": 1, "level": {"a": "high"}}, "one row and its number"),
        ({**GOOD, "column": "speed"}, "there is no column 'speed'"),
        ({**GOOD, "column": "speed.cpu.macs_g"}, "speed.cpu.macs_g has no range of timed calls"),
    ],
)
def test_claim_declared_wrongly_names_its_key_and_the_mend(content, words):
    with pytest.raises(ValueError, match=r"table\.claims\.some") as error:
        read_claim("some", content, ROWS, {**COLUMNS, "speed.cpu.macs_g": "MACs"})
    assert words in str(error.value)


def test_summary_says_how_many_of_the_claims_are_implied():
    claims = [read_claim("some", {**GOOD, **more}, ROWS, COLUMNS) for more in ({}, {"implied": True})]
    line = summary([(load_tables()["leakage"], Verdict(claim, "paper", Word.HOLDS, "")) for claim in claims])
    assert line.endswith("; 2 of 2 claims tested; 1 of the 2 the paper implies and does not state.")


def test_every_table_declares_claims_of_the_paper_that_can_be_read():
    claims = [claim for table in load_tables().values() for claim in table.claims.values()]
    assert len(claims) == len({claim.id for claim in claims}) > 25
    assert all(1 <= claim.page <= 9 for claim in claims)


def test_readme_prints_the_interval_of_the_mean_over_seeds(suite):
    row = max((row for row in suite.table.rows), key=lambda row: suite.table.printed(row, "miou_pct") or 0)
    add(suite, row, [60.0, 66.0], noise=1.0)
    (line,) = [line for line in headline(suite.results) if "](experiments/tables/pooling_sweep.md)" in line]
    low, high = (float(end) for end in line.split("|")[4].split(" to "))
    assert low < 63.0 < high
    assert (low + high) / 2 == pytest.approx(63.0, abs=0.5)
