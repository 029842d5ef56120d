"""``infer`` and ``map`` of sequences in a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mmgraph as mm
from mmgraph.cli import app
from mmgraph.graph.errors import EvidenceError, FormatError, UnknownVariableError


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def model(tmp_path: Path) -> Path:
    hmm = mm.HiddenMarkovModel(["low", "high"]).set_parameters(
        start=[0.5, 0.5],
        transition=[[0.9, 0.1], [0.1, 0.9]],
        means=[[0.0], [5.0]],
        covariances=np.ones((2, 1)),
    )
    mm.write(hmm, tmp_path / "hmm.mmgraph")
    return tmp_path / "hmm.mmgraph"


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    lines = ["sequence,x"] + [f"a,{x}" for x in (0, 0.2, "", 5, 5.1)] + ["b,5", "b,0"]
    (tmp_path / "steps.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "steps.csv"


def test_every_step_has_a_line(model: Path, steps: Path, tmp_path: Path) -> None:
    run("infer", model, "--evidence-file", steps, "--output", tmp_path / "answer.csv")
    with (tmp_path / "answer.csv").open() as file:
        lines = list(csv.DictReader(file))
    hmm = mm.read(model)
    rows = [np.array([[0], [0.2], [np.nan], [5], [5.1]]), np.array([[5.0], [0.0]])]
    expected = np.concatenate(hmm.posterior(rows))
    assert [line["sequence"] for line in lines] == ["a"] * 5 + ["b"] * 2
    assert [line["step"] for line in lines] == ["1", "2", "3", "4", "5", "1", "2"]
    np.testing.assert_allclose([float(line["state=high"]) for line in lines], expected[:, 1])


def test_the_best_path_is_told_in_spans(model: Path, steps: Path) -> None:
    told = json.loads(run("map", model, "--evidence-file", steps, "--json"))
    spans = [
        tuple(s[k] for k in ("sequence", "state", "first_step", "last_step")) for s in told["spans"]
    ]
    assert spans[0][:3] == ("a", "low", 1)
    assert spans[-2:] == [("b", "high", 1, 1), ("b", "low", 2, 2)]
    assert told["exact"] is True
    assert set(told["log_probability"]) == {"a", "b"}
    assert "high" in run("map", model, "--evidence-file", steps)


def test_columns_are_told_by_their_names(model: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    generator = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": generator.normal(size=30), "b": np.repeat([0.0, 9], 15)})
    hmm = mm.HiddenMarkovModel(2).fit(frame)
    swapped = frame[["b", "a"]]
    assert hmm.log_likelihood(swapped) == hmm.log_likelihood(frame)
    mm.write(hmm, tmp_path / "named.mmgraph")
    swapped.to_csv(tmp_path / "swapped.csv", index=False)
    frame[["b"]].to_csv(tmp_path / "one.csv", index=False)
    for name, rows in (("swapped", frame), ("one", frame.assign(a=np.nan))):
        asked = ("infer", tmp_path / "named.mmgraph", "--evidence-file", tmp_path / f"{name}.csv")
        told = json.loads(run(*asked, "--json"))
        assert told["log_evidence"]["1"] == pytest.approx(hmm.log_likelihood(rows))
    frame.assign(time=range(30)).to_csv(tmp_path / "clock.csv", index=False)
    with pytest.raises(EvidenceError, match="'time' is no feature of the model"):
        run("infer", tmp_path / "named.mmgraph", "--evidence-file", tmp_path / "clock.csv")
    with pytest.raises(EvidenceError, match="unknown column 'time'"):
        hmm.posterior(frame.assign(time=1))
    (tmp_path / "unnamed.csv").write_text("time,x\n0,1\n")
    with pytest.raises(EvidenceError, match="'time' is no feature"):
        run("infer", model, "--evidence-file", tmp_path / "unnamed.csv")


def test_files_that_do_not_fit_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="--evidence-file"):
        run("infer", model)
    apart = tmp_path / "apart.csv"
    apart.write_text("sequence,x\na,1\nb,1\na,2\n")
    with pytest.raises(EvidenceError, match="sequence 'a' do not stand together"):
        run("infer", model, "--evidence-file", apart)
    wide = tmp_path / "wide.csv"
    wide.write_text("x,y\n1,2\n")
    with pytest.raises(EvidenceError, match="2 features, and 1 are expected"):
        run("infer", model, "--evidence-file", wide)
    wide.write_text("x\n1\n")
    with pytest.raises(UnknownVariableError, match="'states'"):
        run("infer", model, "--evidence-file", wide, "--query", "states")
    with pytest.raises(FormatError, match="hidden Markov model, and pictures are of graphs: "):
        run("show", model, "--output", tmp_path / "model.png")


def test_real_states_have_means_and_deviations(steps: Path, tmp_path: Path) -> None:
    system = mm.LinearGaussianSystem([[0.9, 0.1], [0, 0.5]], [[1, 0]], np.eye(2), [[0.2]])
    regimes = mm.SwitchingLinearSystem([system, system], [[0.9, 0.1], [0.1, 0.9]])
    rows = [np.array([[0], [0.2], [np.nan], [5], [5.1]]), np.array([[5.0], [0.0]])]
    for name, model in (("system", system), ("regimes", regimes)):
        path = tmp_path / f"{name}.mmgraph"
        mm.write(model, path)
        printed = run("infer", path, "--evidence-file", steps, "--output", tmp_path / "answer.csv")
        with (tmp_path / "answer.csv").open() as file:
            lines = list(csv.DictReader(file))
        smoothed = system.smooth(rows)
        means = np.concatenate([one.means for one in smoothed])
        spread = np.concatenate([one.covariances[:, 0, 0] for one in smoothed]) ** 0.5
        np.testing.assert_allclose([float(x["state[1]"]) for x in lines], means[:, 1], atol=1e-9)
        np.testing.assert_allclose([float(x["state[0].sd"]) for x in lines], spread, atol=1e-9)
    assert "regime" in printed
    printed = run("infer", tmp_path / "system.mmgraph", "--evidence-file", steps)
    assert "log evidence" in printed
