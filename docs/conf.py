"""The site of the documentation, `make docs`. Its pages are the repository's own, so that their links hold in both."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx

from msaseg import __version__
from msaseg.config import ROOT

project = "msaseg"
release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
root_doc = "README"
include_patterns = ["*.md", "docs/**", "experiments/*.md", "experiments/*/*.md"]
suppress_warnings = ["misc.highlighting_failure"]  # the block of floors in CONTRIBUTING
html_theme = "furo"
html_title = project
html_show_copyright = False
myst_heading_anchors = 3
nb_execution_mode = "off"  # `make notebook` executes it; its outputs are committed
autodoc_member_order = "bysource"
napoleon_custom_sections = [("Shape", "params_style"), ("Source", "notes_style")]

CONTENTS = {
    "Use it": ["docs/usage", "docs/tour", "docs/dashboards", "docs/scaling", "docs/api"],
    "The paper": ["docs/paper", "docs/audit", "docs/nets"],
    "Evidence": ["docs/protocols", "docs/statistics", "docs/verdicts", "docs/benchmarks", "experiments/README"],
    "Extend it": ["docs/add", "CONTRIBUTING", "SECURITY", "CHANGELOG"],
}


class Page(HTMLParser):
    """A page's anchors, and what it links to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str | None] = {"", "top"}
        self.links: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        self.ids |= {value for key, value in attrs if key == "id"}
        self.links += [value for key, value in attrs if key in ("href", "src") and value]


def add_contents(_: Sphinx, page: str, source: list[str]) -> None:
    """Give the README the contents of the site, and that of the results its tables: neither is for the repository.

    The report is a page of the site, where Sphinx would offer a download.
    """
    lists = CONTENTS if page == "README" else {"Results": ["*/*"]} if page == "experiments/README" else {}
    for caption, pages in lists.items():
        options = f":hidden:\n:glob:\n:caption: {caption}"
        source[0] += f"\n\n```{{toctree}}\n{options}\n\n{chr(10).join(pages)}\n```\n"
    source[0] = re.sub(r"\[([^]]*)\]\((\S*report\.html)\)", r'<a href="\2">\1</a>', source[0])


def add_report(app: Sphinx, error: Exception | None) -> None:
    """Copy the report with the files that it links to; refuse a site with a dead link.

    Raises:
        SystemExit: names the page and the link.
    """
    site = Path(app.outdir)
    if error:
        return
    ignored = shutil.ignore_patterns("*.md", "weights")
    shutil.copytree(ROOT / "experiments", site / "experiments", dirs_exist_ok=True, ignore=ignored)
    report = site / "experiments" / "report.html"
    text = report.read_text(encoding="utf-8")
    report.write_text(re.sub(r'(href="\.\./docs/[\w./-]+)\.md', r"\1.html", text), encoding="utf-8")
    if dead := dead_links(site):
        raise SystemExit("\n".join(["error: the site has dead links:", *dead]))


def dead_links(site: Path) -> list[str]:
    """Return page and link of what leads to no file of the site, or to no anchor of a page."""
    pages = {file.resolve(): Page(file) for file in site.rglob("*.html")}
    dead = []
    for file, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if not (url.scheme or url.netloc):
                target = (file.parent / unquote(url.path)).resolve() if url.path else file
                if not target.is_file() or (target in pages and unquote(url.fragment) not in pages[target].ids):
                    dead.append(f"{file.relative_to(site)}: {link}")
    return dead


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_report)
