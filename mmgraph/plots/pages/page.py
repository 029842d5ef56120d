"""Templates of pages, in which everything that users name is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmgraph.graph.errors import needs


def render(template: Path, **content: Any) -> str:
    """Return a page from a template, which may extend and import those beside this module.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    with needs("report", "jinja2", "a report"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(content)
