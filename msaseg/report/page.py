"""The page as HTML: its templates filled, with style sheet, scripts and Plotly inside."""

import base64
import re
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from msaseg.report.content import Content
from msaseg.tables.cells import MARKS
from msaseg.tables.verdicts import told

PARTS = files("msaseg.report")
PLOTLY = "plotly-cartesian-3.7.0.min.js.gz"
"""Plotly's own bundle of its plots in a plane, as npm's plotly.js-cartesian-dist-min has it, compressed."""
SCRIPTS = ("theme.js", "names.js", "plots.js", "sort.js", "folds.js")


def html(content: Content) -> str:
    """Return the page; the same content gives the same text."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text("templates", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = code
    return environment.get_template("report.html.j2").render(
        content=content,
        marks=MARKS,
        told=told,
        style=_text("static", "report.css"),
        plotly=base64.b64encode((PARTS / "static" / PLOTLY).read_bytes()).decode(),
        scripts=[_text("static", name) for name in SCRIPTS],
    )


def code(text: str) -> Markup:
    """Return a text as HTML, what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _text(folder: str, name: str) -> str:
    return (PARTS / folder / name).read_text(encoding="utf-8")
