"""Every notebook is stored with its outputs, and a fresh run says the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from tests.notebooks.outputs import NOTEBOOKS, code_cells, executed

NEEDED_CLIENTS = {"search_pictures_with_words": "npm"}
"""By notebook: the program that fetches its data."""
NUMBER = re.compile(r"(?<!\w)[-+]?\d*\.?\d+(?:e[-+]?\d+)?(?!\w)")
SECONDS = re.compile(r"\b\d+(\.\d+)? s\b")
MOST_BYTES = 300_000


def texts(cell: Any) -> list[str]:
    """What a cell's outputs say as plain text: streams and values."""
    return [SECONDS.sub("", o.get("text") or o.data["text/plain"]) for o in cell.outputs]


def kinds(cell: Any) -> list[Any]:
    return [(o.output_type, o.get("name"), sorted(o.get("data", {}))) for o in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    codes = code_cells(notebook)
    assert [cell.execution_count for cell in codes] == list(range(1, len(codes) + 1))
    assert sum(bool(cell.outputs) for cell in codes) > len(codes) / 2
    assert not any(o.output_type == "error" for cell in codes for o in cell.outputs)
    assert path.stat().st_size < MOST_BYTES
    assert "ipykernel_" not in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_run_says_what_is_stored(path: Path):
    """Words alike, and numbers alike but for what rounding on another machine may move."""
    client = NEEDED_CLIENTS.get(path.stem)
    if client and not shutil.which(client):
        pytest.skip(f"the data are fetched by {client}, which is not installed")
    stored = nbformat.read(path, as_version=4)
    for cell, old in zip(code_cells(executed(path)), code_cells(stored), strict=True):
        assert kinds(cell) == kinds(old), old.source
        for new_text, old_text in zip(texts(cell), texts(old), strict=True):
            assert NUMBER.sub("#", new_text).split() == NUMBER.sub("#", old_text).split()
            np.testing.assert_allclose(
                [float(number) for number in NUMBER.findall(new_text)],
                [float(number) for number in NUMBER.findall(old_text)],
                rtol=0.02,
                atol=0.03,
                err_msg=old.source,
            )


def test_there_are_notebooks():
    assert NOTEBOOKS
