"""The drawn figures, embedded: what `figures.json` lists, with the pictures beside it."""

import base64
import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from msaseg.cli.errors import UserError
from msaseg.tables.results import Results

INDEX = "figures.json"
SANS = ("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
"""The figures' font, and what stands in for it where it is not installed: the same widths, or nearly."""
EMBEDDED = re.compile(r"data:image/png;base64,([^\"]+)")
DARK = "@media (prefers-color-scheme: dark) {text {fill: #e7e5e0 !important} #patch_1 path {fill: none !important}}"
"""What a picture of frames looks like on a dark page: the frames stay as they are."""
QUALITY = 80
"""Of photographs, as WebP."""


@dataclass(frozen=True)
class Picture:
    """One drawn figure.

    Args:
        id: stem of its files.
        title: of the figure.
        caption: what is seen.
        paper: the paper's figure that it answers, or "".
        uri: the picture itself as a data URI.
        width: in pixels on a wide screen; None for a drawing, whose letters are too small on a narrow one.
        commit: of the code that drew it.
        runs: how many records it was drawn from.
    """

    id: str
    title: str
    caption: str
    paper: str
    uri: str
    width: int | None
    commit: str
    runs: int


def drawn(folder: Path, plotted: Collection[str], results: Results) -> tuple[list[Picture], dict[str, str]]:
    """Return the figures of a folder that can be shown, and the file's name of each figure by its id, shown or not.

    A figure whose records are no longer there is passed over: it shows numbers that nothing stands behind.

    Args:
        folder: of the index and the pictures.
        plotted: ids of the charts that the page plots itself; their pictures are not embedded.
        results: is told of a file that cannot be read.
    """
    file = folder / INDEX
    pictures, files = list[Picture](), dict[str, str]()
    if not file.exists():
        return pictures, files
    try:
        for id, entry in json.loads(file.read_text(encoding="utf-8")).items():
            files[id] = _file(entry)
            known = all((folder.parents[1] / record).exists() for record in entry["records"])
            if known and id not in plotted:
                pictures.append(_picture(id, entry, folder))
    except (ValueError, AttributeError, KeyError, TypeError, StopIteration) as error:
        wrong = f"{file}: not an index of figures ({type(error).__name__}: {error}); run `make figures`"
        results.cannot_read(file, UserError(wrong))
    except OSError as error:
        wrong = f"{error.filename or file}: {error.strerror or error}; run `make figures`"  # Pillow names no file
        results.cannot_read(file, UserError(wrong))
    return pictures, files


def of_protocols(pictures: Sequence[Picture], shown: Sequence[str], known: Sequence[str]) -> list[Picture]:
    """Return the pictures of no protocol, then those of the protocols shown, in their order.

    Args:
        pictures: whose ids name their protocol, as in `architecture-laptop`.
        shown: names of protocols.
        known: names of all protocols, which tell a protocol's picture from one of none.
    """
    named = [(next((name for name in known if name in picture.id.split("-")), None), picture) for picture in pictures]
    order = [None, *shown]
    kept = [(order.index(name), picture) for name, picture in named if name in order]
    return [picture for _, picture in sorted(kept, key=lambda pair: pair[0])]


def _file(entry: dict[str, Any]) -> str:
    return next(str(name) for name in entry["files"] if name.endswith(".svg"))


def _picture(id: str, entry: dict[str, Any], folder: Path) -> Picture:
    drawing = (folder / _file(entry)).read_text(encoding="utf-8").replace(*SANS)
    width = None
    if entry["frames"]:
        drawing = EMBEDDED.sub(_smaller, drawing).replace("</style>", f"{DARK}</style>", 1)
        width = round(2 * float(drawing.partition(' width="')[2].partition("pt")[0]))
    return Picture(
        id=id,
        title=str(entry["title"]),
        caption=str(entry["caption"]),
        paper=str(entry["paper"] or ""),
        uri=f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}",
        width=width,
        commit=(entry["commit"] or "unknown")[:10] + (", with changes" if entry["dirty"] else ""),
        runs=len(entry["records"]),
    )


def _smaller(embedded: re.Match[str]) -> str:
    """Return an embedded PNG as WebP: a map of classes exactly, a photograph nearly."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(embedded[1]))) as image:
        picture = image.convert("RGB")
    picture.save(small, "webp", lossless=picture.getcolors() is not None, quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"
