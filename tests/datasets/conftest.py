"""Data sets whose packages are made by a test, of the format of the real ones."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mmgraph.datasets import entries
from mmgraph.datasets.packages.cache import cache_dir


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put made archives into a cache of its own, as the packages of a data set."""

    def put(name: str, *archives: bytes) -> None:
        known = entries.catalog()
        pins = []
        for pin, archive in zip(known[name].packages, archives, strict=True):
            cache_dir().mkdir(parents=True, exist_ok=True)
            (cache_dir() / pin.filename).write_bytes(archive)
            digest = hashlib.sha256(archive).hexdigest()
            pins.append(dataclasses.replace(pin, sha256=digest))
        known[name] = dataclasses.replace(known[name], sources=tuple(pins))
        monkeypatch.setattr(entries, "_entries", lambda: known)

    monkeypatch.setenv("MMGRAPH_CACHE", str(tmp_path / "cache"))
    return put
