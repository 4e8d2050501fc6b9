"""Where records, tables and figures lie: in the repository, or on this machine alone."""

from pathlib import Path

from msaseg.config import CHECKOUT, ROOT

PUBLISHED = CHECKOUT / "experiments" if CHECKOUT else None
"""Where records and tables lie that belong to the repository; None: there is none, as of an installed package."""

RECORDS = "records"
FILES = "*/*/*/*.json"
"""Records below their folder: table, protocol, row, run."""
README = ROOT / "README.md"


def results_root(publish: bool, outputs: Path) -> Path:
    """Return the folder of `records/` and `tables/`: in the repository, or on this machine alone.

    Without a repository everything lies in `outputs`.
    """
    return PUBLISHED if publish and PUBLISHED else outputs


def records_root(publish: bool, outputs: Path) -> Path:
    """Return where the records of a protocol lie; `publish` is the protocol's own key."""
    return results_root(publish, outputs) / RECORDS


def filed_elsewhere(record: Path) -> bool:
    """Return whether a record's run is filed under another table or row: one that several need is filed once."""
    _, protocol, _, root, *_ = record.parents
    return root.name == RECORDS and any(root.glob(f"*/{protocol.name}/*/{record.name}"))
