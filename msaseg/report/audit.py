"""The audit of the paper, `docs/audit.md`, as a part of the page."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

DEEPER = 1
"""How far its headings move down: the page has a heading above them."""


@dataclass(frozen=True)
class Audit:
    """The audit, rendered.

    Args:
        html: of the text, its title left out.
        groups: (id, heading) of each group of items.
    """

    html: str
    groups: tuple[tuple[str, str], ...]


def audit(file: Path, address: str) -> Audit | None:
    """Return the audit, or None if it is not written yet.

    Args:
        file: Markdown: `##` for groups, `###` for items.
        address: of the file's folder, as seen from the page; relative links lead there.
    """
    if not file.exists():
        return None
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(file.read_text(encoding="utf-8"))
    title = next((number for number, token in enumerate(tokens) if token.tag == "h1"), len(tokens))
    del tokens[title : title + 3]  # its opening, text and closing
    groups: list[tuple[str, str]] = []
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            text = tokens[number + 1].content
            _move(token, tokens[number + 2], groups, text)
        for child in token.children or ():
            _lead(child, address, file.name)
        if token.type == "table_open":
            token.attrSet("class", "plain")
    return Audit(markdown.renderer.render(tokens, markdown.options, {}), tuple(groups))


def _move(opening: Token, closing: Token, groups: list[tuple[str, str]], text: str) -> None:
    """Bring a heading to its place below the page's, and give it an id; note it if it begins a group."""
    level = int(opening.tag[1])
    if level == 2:
        groups.append((f"audit-{len(groups) + 1}", re.sub(r"[*_`]", "", text)))
        opening.attrSet("id", groups[-1][0])
    opening.tag = closing.tag = f"h{min(6, level + DEEPER)}"


def _lead(token: Token, address: str, name: str) -> None:
    """Let a relative link lead to where the file lies, as seen from the page, and one to a heading into the file."""
    href = str(token.attrs.get("href", ""))
    if token.type == "link_open" and href and not re.match("[a-z]+:", href):
        token.attrSet("href", f"{address}/{name if href.startswith('#') else ''}{href}")
