"""`figures.json`: what each picture beside it shows and what it was made from."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import matplotlib

from msaseg.cli.errors import UserError
from msaseg.figures.planned import Drawing, Planned
from msaseg.figures.style import rendered
from msaseg.records.files import write_whole

NAME = "figures.json"


class Index:
    """The figures of one folder.

    Args:
        folder: of the pictures and `figures.json`; made when first needed.

    Raises:
        UserError: the file that is there cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, dict[str, Any]] = {}
        file = folder / NAME
        if file.exists():
            try:
                self.entries = json.loads(file.read_text(encoding="utf-8"))
                known = isinstance(self.entries, dict) and all(map(_is_entry, self.entries.values()))
            except ValueError:
                known = False
            if not known:
                raise UserError(f"{file}: not an index of figures; bring it back with `git checkout -- {file}`")

    def add(self, planned: Planned, drawing: Drawing, code: dict[str, Any]) -> list[Path]:
        """Write a drawing's files and its entry; return the files.

        A picture that comes out as it was keeps the commit that it was first drawn at.

        Args:
            planned: the figure.
            drawing: of it.
            code: `commit` and `dirty` of the checkout that draws.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        files = {f"{planned.id}{suffix}": data for suffix, data in rendered(drawing.figure, planned.title).items()}
        changed = [name for name, data in files.items() if _replace(self.folder / name, data)]
        entry = {
            "title": planned.title,
            "caption": drawing.caption,
            "paper": planned.paper,
            "files": sorted(files),
            "records": [path.relative_to(self.folder.parents[1]).as_posix() for path in drawing.records],
            "frames": list(drawing.frames),
        }
        old = self.entries.get(planned.id, {})
        same = not changed and all(old.get(key) == value for key, value in entry.items())
        self.entries[planned.id] = entry | ({key: old.get(key) for key in code} if same else code)
        if planned.made_from is not None:
            self.entries[planned.id]["made_from"] = _digest(planned.made_from, [files[name] for name in sorted(files)])
        return [self.folder / name for name in sorted(files)]

    def is_drawn(self, planned: Planned) -> bool:
        """Return whether a figure's files are those that drawing it now would give."""
        entry = self.entries.get(planned.id, {})
        try:
            files = [(self.folder / name).read_bytes() for name in entry.get("files", ())]
        except OSError:
            return False
        return planned.made_from is not None and entry.get("made_from") == _digest(planned.made_from, files)

    def close(self, known: Collection[str] | None = None) -> list[Path]:
        """Write the index; drop figures whose records are gone, and return the pictures deleted with their entries.

        A picture that no entry named stays: it may be one that this machine cannot draw.

        Args:
            known: ids of all figures; entries of others are dropped, too. None keeps them.
        """
        if not self.folder.is_dir():
            return []
        kept, dropped = dict[str, dict[str, Any]](), list[Path]()
        for id, entry in sorted(self.entries.items()):
            if (known is None or id in known) and self._has_records(entry):
                kept[id] = entry
            else:
                dropped += [self.folder / name for name in entry["files"]]
        for path in dropped:
            path.unlink(missing_ok=True)
        self.entries = kept
        _replace(self.folder / NAME, (json.dumps(self.entries, indent=1, ensure_ascii=False) + "\n").encode())
        return dropped

    def _has_records(self, entry: dict[str, Any]) -> bool:
        return all((self.folder.parents[1] / record).exists() for record in entry.get("records", ()))


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("files"), list)


def _digest(made_from: str, files: Iterable[bytes]) -> str:
    """Return a digest over what a figure is made from, what draws it, and its files."""
    code = (file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    found = hashlib.sha256(f"{made_from}{matplotlib.__version__}".encode())
    for part in (*code, *files):
        found.update(part)
    return found.hexdigest()[:16]


def _replace(path: Path, data: bytes) -> bool:
    """Make a file hold these bytes, all at once; return whether it did not before."""
    if path.exists() and path.read_bytes() == data:
        return False
    write_whole(path, data)
    return True
