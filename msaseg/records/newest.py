"""The packages of the newest record, as words for `uv lock`; `make lock` calls `python -m msaseg.records.newest`."""

from pathlib import Path

from msaseg.cli.command import one_line
from msaseg.cli.errors import UserError
from msaseg.records.places import records_root
from msaseg.records.run import RunRecord


def newest_versions(root: Path) -> dict[str, str]:
    """Return package name to the version that the record which finished last ran with, without Python and the suite.

    Args:
        root: folder of the records.

    Raises:
        UserError: there is no record, or one cannot be read.
    """
    records = [RunRecord.load(path) for path in root.glob("*/*/*/*.json")]
    if not records:
        raise UserError(f"{root}: there is no record: restore them with `git checkout -- {root}`")
    newest = max(records, key=lambda record: record.finished)
    return {name: version for name, version in newest.versions.items() if name not in ("python", "msaseg")}


if __name__ == "__main__":
    with one_line():
        versions = newest_versions(records_root(True, Path()))
        print(*(f"--upgrade-package={name}=={version}" for name, version in versions.items()))
