"""Describe the results as an RO-Crate, for archives and their search: `python -m msaseg.publish.crate`."""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from msaseg.cli.command import parser, run
from msaseg.cli.errors import UserError
from msaseg.config import CHECKOUT
from msaseg.records.files import write_whole
from msaseg.records.places import PUBLISHED
from msaseg.records.run import RunRecord
from msaseg.tables.spec import load_tables

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

FILE = "ro-crate-metadata.json"
FRAMES = "Figures 1, 2 and 5 show frames of CamVid, which are for research use and not under the licence of the rest."
FOLDERS = {
    "records": "one JSON file a finished run: scores, confusion matrices, curves, configuration, commit, machine",
    "tables": "the paper's tables and more, rendered from the records: the paper's number beside ours",
    "figures": f"the paper's figures and more, drawn from the records, as PNG and SVG; {FRAMES}",
    "speeds": "one JSON file a timed net: its speed on one device, at one size and precision",
    "benchmarks": "the time that the suite costs above bare PyTorch",
    "weights": "nets of recorded runs in half precision, each with its model card",
}
FILES = {
    "README.md": ("How to read records and tables", "text/markdown"),
    "report.html": ("Report: verdicts, tables, figures, audit and provenance in one page", "text/html"),
    "figures/figures.json": ("Title, caption, records, frames and commit of each figure", "application/json"),
}
FORMATS = {".md": "text/markdown", ".csv": "text/csv"}


def crate(results: Path, cited: Mapping[str, Any]) -> "ROCrate":
    """Return the RO-Crate 1.1 of a folder of results: the same for the same content, whenever it is asked for.

    Folders stand for their files, of which new records and figures add some, but tables are named one by one. It was
    published when the first of its records was finished. So a new table changes the metadata, a new record does not.

    Args:
        results: the folder; what it lacks is left out.
        cited: content of a CITATION.cff, with one reference: the paper that is reproduced.

    Raises:
        UserError: there is no record, or one cannot be read.
    """
    from rocrate.rocrate import ROCrate

    finished = [RunRecord.load(path).finished for path in results.glob("records/*/*/*/*.json")]
    if not finished:
        raise UserError(f"{results / 'records'}: there is no record to describe")
    made = ROCrate(version="1.1")
    (paper,) = cited["references"]
    licence = {"@id": f"https://spdx.org/licenses/{cited['license']}", "@type": "CreativeWork"}
    licence |= {"name": cited["license"]}
    article = {"@id": paper["url"], "@type": "ScholarlyArticle", "name": paper["title"]}
    article |= {"datePublished": str(paper["year"]), "identifier": paper["identifiers"][0]["value"]}
    article |= {"author": [{"@id": each.id} for each in _authors(made, paper["authors"])]}
    made.name = f"Results of {cited['title']}: {paper['title']}, reproduced"
    made.description, made.keywords = cited["abstract"], cited["keywords"]
    made.datePublished = min(finished)[:10]
    made.license = made.add_jsonld(licence)
    made.root_dataset["author"] = _authors(made, cited["authors"])
    made.root_dataset["version"] = str(cited["version"])
    made.root_dataset["citation"] = made.add_jsonld(article)
    for name, about in FOLDERS.items():
        if (results / name).is_dir():
            made.add_dataset(dest_path=name, properties={"name": name.capitalize(), "description": about})
    for name, (title, encoding) in (FILES | _tables(results)).items():
        if (results / name).is_file():
            made.add_file(results / name, name, properties={"name": title, "encodingFormat": encoding})
    return made


def _tables(results: Path) -> dict[str, tuple[str, str]]:
    titles = {table.id: table.title for table in load_tables().values()} | {"verdicts": "Each claim with its verdict"}
    paths = sorted(path for path in results.glob("tables/*") if path.suffix in FORMATS)
    return {f"tables/{path.name}": (titles.get(path.stem, path.stem), FORMATS[path.suffix]) for path in paths}


def _authors(made: "ROCrate", authors: Sequence[Mapping[str, str]]) -> list[Any]:
    """Add authors as CITATION.cff names them, people or groups, and return their entities."""
    found = []
    for each in authors:
        name = each.get("name") or f"{each['given-names']} {each['family-names']}"
        kind = "Organization" if "name" in each else "Person"
        found.append(made.add_jsonld({"@id": f"#{name.replace(' ', '-')}", "@type": kind, "name": name}))
    return found


def to_text(made: "ROCrate") -> str:
    """Return a crate's metadata as JSON-LD."""
    return json.dumps(made.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    about = f"describe the committed results as an RO-Crate: experiments/{FILE}, after CITATION.cff."
    return run(parser("publish.crate", about, [""]), _write, arguments)


def _write(_: Namespace) -> int:
    if CHECKOUT is None or PUBLISHED is None:
        raise UserError("there are no committed results: run this in a checkout of the repository")
    cited: Any = OmegaConf.to_container(OmegaConf.load(CHECKOUT / "CITATION.cff"))
    try:
        text = to_text(crate(PUBLISHED, cited))
    except ModuleNotFoundError as error:
        raise UserError("rocrate is not installed: pip install rocrate") from error
    write_whole(PUBLISHED / FILE, text)
    print(PUBLISHED / FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
