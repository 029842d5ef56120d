"""``mmgraph fit`` of an own table, and ``predict`` and ``show`` of what it has written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.cli import common
from mmgraph.cli.tables import predict as predict_module


@pytest.fixture
def fitted(mmgraph, study: Path) -> Path:
    assert mmgraph("fit", "my.toml", "--output", "my.mmgraph")[0] == 0
    return study


def test_the_classifier_of_all_rows_is_written(mmgraph, study: Path):
    code, out, err = mmgraph("fit", "my.toml", "--output", "my.mmgraph", "--json")
    assert (code, err) == (0, "")
    leaves = {"lab_logistic": ["lab"], "genes_logistic": ["genes"]}
    assert json.loads(out) == {
        "model": "my.toml",
        "output": "my.mmgraph",
        "rows": 60,
        "classes": ["ill", "well"],
        "modalities": ["lab", "genes"],
        "leaves": leaves | {"joint_logistic": ["lab", "genes"]},
    }
    mine = mm.MultimodalClassifier(leaves=["logistic"], joint=["logistic"], folds=2)
    data = mm.MultimodalData.read("rows.csv", "schema.toml")
    again = mm.read("my.mmgraph")
    np.testing.assert_array_equal(again.predict_proba(data), mine.fit(data).predict_proba(data))


def test_a_line_for_each_row(mmgraph, fitted: Path):
    code, out, err = mmgraph("predict", "my.mmgraph", "rows.csv", "--output", "predictions.csv")
    assert (code, out, err) == (0, "", "mmgraph: wrote 60 rows to predictions.csv\n")
    table = pd.read_csv("predictions.csv")
    assert list(table.columns) == ["row", "predicted", "y=ill", "y=well"]
    assert table["row"].tolist() == list(range(1, 61))
    data = mm.MultimodalData.read("rows.csv", "schema.toml")
    expected = mm.read("my.mmgraph").predict_proba(data)
    np.testing.assert_array_equal(table[["y=ill", "y=well"]].to_numpy(), expected)
    labels = np.array(["ill", "well"])[expected.argmax(1)]
    assert table["predicted"].tolist() == labels.tolist()


def test_rows_may_lack_target_columns_and_modalities(mmgraph, fitted: Path):
    whole = pd.read_csv("rows.csv")
    whole[["gene_2", "gene_1"]].to_csv("genes.csv", index=False)
    assert mmgraph("predict", "my.mmgraph", "genes.csv", "--output", "a.csv")[0] == 0
    arguments = ("predict", "my.mmgraph", "rows.csv", "--given", "genes", "--output", "b.parquet")
    assert mmgraph(*arguments)[0] == 0
    pd.testing.assert_frame_equal(pd.read_csv("a.csv"), pd.read_parquet("b.parquet"))
    whole.drop(columns=["lab_2", "y"]).assign(other="x").to_csv("some.csv", index=False)
    assert mmgraph("predict", "my.mmgraph", "some.csv", "--output", "c.csv")[0] == 0
    assert not pd.read_csv("c.csv").equals(pd.read_csv("a.csv"))


def test_batches_change_nothing(mmgraph, fitted: Path, monkeypatch: pytest.MonkeyPatch):
    arguments = ("predict", "my.mmgraph", "rows.csv", "--explain", "--output")
    mmgraph(*arguments, "whole.csv")
    monkeypatch.setattr(predict_module, "MOST_ROWS", 7)
    mmgraph(*arguments, "parts.csv")
    whole, parts = pd.read_csv("whole.csv"), pd.read_csv("parts.csv")
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-12)


def test_an_explanation_adds_up_to_the_posterior(mmgraph, fitted: Path):
    mmgraph("predict", "my.mmgraph", "rows.csv", "--explain", "--output", "p.csv")
    table = pd.read_csv("p.csv")
    by_modality = ["nats:lab", "nats:genes", "nats:joint"]
    leaves = ["nats:lab:logistic", "nats:genes:logistic", "nats:joint:logistic"]
    assert [c for c in table if "nats" in c] == ["prior_nats", *by_modality, *leaves]
    for modality, leaf in zip(by_modality, leaves, strict=True):
        np.testing.assert_allclose(table[modality], table[leaf])
    # Of two classes: how far the logarithm of the predicted one lies above the mean of both.
    logs = np.log(table[["y=ill", "y=well"]].to_numpy())
    above = logs.max(1) - logs.mean(1)
    np.testing.assert_allclose(table[["prior_nats", *by_modality]].sum(axis=1), above, atol=1e-9)


def test_a_modality_that_is_missing_has_no_nats(mmgraph, fitted: Path):
    lines = Path("rows.csv").read_text().splitlines()
    lines[3] = "r2,,,,0.5,0.5,p0,ill"
    Path("rows.csv").write_text("\n".join(lines))
    mmgraph("predict", "my.mmgraph", "rows.csv", "--explain", "--output", "p.csv")
    table = pd.read_csv("p.csv")
    lacks = np.arange(60) == 2
    for column in ("nats:lab", "nats:lab:logistic"):
        np.testing.assert_array_equal(table[column].isna(), lacks)
    assert table["nats:genes"].notna().all()
    record = json.loads(mmgraph("predict", "my.mmgraph", "rows.csv", "--explain", "--json")[1])[2]
    assert record["nats"]["nats:lab"] is None
    shown = mmgraph("predict", "my.mmgraph", "rows.csv", "--explain")[1].splitlines()
    assert next(line for line in shown if "│   3 │" in line).split("│")[5].strip() == ""
    pd.read_csv("rows.csv")[["gene_1"]].to_csv("some.csv", index=False)
    mmgraph("predict", "my.mmgraph", "some.csv", "--explain", "--output", "p.parquet")
    assert pd.read_parquet("p.parquet")["nats:lab"].isna().all()


def test_json_has_a_record_a_row(mmgraph, fitted: Path):
    code, out, _ = mmgraph("predict", "my.mmgraph", "rows.csv", "--json", "--given", "genes", "lab")
    records = json.loads(out)
    assert (code, len(records), records[0]["row"]) == (0, 60, 1)
    assert sum(records[0]["probabilities"].values()) == pytest.approx(1)
    assert set(records[0]) == {"row", "predicted", "probabilities"}
    explained = json.loads(mmgraph("predict", "my.mmgraph", "rows.csv", "--explain", "--json")[1])
    assert {"prior_nats", "nats:lab", "nats:lab:logistic"} <= set(explained[0]["nats"])
    assert explained[3]["probabilities"] == records[3]["probabilities"]
    arguments = ("predict", "my.mmgraph", "rows.csv", "--json", "--output", "p.csv.gz")
    assert json.loads(mmgraph(*arguments)[1]) == {
        "model": "my.mmgraph",
        "output": "p.csv.gz",
        "rows": 60,
        "given": ["lab", "genes"],
    }


def test_the_first_rows_are_shown(mmgraph, fitted: Path):
    code, out, err = mmgraph("predict", "my.mmgraph", "rows.csv", "--explain")
    assert code == 0
    assert err == "mmgraph: 40 more rows; --output predictions.csv writes all\n"
    for shown in ("class", "prob.", "nats", "genes", "│  20 │"):
        assert shown in out
    assert "│  21 │" not in out
    assert "logistic" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert "y=ill" in mmgraph("predict", "my.mmgraph", "rows.csv")[1]


def test_rows_with_nothing_to_look_at_are_named(mmgraph, fitted: Path):
    lines = Path("rows.csv").read_text().splitlines()
    lines[3], lines[60] = "r2,,,,,,p0,ill", "r59,,,,,,p0,ill"
    Path("rows.csv").write_text("\n".join(lines))
    err = mmgraph("predict", "my.mmgraph", "rows.csv", "--output", "p.csv")[2]
    assert "warning: rows 3, 60 of rows.csv lack all of lab, genes: the answer is the shares" in err
    assert pd.read_csv("p.csv")["y=ill"].iloc[[2, 59]].tolist() == [0.5, 0.5]


def test_columns_that_are_lacking_are_named(mmgraph, fitted: Path):
    whole = pd.read_csv("rows.csv")
    whole.rename(columns={"lab_1": "LAB_1"}).drop(columns="gene_2").to_csv("some.csv", index=False)
    arguments = ("predict", "my.mmgraph", "some.csv", "--output", "p.csv")
    code, _, err = mmgraph(*arguments)
    assert (code, err.count("\n")) == (0, 2)
    assert "some.csv lacks columns that were learned from, and are missing now: " in err
    assert "'lab_1' (did you mean 'LAB_1'?), 'gene_2'\n" in err
    assert "gene_2" not in mmgraph(*arguments, "--given", "lab")[2]
    whole.drop(columns=["gene_1", "gene_2"]).to_csv("some.csv", index=False)
    warning = "mmgraph: warning: some.csv: not in the file: modality genes\n"
    assert mmgraph(*arguments)[2].startswith(warning)
    whole.rename(columns=lambda name: name.upper()).assign(ward="N").to_csv("some.csv", index=False)
    err = mmgraph(*arguments)[2]
    assert "'gene_2' (did you mean 'GENE_2'?); not in the file: modality genes\n" in err


def test_a_modality_of_which_nothing_was_learned(mmgraph, study: Path):
    whole = pd.read_csv("rows.csv")
    genes = [name for name in whole if name.startswith("gene_")]
    whole.assign(**dict.fromkeys(genes, np.nan)).to_csv("rows.csv", index=False)
    assert mmgraph("fit", "my.toml", "--output", "my.mmgraph")[0] == 0
    whole.to_csv("rows.csv", index=False)
    err = mmgraph("predict", "my.mmgraph", "rows.csv", "--given", "genes", "--output", "p.csv")[2]
    assert "warning: nothing was learned of genes: every answer is the shares of the classes" in err
    assert set(pd.read_csv("p.csv")["y=ill"]) == {0.5}


def test_show_lists_modalities_and_leaves(mmgraph, fitted: Path):
    code, out, err = mmgraph("show", "my.mmgraph")
    assert (code, err) == (0, "")
    for shown in (
        "my.mmgraph: multimodal classifier, tells ill, well",
        "genes",
        "lab_logistic, joint_logistic",
    ):
        assert shown in out
    record = json.loads(mmgraph("show", "my.mmgraph", "--json")[1])
    assert record["leaves"]["joint_logistic"] == ["lab", "genes"]


def test_other_kinds_of_predictors_say_what_they_are(mmgraph, study: Path):
    frame = pd.read_csv("rows.csv")
    modalities = {"lab": ["lab_1", "lab_2"], "genes": ["gene_1", "gene_2"]}
    numbers = mm.MultimodalRegressor(modalities, method="gaussian")
    numbers.fit(frame, frame["lab_1"] + frame["gene_1"]).save("numbers.mmgraph")
    code, _, err = mmgraph("predict", "numbers.mmgraph", "rows.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "a multimodal regressor, and no classifier: ask it in Python, mm.read('numbers" in err
    assert "regressors are asked in Python" in mmgraph("show", "numbers.mmgraph")[2]
    peer = mm.MissingModalityClassifier(LogisticRegression(), modalities)
    peer.fit(frame, frame["y"]).save("peer.mmgraph")
    out = mmgraph("show", "peer.mmgraph")[1]
    assert "peer.mmgraph: missing modality classifier, tells ill, well" in out
    assert "leaves" not in out


def test_a_run_saves_what_predict_asks(mmgraph, study: Path):
    code, out, err = mmgraph("run", "my.toml", "--folds", "1", "--output", "out")
    assert code == 0
    for shown in ("my, 1 of 2 folds, ", "nothing", "Leaves of the saved model: logistic.\n"):
        assert shown in out
    assert "`mmgraph predict out/model.mmgraph ROWS.csv` answers for other rows" in err
    assert "wrote out/model.mmgraph" in err
    mmgraph("fit", "my.toml", "--output", "my.mmgraph")
    answers = [
        mmgraph("predict", model, "rows.csv", "--json")[1]
        for model in ("my.mmgraph", "out/model.mmgraph")
    ]
    assert answers[0] == answers[1]


def test_steps_are_told_where_there_is_no_bar(mmgraph, study: Path, monkeypatch):
    arguments = ("run", "my.toml", "--folds", "1", "--output")
    assert " done after " not in mmgraph(*arguments, "quick")[2]
    monkeypatch.setattr(common, "_QUIET_SECONDS", 0.0)
    _, out, err = mmgraph(*arguments, "out", "--json")
    told = [line for line in err.splitlines() if " done after " in line]
    assert [line.partition(" done")[0] for line in told] == [
        "mmgraph: fold 1 of 1",
        "mmgraph: fold 1 of 1, grouped (patient)",
        "mmgraph: all rows",
    ]
    assert told[1].endswith(" s (2 of 3 steps)")
    assert json.loads(out)["folds"] == {"run": 1, "declared": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("my.mmgraph", "row.csv"), "there is no file row.csv"),
        (("your.mmgraph", "rows.csv"), "no fitted model your.mmgraph; did you mean 'my.mmgraph'"),
        (("run", "rows.csv"), "run is a directory, and no fitted model; did you mean run/model.mm"),
        (("run/modell.mmgraph", "rows.csv"), "did you mean 'run/model.mmgraph'?"),
        (("run/a_very_different_name_of_it.mmgraph", "rows.csv"), " (in run: run/model.mmgraph)"),
        (("my.toml", "rows.csv"), "`mmgraph fit my.toml --output my.mmgraph` makes one"),
        (("alarm", "rows.csv"), "alarm holds a BayesianNetwork, and no classifier: `mmgraph infer"),
        (("my.mmgraph", "rows.csv", "--given", "gene"), "no modality 'gene'; did you mean 'genes'"),
        (("my.mmgraph", "rows.csv", "--output", "x.txt"), "expected a name that ends in .csv"),
        (("my.mmgraph", "rows.csv", "--output", "nowhere/x.csv"), "there is no directory nowhere"),
        (
            ("my.mmgraph", "others.csv"),
            "others.csv has none of the columns that my.mmgraph",
        ),
        (("my.mmgraph", "text.csv"), "'lab_1'"),
        (("my.mmgraph", "empty.csv"), "empty.csv"),
        (("my.mmgraph", "rows.csv", "--read", "sep=;"), "none of missing=…"),
    ],
)
def test_errors_name_what_is_wrong(mmgraph, fitted: Path, arguments, message):
    Path("others.csv").write_text("a,b\n1,2\n")
    Path("run/model.mmgraph").mkdir(parents=True)
    Path("text.csv").write_text("lab_1,lab_2\n1,2\nhigh,3\n")
    Path("empty.csv").write_text("")
    code, out, err = mmgraph("predict", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("command", ["infer", "map", "sample"])
def test_other_commands_say_to_use_predict(mmgraph, fitted: Path, command: str):
    code, out, err = mmgraph(command, "my.mmgraph")
    assert (code, out) == (2, "")
    assert "`mmgraph predict my.mmgraph ROWS.csv` asks it" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("my.toml", "--output", "my.bif"), "expected a name that ends in .mmgraph"),
        (("my.toml", "--output", "nowhere/my.mmgraph"), "there is no directory nowhere"),
        (("my.toml", "--output", "x.mmgraph", "--data", "rows.csv"), "--data is of other models"),
        (("my.toml", "--output", "x.mmgraph", "--checkpoint", "c"), "--checkpoint is of other"),
        (("indian_pines", "--output", "x.mmgraph"), "is a land_cover and run as a whole"),
    ],
)
def test_fits_that_cannot_be(mmgraph, study: Path, arguments, message):
    code, out, err = mmgraph("fit", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_an_interruption_says_that_nothing_is_written(mmgraph, fitted: Path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mm.MultimodalClassifier, "predict_proba", interrupted)
    code, out, err = mmgraph("predict", "my.mmgraph", "rows.csv", "--output", "p.csv")
    assert (code, out, err) == (130, "", "mmgraph: interrupted; p.csv is not written\n")
    assert not Path("p.csv").exists()
