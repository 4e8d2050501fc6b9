"""What a figure is before it is drawn, what drawing yields, and why it may not be drawn today."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure


class Skipped(Exception):  # noqa: N818 - not an error: the figure lacks what it is made from
    """A figure that cannot be drawn on this machine today; its text gives the reason and the mend in one line."""


@dataclass(frozen=True)
class Drawing:
    """A drawn figure and what it shows.

    Args:
        figure: to be written.
        caption: one or two sentences: what is seen, under which protocol, from which source.
        records: files of the records behind it.
        frames: ids of the frames that it quotes.
    """

    figure: Figure
    caption: str
    records: Sequence[Path] = ()
    frames: Sequence[str] = ()


@dataclass(frozen=True)
class Planned:
    """A figure that the suite has.

    Args:
        id: stem of its files.
        title: what it is called in lists.
        paper: the paper's figure that it answers, such as "Fig. 4", or None.
        draw: draws it, or raises `Skipped`.
        made_from: a text that changes with whatever is drawn: as long as it and the code that draws stay, so does the
            picture. None: only drawing tells.
    """

    id: str
    title: str
    paper: str | None
    draw: Callable[[], Drawing]
    made_from: str | None = None
