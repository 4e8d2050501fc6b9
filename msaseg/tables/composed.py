"""Answers that only Hydra can give, kept on disk: composing a run takes 0.1 s, and tables need many."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
import omegaconf

from msaseg import config
from msaseg.config import CONF


class ComposedCache:
    """JSON values by key, forgotten as soon as a file under `conf/` or the hash's definition changes.

    An experiment's file is left out, since only its own runs depend on it: their keys name `file_digest` of it.
    A file that cannot be read counts as empty, one that cannot be written is left out: never an error.

    Args:
        folder: where the cache's one file lies; made when first needed.
        conf: the configuration folder whose content the answers depend on.
    """

    def __init__(self, folder: Path, conf: Path = CONF) -> None:
        self.file = folder / "composed.json"
        self.digest = digest(conf)
        self.answers = self._read()

    def get(self, key: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - any JSON value
        """Return the answer kept under `key`, or make and keep it; `make` returns what JSON can hold."""
        if key not in self.answers:
            self.keep({key: make()})
        return self.answers[key]

    def keep(self, answers: Mapping[str, Any]) -> None:
        """Keep answers by their keys."""
        self.answers.update(answers)
        self._write()

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            if content["digest"] == self.digest:
                return dict(content["answers"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return {}

    def _write(self) -> None:
        part = self.file.with_name(f".{self.file.name}.{os.getpid()}.part")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"digest": self.digest, "answers": self.answers}), encoding="utf-8")
            os.replace(part, self.file)
        except OSError:
            with suppress(OSError):
                part.unlink()


def digest(conf: Path) -> str:
    """Return a digest over all that composing and hashing a run depends on, but for its experiment."""
    sha = hashlib.sha256(f"{hydra.__version__} {omegaconf.__version__}".encode())
    files = [path for path in sorted(conf.rglob("*")) if path.is_file() and path.parent != conf / "experiment"]
    for path in [Path(config.__file__), *files]:
        sha.update(f"\0{path.relative_to(conf) if path in files else path.name}\0".encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()


def file_digest(path: Path) -> str:
    """Return a digest of a file's content, "" if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
