"""The site of the documentation, `make docs`. Its pages are the repository's own, so that their links hold in both."""

from sphinx.application import Sphinx

from msaseg import __version__

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


def add_contents(_: Sphinx, page: str, source: list[str]) -> None:
    """Give the README the contents of the site, and that of the results its tables: neither is for the repository."""
    lists = CONTENTS if page == "README" else {"Results": ["*/*"]} if page == "experiments/README" else {}
    for caption, pages in lists.items():
        options = f":hidden:\n:glob:\n:caption: {caption}"
        source[0] += f"\n\n```{{toctree}}\n{options}\n\n{chr(10).join(pages)}\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
