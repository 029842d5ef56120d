"""Runs notebooks and stores their outputs: ``python tests/notebooks/outputs.py [NAME …]``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

_PLACE = re.compile(r"^\S+\.py:\d+: (\w+Warning: .*)\n.*\n", re.MULTILINE)
"""A warning's file and line, which differ from machine to machine, and the line's text."""
FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def executed(path: Path) -> Any:
    """Return a notebook with the outputs of a fresh run from its first cell to its last."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False)
    client.execute()
    notebook.metadata.language_info = {"name": "python"}  # and not the version that ran it
    for cell in code_cells(notebook):
        cell.outputs = _merged(cell.outputs)
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = _PLACE.sub(r"\1\n", output.text)
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    """Return the cells that have outputs."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _merged(outputs: list[Any]) -> list[Any]:
    """Join pieces of one stream, which arrive as they like."""
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last["text"] += output.text
        else:
            merged.append(output)
    return merged


if __name__ == "__main__":
    for stored in NOTEBOOKS:
        if stored.stem in sys.argv[1:] or len(sys.argv) == 1:
            nbformat.write(executed(stored), stored)
            print(f"stored {stored.name}: {stored.stat().st_size:,} bytes")
