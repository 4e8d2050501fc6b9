"""The verdicts on all claims, as a page and in short."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from msaseg.cli.errors import UserError
from msaseg.tables.claim import Kind
from msaseg.tables.decide import Verdict, Word, decide
from msaseg.tables.render import NOTICE
from msaseg.tables.results import Results
from msaseg.tables.spec import Table

FILE = "verdicts.md"
"""The page's name beside the tables."""


def verdicts(tables: Iterable[Table], results: Results, protocols: Sequence[str]) -> list[tuple[Table, Verdict]]:
    """Return the verdict on each claim under the first protocol and each other that its table has records under.

    A count is of the net itself, whatever it is trained on: it is decided once.

    Args:
        tables: whose claims are looked at.
        results: what is recorded; frames' matrices that cannot be read are named in its `unreadable`.
        protocols: names in the order to show.
    """
    found = []
    claimed = [table for table in tables if table.claims]
    results.prepare(claimed, protocols)
    for table in claimed:
        filled = [results.filled(table, protocol) for protocol in results.protocols(table, protocols)]
        filled = [one for number, one in enumerate(filled) if one.runs or number == 0]
        for claim in table.claims.values():
            once = next((one for one in filled if one.runs), filled[0])
            for one in [once] if claim.kind is Kind.COUNT else filled:
                try:
                    found.append((table, decide(claim, one)))
                except UserError as error:
                    results.cannot_read(Path(str(error).partition(": ")[0]), error)
    return found


def page(found: Sequence[tuple[Table, Verdict]]) -> str:
    """Return the Markdown page: in short, then each claim with its effect and the rule that decided."""
    lines = ["| table | claim, page | under | verdict | effect | 95 % over frames | ± by seeds | seeds | why |"]
    lines += ["|---|---|---|---|---:|---:|---:|---:|---|"]
    for table, verdict in found:
        claim = verdict.claim
        cells = [table.short, f"{claim.says} (p. {claim.page})", f"`{verdict.protocol}`", f"**{verdict.word}**"]
        numbers = [_effect(verdict), _ends(verdict), _bound(verdict), str(verdict.seeds or "")]
        lines.append(f"| {' | '.join([*cells, *numbers, _why(verdict)])} |")
    rules = "The rules, and which of them were written when: [docs/verdicts.md](../../docs/verdicts.md)."
    return "\n\n".join([NOTICE, "# Does the paper hold?", summary(found), rules, "\n".join(lines)]) + "\n"


def summary(found: Sequence[tuple[Table, Verdict]]) -> str:
    """Return a line a protocol that counts its verdicts, and how many claims were tested."""
    lines = []
    for protocol in dict.fromkeys(verdict.protocol for _, verdict in found):
        words = [verdict.word for _, verdict in found if verdict.protocol == protocol]
        hows = Counter(verdict.how for _, verdict in found if verdict.protocol == protocol and verdict.how)
        split = f" ({', '.join(f'{count} {how}' for how, count in hows.most_common())})" if hows else ""
        said = {Word.HOLDS: "hold", Word.CONTRADICTED: f"contradicted{split}"}
        counts = ", ".join(f"{words.count(word)} {said.get(word, word)}" for word in Word)
        tested = len(words) - words.count(Word.NOT_MEASURED)
        implied = sum(verdict.protocol == protocol and verdict.claim.implied for _, verdict in found)
        of_these = f"; {implied} of the {len(words)} the paper implies and does not state" if implied else ""
        lines.append(f"- `{protocol}`: {counts}; {tested} of {len(words)} claims tested{of_these}.")
    return "\n".join(lines)


def in_short(found: Sequence[tuple[Table, Verdict]]) -> str:
    """Return the README's lines: the first protocol's counts, then the claims that it decides or leaves open."""
    first = found[0][1].protocol if found else ""
    counts = summary([one for one in found if one[1].protocol == first])
    lines = [
        f"| claim of the paper | under `{first}` | the paper | ours, 95 % over frames, ± by seeds | seeds |",
        "|---|---|---:|---|---:|",
    ]
    unmeasured = 0
    for _, verdict in found:
        if verdict.protocol != first:
            continue
        if verdict.word is Word.NOT_MEASURED:
            unmeasured += 1
            continue
        says = f"{verdict.claim.says} (p. {verdict.claim.page})"
        word = f"**{verdict.word}**" + (f", {verdict.how}" if verdict.how else "")
        cells = [says, word, _paper(verdict), _ours(verdict), str(verdict.seeds or "")]
        lines.append(f"| {' | '.join(cells)} |")
    rest = f"{unmeasured} further claims are not measured. " if unmeasured else ""
    links = "[All, with the rule that decided each](experiments/tables/verdicts.md); [the rules](docs/verdicts.md)."
    words = (
        "*Contradicted* says how: the effect is reversed; or there is no such effect (it is surely below 1.0 point, or "
        "below the paper's own difference where that is smaller); or the paper's number is missed, a score's by more "
        "than 1.0 point. *Undecided*: the noise of the test frames or of the seeds could explain it, or timed calls "
        "scatter about it or overlap. With a sign: a difference of two rows, or the change over several along the line "
        "that fits them best, in points of mIoU."
    )
    return "\n\n".join([counts, words, "\n".join(lines), rest + links])


def told(verdict: Verdict) -> str:
    """Return a verdict's numbers and rule in one line."""
    parts = [("effect", _effect(verdict)), ("95 % over frames", _ends(verdict)), ("± by seeds", _bound(verdict))]
    numbers = [f"{name} {value}" for name, value in parts if value]
    return "; ".join([*numbers, _why(verdict)])


def _why(verdict: Verdict) -> str:
    return f"{verdict.how}: {verdict.why}" if verdict.how else verdict.why


def _paper(verdict: Verdict) -> str:
    """Return what the paper prints: a level or speed, or the effect between rows; "" where it prints none."""
    if verdict.claim.number is not None:
        return f"{verdict.claim.number:g}"
    return "" if verdict.printed is None else f"{verdict.printed:+.2f}"


def _ours(verdict: Verdict) -> str:
    """Return the same of ours: a level or speed itself, not how far it is from the paper's."""
    number, interval = verdict.claim.number, verdict.interval
    if number is not None and verdict.effect is not None:
        low, high = (None, None) if interval is None else (interval.low, interval.high)
        unit = f" fps on {verdict.device}" if verdict.device else ""
        ends = "" if low is None or high is None else f"{low + number:.2f} to {high + number:.2f}"
        numbers = [f"{verdict.effect + number:.2f}{unit}", ends]
    else:
        numbers = [_effect(verdict), _ends(verdict)]
    bound = _bound(verdict)
    return ", ".join(filter(None, [*numbers, f"± {bound}" if bound else ""]))


def _ends(verdict: Verdict) -> str:
    interval = verdict.interval
    return "" if interval is None or interval.low is None else f"{interval.low:+.2f} to {interval.high:+.2f}"


def _bound(verdict: Verdict) -> str:
    return "" if verdict.seed_bound is None else f"{verdict.seed_bound:.2f}"


def _effect(verdict: Verdict) -> str:
    if verdict.effect is None:
        return ""
    if verdict.claim.kind is Kind.COUNT:
        return f"{verdict.effect:.0f} % of the rows agree"
    unit = f" fps on {verdict.device}" if verdict.device else ""
    return f"{verdict.effect:+.2f}{unit}"
