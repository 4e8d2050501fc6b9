"""The smallest run of the command line, and the records that it leaves."""

from msaseg.records.run import RunRecord

TINY = [
    "protocol=smoke",
    "protocol.epochs=2",
    "protocol.source.train=8",
    "protocol.source.val=2",
    "protocol.source.test=3",
    "logger=csv",
]

ODD_FOLDER = "a = b, 'c' \"d\" [e] {f} $g %h é\u4e00"
"""Signs that Hydra, a shell or a table might take for its own."""


def records(folder):
    return [RunRecord.load(path) for path in sorted((folder / "records").rglob("*.json"))]
