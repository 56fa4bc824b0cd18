# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. The frame of a report: one page that needs nothing else, no script, no request, every text escaped."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

_STYLE = Path(__file__).resolve().parent / "_report_style.css"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@lru_cache(maxsize=1)
def _style() -> str:
    return _STYLE.read_text(encoding="utf-8")


def document(title: str, body: list[str]) -> str:
    """body: parts that are HTML already; empty ones are left out."""
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">', '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>", f"<style>\n{_style()}</style>", "</head>",
        "<body>", *filter(None, body), "</body>", "</html>", ""])


def words(name: Any) -> str:
    return str(name).replace("_", " ")


def text(value: Any) -> str:
    """A value for a person, escaped."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(f"{value:g}" if isinstance(value, float) else str(value))


def facts(pairs: list[tuple[str, Any, str]]) -> str:
    """Name, value and kind ("big" or "") of what stands at the head; those without a value are left out."""
    cells = [f'<div><dt>{escape(name)}</dt><dd class="{kind}">{text(value)}</dd></div>' for name, value, kind in pairs if value]
    return "\n".join(["<dl>", *cells, "</dl>"])


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Cells are HTML already; those that bring their own <td> keep it."""
    lines = ["<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return "\n".join(['<div class="scroll"><table>', f"<thead><tr>{head}</tr></thead>", "<tbody>", *lines, "</tbody></table></div>"])


def section(title: str, *parts: str) -> str:
    return "\n".join([f"<h2>{escape(title)}</h2>", *parts])
