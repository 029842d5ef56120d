"""The commands that look at models, on networks of real numbers and of both kinds."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mmgraph as mm


@pytest.fixture
def mixed(tmp_path) -> str:
    """Write a network of a discrete variable, two real numbers and a vector."""
    state = mm.Variable("D", ("no", "yes"))
    many = mm.Variable("M", 6)
    x, y, z = (mm.Variable(name, family="gaussian", modality="ear") for name in "xyz")
    vector = mm.Variable("v", shape=(2,), family="gaussian")
    factors = [
        mm.TableFactor([state], [0.25, 0.75], child=state),
        mm.TableFactor([many], np.full(6, 1 / 6), child=many),
        mm.GaussianLeaf(x, [state], [0.0, 1.0], [1.0, 2.0]),
        mm.LinearGaussian(y, [x, state, vector], [[0.5, 0, 1], [-1, 2, 3]], [0, 1], [1, 0.5]),
        mm.LinearGaussian(z, [many], np.zeros((6, 0)), np.zeros(6), np.ones(6)),
        mm.LinearGaussian(vector, [x], [[1.0], [2.0]], [0.0, 0.0], [1.0, 1.0]),
    ]
    path = tmp_path / "mixed.mmgraph"
    mm.write(mm.BayesianNetwork([f.child for f in factors], factors), path)
    return str(path)


def test_show_a_gaussian_network(mmgraph, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = mmgraph("show", "ecoli70")
    assert code == 0
    assert "N(0.1324 + 1.046 icdA, 0.0853)" in out
    assert "N(-0.0403 + 0.2603 sucA - 0.7252 ygcE, 0.4131)" in out
    code, out, _ = mmgraph("show", "ecoli70", "--json")
    assert code == 0
    first = json.loads(out)["variables"][0]
    assert (first["name"], first["states"], first["parents"]) == ("aceB", None, ["icdA"])
    assert first["regressions"] == [
        {"given": {}, "intercept": 0.1324, "coefficients": {"icdA": 1.0464}, "variance": 0.0853}
    ]


def test_show_a_mixed_network(mmgraph, mixed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = mmgraph("show", mixed)
    assert code == 0
    for text in (
        "D=no: N(0, 1)",
        "D=no: N(0 + 0.5 x + 0 v[0] + 1 v[1], 1)",
        "D=yes: N(1 - 1 x + 2 v[0] + 3 v[1], 0.5)",
        "gaussian (2,)",
        "… (6)",
    ):
        assert text in out
    variables = {v["name"]: v for v in json.loads(mmgraph("show", mixed, "--json")[1])["variables"]}
    assert variables["D"]["regressions"] is None
    assert variables["v"]["regressions"] is None
    assert [r["given"] for r in variables["y"]["regressions"]] == [{"D": "no"}, {"D": "yes"}]
    assert len(variables["z"]["regressions"]) == 6


def test_tables_alone_have_no_column_of_distributions(mmgraph):
    assert "distribution" not in mmgraph("show", "asia")[1]


def test_draw_and_convert(mmgraph, mixed, tmp_path):
    for model in ("ecoli70", mixed):
        picture = tmp_path / "n.png"
        assert mmgraph("show", model, "--output", picture)[0] == 0
        assert picture.read_bytes().startswith(b"\x89PNG")
        for suffix in (".bif", ".uai", ".net", ".xmlbif", ".xdsl"):
            code, _, said = mmgraph("convert", model, tmp_path / f"n{suffix}")
            assert code != 0
            assert "is not a scalar discrete variable" in said
            assert "write a .mmgraph directory instead" in said
        assert mmgraph("convert", model, tmp_path / "n.mmgraph")[0] == 0
        assert set(mm.read(tmp_path / "n.mmgraph").edges) == set(mm.read(model).edges)
    assert mmgraph("convert", "ecoli70", tmp_path / "n.json")[0] == 0
    assert mm.read(tmp_path / "n.json").edges == mm.read("ecoli70").edges
    code, _, said = mmgraph("convert", mixed, tmp_path / "m.json")
    assert code != 0
    assert "'D' is discrete" in said
