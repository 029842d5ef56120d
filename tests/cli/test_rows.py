"""Tables with a line for each row of evidence: infer, map and sample."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.cli import rows as rows_module

ROWS = "xray,smoke,either,lung\nyes,no,,\n,yes,,\n,,no,yes\nno,,,\n"
"""Four rows, of which the third is impossible."""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def possible() -> list[tuple[int, dict[str, str]]]:
    return [(1, {"xray": "yes", "smoke": "no"}), (2, {"smoke": "yes"}), (4, {"xray": "no"})]


def test_infer_writes_a_line_a_row(mmgraph, rows: Path, tmp_path: Path):
    target = tmp_path / "predictions.csv"
    arguments = ("infer", "asia", "--evidence-file", rows, "-q", "lung", "tub")
    code, out, err = mmgraph(*arguments, "--output", target)
    assert (code, out) == (0, "")
    assert err == (
        "mmgraph: warning: the evidence gives 'lung' itself: where it does, the answer is what it "
        "says\n"
        "mmgraph: warning: the evidence of row 3 has probability zero: there is no answer\n"
        f"mmgraph: wrote 4 rows to {target} (junction_tree, exact)\n"
    )
    lines = table(target.read_text())
    names = ["row", "lung", "lung=yes", "lung=no", "tub", "tub=yes", "tub=no"]
    assert list(lines[0]) == names
    assert [line["row"] for line in lines] == ["1", "2", "3", "4"]
    assert list(lines[2].values()) == ["3", "", "", "", "", "", ""]
    net = mm.read("asia")
    for number, evidence in possible():
        line = lines[number - 1]
        for name in ("lung", "tub"):
            expected = mm.query(net, evidence).marginal(name)[0]
            assert float(line[f"{name}=yes"]) == pytest.approx(float(expected[0]), abs=1e-14)
            assert line[name] == ("yes", "no")[int(expected.argmax())]
    code, printed, _ = mmgraph(*arguments)
    assert (code, printed) == (0, target.read_text())


def test_map_writes_a_line_a_row(mmgraph, rows: Path, tmp_path: Path):
    target = tmp_path / "best.csv.gz"
    code, out, err = mmgraph("map", "asia", "--evidence-file", rows, "--output", target)
    assert (code, out) == (0, "")
    assert "wrote 4 rows" in err
    lines = table(gzip.decompress(target.read_bytes()).decode())
    net = mm.read("asia")
    assert list(lines[0]) == ["row", *net.variables]
    assert set(lines[2].values()) == {"3", ""}
    for number, evidence in possible():
        expected = {"row": str(number), **mm.map_query(net, evidence).labels()}
        assert lines[number - 1] == expected


def test_sample_says_which_row_a_sample_belongs_to(mmgraph, rows: Path):
    arguments = ("sample", "asia", "--evidence-file", rows, "-n", "300", "--seed", "2")
    code, out, err = mmgraph(*arguments)
    assert code == 0
    assert "row 3 has probability zero" in err
    drawn = pd.read_csv(io.StringIO(out))
    assert drawn["row"].value_counts().to_dict() == {1: 300, 2: 300, 4: 300}
    net = mm.read("asia")
    for number, evidence in possible():
        part = drawn[drawn["row"] == number]
        assert all((part[name] == state).all() for name, state in evidence.items())
        chance = float(mm.query(net, evidence).marginal("bronc")[0, 0])
        share = float((part["bronc"] == "yes").mean())
        assert abs(share - chance) < 4.5 * math.sqrt(chance * (1 - chance) / 300)
    assert mmgraph(*arguments)[1] == out


def test_parquet_keeps_types(mmgraph, tmp_path: Path):
    net = mm.BayesianNetwork.from_tables(
        [("A", "B"), ("A", "C"), ("C", "D")],
        {
            "A": [0.5, 0.5],
            "B": [[0.9, 0.1], [0.2, 0.8]],
            "C": [[1.0, 0.0], [0.0, 1.0]],
            "D": [[0.7, 0.3], [0.4, 0.6]],
        },
        states={"A": (1, 2), "B": (True, False), "C": ("x", "y"), "D": (0.5, "z")},
    )
    model, rows, target = (tmp_path / name for name in ("net.mmgraph", "rows.csv", "out.parquet"))
    mm.write(net, model)
    rows.write_text("A,C\n1,x\n1,y\n2,y\n,\n")
    for command in ("infer", "map"):
        asked = (command, model, "--evidence-file", rows)
        code, out, _ = mmgraph(*asked, "--output", target, "--json")
        assert code == 0
        assert json.loads(out) == {
            "model": str(model),
            "output": str(target),
            "rows": 4,
            "shortfall": "",
            "methods": ["junction_tree"],
            "exact": True,
            "converged": True,
        }
        frame = pd.read_parquet(target)
        assert frame["row"].tolist() == [1, 2, 3, 4]
        assert frame["A"].isna().tolist() == [False, True, False, False]
        assert frame["A"].dropna().tolist()[:2] == [1, 2]
        assert frame["B"].dropna().tolist()[:2] == [True, False]
        assert frame["D"].dropna().tolist()[0] == "0.5"
    mmgraph("infer", model, "--evidence-file", rows, "--output", target)
    assert pd.read_parquet(target)["B=True"].tolist()[0] == pytest.approx(0.9)


def test_one_row_of_arguments_can_be_written_too(mmgraph, tmp_path: Path):
    target = tmp_path / "one.csv"
    code, _, err = mmgraph("infer", "asia", "-e", "xray=yes", "-q", "lung", "--output", target)
    assert code == 0
    assert err == f"mmgraph: wrote 1 row to {target} (junction_tree, exact)\n"
    assert [line["row"] for line in table(target.read_text())] == ["1"]
    code, out, err = mmgraph("sample", "asia", "-n", "3", "--output", target, "--json")
    assert json.loads(out) == {"model": "asia", "output": str(target), "rows": 3}
    assert err == ""
    assert list(table(target.read_text())[0]) == list(mm.read("asia").variables)


def test_batches_change_nothing(mmgraph, rows: Path, monkeypatch: pytest.MonkeyPatch):
    infer, best = ("infer", "asia", "-q", "lung"), ("map", "asia")
    whole = table(mmgraph(*infer, "--evidence-file", rows)[1])
    states = mmgraph(*best, "--evidence-file", rows)[1]
    monkeypatch.setattr(rows_module, "MOST_ROWS", 1)
    parts = table(mmgraph(*infer, "--evidence-file", rows)[1])
    for one, other in zip(parts, whole, strict=True):
        assert (one["row"], one["lung"]) == (other["row"], other["lung"])
        assert float(one["lung=yes"] or -1) == pytest.approx(float(other["lung=yes"] or -1))
    assert mmgraph(*best, "--evidence-file", rows)[1] == states
    first = ROWS.splitlines()
    rows.write_text("\n".join([first[0], first[3], first[3], *first[1:3]]) + "\n")
    code, out, err = mmgraph(*infer, "--evidence-file", rows)  # impossible ones come first
    assert code == 0
    assert "evidence of rows 1, 2 has" in err
    assert [line["lung=yes"] for line in table(out)] == [
        "",
        "",
        *(p["lung=yes"] for p in parts[:2]),
    ]


def test_no_row_is_possible(mmgraph, rows: Path, tmp_path: Path):
    rows.write_text("either,lung\nno,yes\nno,yes\n")
    target = tmp_path / "out.csv"
    for command in ("infer", "map", "sample"):
        code, out, err = mmgraph(command, "asia", "--evidence-file", rows, "--output", target)
        assert (code, out) == (2, "")
        assert "probability zero" in err
        assert not target.exists()


def test_json_has_null_for_an_impossible_row(mmgraph, rows: Path):
    for command in ("infer", "map"):
        answers = json.loads(mmgraph(command, "asia", "--evidence-file", rows, "--json")[1])
        assert [answer is None for answer in answers] == [False, False, True, False]
    drawn = json.loads(mmgraph("sample", "asia", "--evidence-file", rows, "--json")[1])
    assert [line["row"] for line in drawn] == [1, 2, 4]


def test_approximate_methods_say_so_and_keep_their_seed(mmgraph, rows: Path, tmp_path: Path):
    question = ("infer", "asia", "--evidence-file", rows, "-q", "lung", "--method", "gibbs")
    rows.write_text("xray,smoke\nyes,no\n,yes\n")
    code, out, err = mmgraph(*question)
    assert code == 0
    assert "gibbs, approximate" in err
    assert mmgraph(*question)[1] == out
    assert mmgraph(*question, "--seed", "1")[1] != out
    code, _, err = mmgraph("map", "asia", "--evidence-file", rows, "--device", "cudaa")
    assert code == 2
    assert "device" in err


def test_arrays_and_numbers_have_columns_of_their_elements(mmgraph, tmp_path: Path):
    field = mm.MarkovRandomField.grid([[[0.0, 1.0], [2.0, 0.0]]], mm.Potts(), 0.5, name="pixel")
    model, target = tmp_path / "field.mmgraph", tmp_path / "out.csv"
    mm.write(field, model)
    assert mmgraph("map", model, "--output", target)[0] == 0
    assert target.read_text() == 'row,"pixel[0,0]","pixel[0,1]"\n1,1,0\n'
    assert mmgraph("infer", model, "--output", target)[0] == 0
    assert list(table(target.read_text())[0])[1:4] == ["pixel[0,0]", "pixel[0,0]=0", "pixel[0,0]=1"]
    machine = mm.RestrictedBoltzmannMachine(
        mm.Variable("x", shape=(2,), family="gaussian"), 2,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    mm.write(machine, model)
    code, _, _ = mmgraph("infer", model, "-q", "x", "--output", target)
    assert code == 0
    (line,) = table(target.read_text())
    expected = mm.query(mm.read(str(model)), variables=["x"]).mean("x")[0]
    np.testing.assert_allclose([float(line["x[0]"]), float(line["x[1]"])], expected, rtol=1e-6)
    record = json.loads(mmgraph("infer", model, "-q", "x", "--json")[1])
    np.testing.assert_allclose(list(record["means"].values()), expected, rtol=1e-6)
    variances = mm.query(mm.read(str(model)), variables=["x"]).variance("x")[0]
    np.testing.assert_allclose(list(record["variances"].values()), variances, rtol=1e-6)
    assert list(record["variances"]) == list(record["means"]) == ["x[0]", "x[1]"]
    shown = mmgraph("infer", model, "-q", "x")[1]
    assert f"{float(variances[1]) ** 0.5:.6g}" in shown


def test_a_variable_called_row_keeps_its_column(mmgraph, tmp_path: Path):
    net = mm.BayesianNetwork.from_tables([], {"row": [0.2, 0.8]}, {"row": ("a", "b")})
    mm.write(net, tmp_path / "net.bif")
    assert mmgraph("map", tmp_path / "net.bif", "--output", tmp_path / "out.csv")[0] == 0
    assert (tmp_path / "out.csv").read_text() == "input_row,row\n1,b\n"


def test_two_columns_of_one_name_are_refused(mmgraph, tmp_path: Path):
    net = mm.BayesianNetwork.from_tables(
        [], {"A": [0.5, 0.5], "A=x": [0.5, 0.5]}, {"A": ("x", "y"), "A=x": ("x", "y")}
    )
    mm.write(net, tmp_path / "net.bif")
    code, _, err = mmgraph("infer", tmp_path / "net.bif", "--output", tmp_path / "out.csv")
    assert code == 2
    assert "two columns are called 'A=x'" in err
    assert not (tmp_path / "out.csv").exists()


def test_progress_does_not_mix_with_the_answer(tmp_path: Path):
    """With a terminal behind standard error, what goes to a pipe is the table alone."""
    rows = tmp_path / "rows.csv"
    rows.write_text("xray\nyes\nno\n")
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "mmgraph", "infer", "asia", "-q", "lung"]
    done = subprocess.run(
        [*command, "--evidence-file", rows], stdout=subprocess.PIPE, stderr=follower, check=True
    )
    assert [line["row"] for line in table(done.stdout.decode())] == ["1", "2"]
    os.close(follower)
    os.close(leader)
