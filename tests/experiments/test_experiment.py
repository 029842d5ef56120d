"""Which kind a declaration is of, and the steps that a run keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmgraph.experiments.experiment import kind_of
from mmgraph.graph.errors import FormatError


def test_the_ready_models_have_their_kinds():
    kinds = {
        "home_activities": "classification",
        "indian_pines": "land_cover",
        "motorcycle_stereo": "stereo",
    }
    assert {name: kind_of(name) for name in kinds} == kinds


def test_an_unknown_kind_is_named(tmp_path: Path):
    path = tmp_path / "odd.toml"
    path.write_text('kind = "sterio"')
    with pytest.raises(FormatError, match=r"odd\.toml: kind = 'sterio'; did you mean 'stereo'"):
        kind_of(path)
    path.write_text("kind = 3")
    with pytest.raises(FormatError, match="'kind' must be of type str"):
        kind_of(path)
