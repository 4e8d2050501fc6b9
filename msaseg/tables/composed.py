"""Answers that only Hydra can give, kept on disk: composing a run takes 0.1 s, and tables need many."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import omegaconf

from msaseg.config import CONF, PACKAGE
from msaseg.records.files import write_whole


@dataclass(frozen=True)
class Composed:
    """An answer, any JSON value, and the configurations that it was composed from, such as "protocol/paper"."""

    answer: Any
    names: Collection[str]


class ComposedCache:
    """Answers by key, each forgotten as soon as a file that it was composed from or the hash's definition changes.

    A file that cannot be read counts as empty, one that cannot be written is left out: never an error.

    Args:
        folder: where the cache's one file lies; made when first needed.
        conf: the configuration folder.
    """

    def __init__(self, folder: Path, conf: Path = CONF) -> None:
        self.file = folder / "composed.json"
        self._conf = conf
        self._digests: dict[str, str] = {}
        self._kept = self._read()

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def get(self, key: str, make: Callable[[], Composed]) -> Any:  # noqa: ANN401 - any JSON value
        """Return the answer kept under `key`, or make and keep it."""
        if key not in self._kept:
            self.keep({key: make()})
        return self._kept[key]["answer"]

    def keep(self, composed: Mapping[str, Composed]) -> None:
        """Keep answers by their keys."""
        for key, one in composed.items():
            digests = {name: self._digest(name) for name in sorted(one.names)}
            self._kept[key] = {"answer": one.answer, "digests": digests}
        with suppress(OSError):
            write_whole(self.file, json.dumps({"definition": definition(), "kept": self._kept}))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            if content["definition"] == definition():
                return {key: one for key, one in content["kept"].items() if self._current(one["digests"])}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return {}

    def _current(self, digests: Mapping[str, str]) -> bool:
        return all(self._digest(name) == digest for name, digest in digests.items())

    def _digest(self, name: str) -> str:
        """Return a digest of a configuration's file, "" where there is none, as of those that come with Hydra."""
        if name not in self._digests:
            try:
                content = (self._conf / f"{name.removesuffix('.yaml')}.yaml").read_bytes()
                self._digests[name] = hashlib.sha256(content).hexdigest()[:16]
            except OSError:
                self._digests[name] = ""
        return self._digests[name]


@cache
def definition() -> str:
    """Return a digest over what composes, hashes and answers, apart from the configuration's files."""
    files = ("config.py", "sweep/compose.py", "tables/plan.py", "tables/protocols.py")
    parts = [
        hydra.__version__,
        omegaconf.__version__,
        *((PACKAGE / file).read_text(encoding="utf-8") for file in files),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
