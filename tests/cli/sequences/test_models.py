"""``show`` and ``sample`` of models of sequences."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.learning.dynamic.durations import Durations
from mmgraph.sequences.commands.recogniser import CommandRecogniser

SYSTEM = mm.LinearGaussianSystem(
    transition=[[0.9]],
    observation=[[1.0], [2.0]],
    transition_covariance=[[1.0]],
    observation_covariance=np.eye(2),
)
CHAIN = {"start": [0.5, 0.5], "transition": [[0.9, 0.1], [0.25, 0.75]]}
NORMAL = {"means": [[0.0, 5.0], [9.0, 5.0]], "covariances": np.ones((2, 2))}
LABELS = ["low", "high"]
LASTING = {"start": [0.5, 0.5], "transition": [[0, 1], [1, 0]]}


def dynamic() -> mm.DynamicBayesianNetwork:
    z, before = mm.Variable("z", ("off", "on")), mm.Variable("z[-1]", ("off", "on"))
    y = mm.Variable("y", shape=(2,), family="gaussian")
    first = mm.TableFactor([z], [0.5, 0.5], child=z)
    past = mm.TableFactor([before], [0.5, 0.5], child=before)
    later = mm.TableFactor([before, z], CHAIN["transition"], child=z)
    seen = mm.GaussianLeaf(y, [z], NORMAL["means"], NORMAL["covariances"], "diagonal")
    return mm.DynamicBayesianNetwork(
        mm.BayesianNetwork([z, y], [first, seen]),
        mm.BayesianNetwork([before, z, y], [past, later, seen]),
    )


def chains(model: object, *rows: np.ndarray) -> object:
    sequences = [rows[0]] if len(rows) == 1 else {n: [r] for n, r in zip("ab", rows, strict=True)}
    return model.fit(sequences, iterations=1)


MODELS = {
    "hidden Markov model": lambda: mm.HiddenMarkovModel(LABELS).set_parameters(**CHAIN, **NORMAL),
    "hidden semi-Markov model": lambda: mm.HiddenSemiMarkovModel(LABELS, longest=3).set_parameters(
        **LASTING, durations=[[0, 1, 0], [0.5, 0.5, 0]], **NORMAL
    ),
    "coupled hidden Markov model": lambda: chains(
        mm.CoupledHiddenMarkovModel({"a": 2, "b": 2}), np.arange(9.0), np.arange(9.0) % 2
    ),
    "factorial hidden Markov model": lambda: chains(
        mm.FactorialHiddenMarkovModel({"u": 2, "v": 2}), np.arange(9.0) % 4
    ),
    "linear Gaussian system": lambda: SYSTEM,
    "switching linear system": lambda: mm.SwitchingLinearSystem(
        [SYSTEM, SYSTEM], CHAIN["transition"]
    ),
    "dynamic Bayesian network": dynamic,
}


@pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")
@pytest.mark.parametrize("kind", MODELS)
def test_every_model_is_shown_and_sampled_from(mmgraph, tmp_path: Path, kind: str):
    model, path = MODELS[kind](), tmp_path / "m.mmgraph"
    mm.write(model, path)
    code, out, err = mmgraph("show", path)
    assert code == 0, err
    assert f"m.mmgraph: {kind}" in out
    record = json.loads(mmgraph("show", path, "--json")[1])
    assert record["kind"] == kind
    tables = [t for one in record["parameters"].values() for t in one["tables"].values()]
    assert len(tables) >= 2
    for table in tables:
        assert np.shape(table["values"]) == (len(table["rows"]), len(table["columns"]))
    code, _, err = mmgraph("sample", path, "--length", 4, "-n", 3, "--output", tmp_path / "s.csv")
    assert code == 0, err
    with (tmp_path / "s.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["sequence"] for line in lines] == [str(n) for n in (1, 2, 3) for _ in range(4)]
    assert all(cell for line in lines for cell in line.values())
    extra = ["--read", "extra=ignore"]
    code, _, err = mmgraph("infer", path, "--evidence-file", tmp_path / "s.csv", *extra)
    assert code == 0, err


def test_tables_are_named_by_states(mmgraph, tmp_path: Path):
    mm.write(MODELS["hidden semi-Markov model"](), tmp_path / "m.mmgraph")
    record = json.loads(mmgraph("show", tmp_path / "m.mmgraph", "--json")[1])
    assert record["hidden"] == {"state": ["low", "high"]}
    assert record["mean_duration"] == {"low": 2.0, "high": 1.5}
    assert record["parameters"]["transition"]["tables"]["transition"] == {
        "rows": ["low", "high"],
        "columns": ["low", "high"],
        "values": [[0, 1], [1, 0]],
    }
    big = mm.HiddenMarkovModel(20).set_parameters(
        np.full(20, 0.05),
        np.full((20, 20), 0.05),
        means=np.zeros((20, 1)),
        covariances=np.ones((20, 1)),
    )
    mm.write(big, tmp_path / "m.mmgraph")
    assert "20 × 20" in mmgraph("show", tmp_path / "m.mmgraph")[1]


def test_mean_durations_are_those_of_draws():
    durations = Durations.initial("negative_binomial", 1, 4)
    drawn = np.random.default_rng(0)
    mean = np.mean([durations.draw(0, drawn) for _ in range(4000)])
    np.testing.assert_allclose(durations.expected[0], mean, rtol=0.05)


def test_paths_are_drawn_given_a_file(mmgraph, tmp_path: Path):
    path, steps = tmp_path / "m.mmgraph", tmp_path / "steps.csv"
    mm.write(MODELS["hidden Markov model"](), path)
    steps.write_text("sequence,x,y\na,0,5\na,9,5\nb,9,5\n")
    code, out, err = mmgraph("sample", path, "-n", 2, "--evidence-file", steps)
    assert code == 0, err
    assert out.splitlines() == [
        "sequence,draw,state", "a,1,low", "a,1,high", "a,2,low", "a,2,high", "b,1,high", "b,2,high"
    ]  # fmt: skip
    assert "say one of them" in mmgraph("sample", path)[2]
    assert "'alarm' is none" in mmgraph("sample", "alarm", "--length", 3)[2]


def test_a_recogniser_of_commands_is_shown(mmgraph, tmp_path: Path, monkeypatch):
    recogniser = CommandRecogniser({"command": ["stop", "turn <what> on"], "what": ["lamp"]})
    monkeypatch.setattr(mm, "read", lambda name: recogniser)
    record = json.loads(mmgraph("show", "r.mmgraph", "--json")[1])
    assert (record["kind"], record["<what>"]) == ("command recogniser", ["lamp"])
    assert record["words"] == ["lamp", "on", "stop", "turn"]
    assert "turn <what> on" in mmgraph("show", "r.mmgraph")[1]
    assert "`mmgraph listen r.mmgraph AUDIO.wav` asks it" in mmgraph("infer", "r.mmgraph")[2]


def test_real_variables_of_a_network_are_written_by_element(mmgraph, tmp_path: Path):
    z, x = mm.Variable("z", 2), mm.Variable("x", family="gaussian")
    before = mm.Variable("z[-1]", 2)
    seen = mm.GaussianLeaf(x, [z], means=[-1.0, 1.0], covariances=[0.5, 0.5])
    first = mm.TableFactor([z], [0.5, 0.5], child=z)
    past = mm.TableFactor([before], [0.5, 0.5], child=before)
    later = mm.TableFactor([before, z], CHAIN["transition"], child=z)
    number = mm.DynamicBayesianNetwork(
        mm.BayesianNetwork([z, x], [first, seen]),
        mm.BayesianNetwork([before, z, x], [past, later, seen]),
    )
    path, steps, told = (tmp_path / name for name in ("m.mmgraph", "steps.csv", "told.csv"))
    for model, name, cells in (
        (number, "x", ("x", "x.sd")),
        (dynamic(), "y", ("y[0]", "y[0].sd", "y[1]", "y[1].sd")),
    ):
        mm.write(model, path)
        means = [c for c in cells if not c.endswith("sd")]
        rows = [",".join([value] * len(means)) for value in ("1", "", "2")]
        steps.write_text("\n".join([",".join(means), *rows]) + "\n")
        asked = ("infer", path, "--evidence-file", steps, "--query", name, "--output", told)
        code, _, err = mmgraph(*asked)
        assert code == 0, err
        with told.open() as file:
            lines = list(csv.DictReader(file))
        assert tuple(lines[0]) == ("sequence", "step", *cells)
        assert [float(lines[t][cells[0]]) for t in (0, 2)] == [1.0, 2.0]
        assert float(lines[1][cells[1]]) > 0


def test_methods_of_sequences_are_asked_by_name(mmgraph, tmp_path: Path):
    path, steps = tmp_path / "m.mmgraph", tmp_path / "steps.csv"
    mm.write(dynamic(), path)
    steps.write_text("y[0],y[1]\n0,5\n9,5\n")
    given = ("--evidence-file", steps)
    asked = ("infer", path, *given, "--json", "--method")
    told = mmgraph(*asked, "particle_filter", "--seed", 1)[1]
    assert json.loads(told)["method"] == "particle_filter"
    assert mmgraph(*asked, "particle_filter", "--seed", 1)[1] == told
    for command in ("infer", "map", "sample"):
        code, _, err = mmgraph(command, path, *given, "--method", "particle_filters")
        assert (code, "did you mean 'particle_filter'" in err) == (2, True)
    assert "not by particles" in mmgraph("map", path, *given, "--method", "particle_filter")[2]
    steps.write_text("rows[0],rows[1]\n0,0\n1,2\n")
    mm.write(MODELS["switching linear system"](), path)
    for method in ("imm", "particles"):
        assert json.loads(mmgraph(*asked, method)[1])["method"] == method
