"""What a declaration of a Gaussian network may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmgraph.experiments.gaussian_network.declaration import read_gaussian_network
from mmgraph.graph.errors import FormatError
from tests.experiments.gaussian_network.measured import SMALL


def test_candidates_and_defaults(tmp_path: Path):
    path = tmp_path / "three.toml"
    path.write_text(SMALL + '[[affected]]\nname = "none"\n')
    declaration = read_gaussian_network(path)
    assert declaration.name == "three"
    assert [one.columns for one in declaration.affected] == [("c",), ("a",), ()]
    assert declaration.turned == (("c", "a"),)
    assert declaration.validation.seed == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[1e-6, 1e6]", "[1e6, 1e-6]", r"'range' must be \[lowest, highest\]"),
        ("[1e-6, 1e6]", "[1.0]", "'range' must be"),
        ("[1e-6, 1e6]", "[0.0, 1.0]", "must lie between 1e-300"),
        ("bins = [20]", "bins = [1]", "must lie between 2"),
        ("bins = [20]", "", r"\[discretised\] lacks 'bins'"),
        ('name = "a"', 'name = "c"', r"two \[\[affected\]\] are called 'c'"),
        ('["c", "a"]', '["c"]', r"\['c'\], which is no pair"),
        ("folds = 2", "folds = 1", "'folds' must lie between 2"),
        ("turned", "reversed", "has 'reversed'"),
    ],
)
def test_a_declaration_that_is_wrong(tmp_path: Path, old: str, new: str, message: str):
    assert old in SMALL
    path = tmp_path / "three.toml"
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(FormatError, match=message) as raised:
        read_gaussian_network(path)
    assert "three.toml" in str(raised.value)
