"""What the documentation tells to type exists."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from msaseg.config import CONF, ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "experiments").glob("*.md")]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def lines(page: Path) -> list[str]:
    """The commands of a page, without their comments."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    blocks = [content for language, content in found if language in ("", "sh", "bash")]
    return [line.split("  #")[0] for block in blocks for line in block.splitlines()]


def missing(line: str) -> list[str]:
    """What a command names that is not there."""
    wanted = {
        f"msaseg.{name}": importlib.util.find_spec(f"msaseg.{name}")
        for name in re.findall(r"-m msaseg\.([\w.]+)", line)
    }
    if line.startswith("make "):
        wanted |= {f"make {word}": word in TARGETS for word in line.split()[1:] if re.fullmatch("[a-z-]+", word)}
    for group, option in re.findall(
        r"(?:^|\s)\+?(experiment|protocol|model|logger|debug|model/net/encoder)=(\w+)", line
    ):
        wanted[f"{group}={option}"] = (CONF / group / f"{option}.yaml").is_file()
    return [name for name, found in wanted.items() if not found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_exist(page):
    assert [(line, names) for line in lines(page) if (names := missing(line))] == []


def test_commands_are_found_in_the_pages_at_all():
    found = [line for page in PAGES for line in lines(page)]
    assert sum("-m msaseg." in line for line in found) > 25
    assert missing("python -m msaseg.trian protocol=papper +experiment=pooling_sweep") == [
        "msaseg.trian",
        "protocol=papper",
    ]
    assert missing("make tabels") == ["make tabels"]


def test_notebook_is_committed_as_executed_without_warnings():
    cells = json.loads((ROOT / "docs" / "tour.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert [output for cell in code for output in cell["outputs"] if output.get("name") == "stderr"] == []


@pytest.mark.slow
def test_notebook_runs_from_top_to_bottom():
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(ROOT / "docs" / "tour.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": ROOT / "docs"}}).execute()


def test_readme_in_short_says_what_the_verdicts_say():
    """Change the README's words above the table of verdicts when this fails."""
    page = (ROOT / "experiments" / "tables" / "verdicts.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")] for line in page.splitlines() if "| `paper` |" in line]
    words = {claim.partition(" (p.")[0]: word.strip("*") for _, _, claim, _, word, *_ in rows}
    said = {
        "achieving mean IOU value of 74.12": "contradicted",
        "using more pooling layers increases IOU": "contradicted",
        "with multi scale spatial attention": "contradicted",
        "concat fusion instead of not using one increases the IOU (one branch": "holds",
        "concat fusion instead of not using one increases the IOU (two branches": "holds",
        "Table 5: Backbone A ×2 above A": "contradicted",
        "Table 5: Backbone B ×2 above B": "contradicted",
    }
    assert {start: [word for claim, word in words.items() if claim.startswith(start)] for start in said} == {
        start: [word] for start, word in said.items()
    }
