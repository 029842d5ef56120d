"""Pictures of a page: SVG whose text is text, with words for those who cannot see."""

from __future__ import annotations

import io
import re
import textwrap
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALTERNATIVE = 300
"""Characters of a description."""
_READABLE = 0.8
"""How far a picture shrinks, before it is scrolled instead."""


class Picture(NamedTuple):
    """A picture with its caption and a description in words."""

    svg: str
    caption: str


def as_svg(figure: Figure, description: str) -> str:
    """Return SVG to stand in a page: as wide as there is room, with its description in words."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": description}
    with rc_context(style):
        figure.savefig(
            buffer, format="svg", bbox_inches="tight", pad_inches=0.1, metadata={"Date": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    head, rest = text.split(">", 1)
    width = re.search(r'width="([\d.]+)pt"', head)
    pixels = float(width[1]) * 4 / 3 if width else 0.0
    limits = f"max-width:{pixels:.0f}px;min-width:{_READABLE * pixels:.0f}px" if width else ""
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    said = escape(textwrap.shorten(description, _ALTERNATIVE, placeholder=" …"), quote=True)
    return f'{head} role="img" aria-label="{said}" style="{limits}">{rest}'
