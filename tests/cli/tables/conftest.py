"""A user's own table in a directory: rows of two modalities, their schema, a declaration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SCHEMA = """\
[columns]
id = { role = "ignored" }
lab_1 = { modality = "lab" }
lab_2 = { modality = "lab" }
ward = { modality = "lab", kind = "categorical" }
gene_1 = { modality = "genes" }
gene_2 = { modality = "genes" }
patient = { role = "group" }
y = { role = "target", kind = "categorical" }
"""
QUICK = '[classifier]\nleaves = ["logistic"]\njoint = ["logistic"]\nfolds = 2\n'


def lines() -> list[str]:
    random = np.random.default_rng(0)
    written = ["id,lab_1,lab_2,ward,gene_1,gene_2,patient,y"]
    for row in range(60):
        lab, genes = (random.normal(size=2) + row // 3 % 2 for _ in range(2))
        ward, y = "NS"[int(random.integers(2))], ("ill", "well")[row // 3 % 2]
        written.append(f"r{row},{lab[0]},{lab[1]},{ward},{genes[0]},{genes[1]},p{row // 10},{y}")
    return written


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with ``rows.csv``, ``schema.toml`` and ``my.toml``."""
    (tmp_path / "rows.csv").write_text("\n".join(lines()) + "\n")
    (tmp_path / "schema.toml").write_text(SCHEMA)
    declaration = f'[data]\nfile = "rows.csv"\nschema = "schema.toml"\n{QUICK}'
    (tmp_path / "my.toml").write_text(declaration + "[validation]\nfolds = 2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
