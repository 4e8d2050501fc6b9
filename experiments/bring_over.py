"""Rename every committed record and speed to its new hash: numbers stay, only `config_hash` and file names change."""

import dataclasses

from msaseg.config import identity_hash
from msaseg.records import PUBLISHED, RunRecord
from msaseg.speeds import SpeedRecord

names = {}
for old in sorted((PUBLISHED / "records").glob("*/*/*/*.json")):
    record = RunRecord.load(old)
    assert record.key.path(PUBLISHED / "records") == old, old
    new = dataclasses.replace(record, config_hash=identity_hash(record.config))
    path = new.key.path(PUBLISHED / "records")
    assert not path.exists(), path
    new.save(path)
    names[old] = path
for old in sorted((PUBLISHED / "speeds").glob("*/*.json")):
    speed = SpeedRecord.load(old)
    assert speed.file_name == old.name, old
    new_speed = dataclasses.replace(speed, config_hash=identity_hash(speed.config))
    path = new_speed.save(PUBLISHED / "speeds")
    assert path.parent == old.parent
    assert path != old
    names[old] = path
for old, path in names.items():
    was, now = (file.read_text().splitlines() for file in (old, path))
    changed = [a for a, b in zip(was, now, strict=True) if a != b]
    assert [line.split('"')[1] for line in changed] == ["config_hash"], changed
    old.unlink()
for text in (PUBLISHED / "figures" / "figures.json",):
    content = text.read_text()
    for old, path in names.items():
        content = content.replace(old.name, path.name)
    text.write_text(content)
print(len(names), "files renamed")
