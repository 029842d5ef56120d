"""The command analyse: of networks, of tables and of what it cannot analyse."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.experiments.classification import template  # noqa: F401 (binds defaults that tests replace)


@pytest.fixture
def network(tmp_path):
    tables = {"ill": [0.7, 0.3], "scan": [[0.9, 0.1], [0.2, 0.8]], "pain": [[0.6, 0.4], [0.3, 0.7]]}
    net = mm.BayesianNetwork.from_tables([("ill", "scan"), ("ill", "pain")], tables)
    path = tmp_path / "net.bif"
    mm.write(net, path)
    return net, path


def test_a_network_is_analysed_by_its_joint_distribution_and_by_rows(mmgraph, network, tmp_path):
    net, path = network
    page = tmp_path / "page.html"
    arguments = ("analyse", path, "--target", "ill", "--by", "variable")
    code, out, err = mmgraph(*arguments, "--report", page)
    assert code == 0, err
    assert "exact, by the model's joint distribution" in out
    assert "The variable that is missed most is scan" in out
    assert "What would be if" in page.read_text(encoding="utf-8")
    assert f"wrote {page}" in err
    code, out, _ = mmgraph(*arguments, "--json")
    content = json.loads(out)["analysis"]
    exact = mm.analyse_modalities(net, "ill", by="variable")
    assert content["given_others"]["scan"]["value"] == exact.given_others["scan"].value
    rows = tmp_path / "rows.csv"
    frame = mm.sample(net, 200, generator=torch.Generator().manual_seed(0)).to_frame()
    frame.to_csv(rows, index=False)
    code, out, err = mmgraph(*arguments, "--data", rows, "--json")
    assert code == 0, err
    assert json.loads(out)["analysis"]["rows"] == 200


def test_a_table_is_analysed_in_both_splits_and_per_state(mmgraph, tmp_path, monkeypatch):
    quick = {"leaves": "logistic", "joint": (), "inner_folds": 2, "budget": 60.0}
    home = "mmgraph.experiments.classification.declaration"
    monkeypatch.setattr(f"{home}.classifier_defaults", lambda: quick)
    generator = np.random.default_rng(1)
    kind = generator.integers(0, 3, 90)
    columns = {f"a_{i}": kind + generator.normal(0, 1, 90) for i in range(2)}
    columns |= {"b_0": generator.normal(0, 1, 90), "kind": np.array(["x", "y", "z"])[kind]}
    path = tmp_path / "rows.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    schema = mm.Schema.of_modalities({"a": ["a_0", "a_1"], "b": ["b_0"]}, target="kind")
    described = tmp_path / "schema.toml"
    described.write_text(schema.to_toml("made up"))
    output = tmp_path / "kept"
    arguments = ("analyse", path, "--schema", described, "--output", output, "--folds", 2)
    code, out, err = mmgraph(*arguments)
    assert code == 0, err
    assert "Rows split at random:" in out
    assert "bits when the target is in each state" in out
    assert "After ± is one standard error." in out
    assert "steps, each of which learns a classifier" in err
    assert (output / "analysis.html").exists()
    code, out, err = mmgraph(*arguments, "--target", "b_0")
    assert code == 2
    assert "is kind, not b_0" in err
    code, _, err = mmgraph(*arguments[:-1], 1)
    assert code == 0, err
    code, _, err = mmgraph(*arguments, "--by", "variable")
    assert code == 2
    assert "no network, which --by is of" in err


def test_a_classifier_tells_of_its_own_target_alone(mmgraph, tmp_path):
    rows, kept = tmp_path / "rows.csv", tmp_path / "kept.mmgraph"
    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40) % 3.0, "kind": ["x", "y"] * 20})
    frame.to_csv(rows, index=False)
    schema = mm.Schema.of_modalities({"a": ["a"], "b": ["b"]}, target="kind")
    quick = {"leaves": "logistic", "joint": (), "folds": 2, "budget": 60.0}
    mm.MultimodalClassifier(**quick).fit(mm.MultimodalData.read(rows, schema)).save(kept)
    code, out, err = mmgraph("analyse", kept, "--data", rows)
    assert code == 0, err
    assert "of 'kind'" in out
    code, _, err = mmgraph("analyse", kept, "--data", rows, "--target", "a")
    assert code == 2
    assert f"the target of {kept} is kind, not a" in err


def test_modalities_of_a_network_are_named_at_the_command_line(mmgraph):
    options = ("--by", "image=xray", "history=smoke,asia")
    code, out, err = mmgraph("analyse", "asia", "--target", "lung", *options, "--json")
    assert code == 0, err
    modalities = {"image": ["xray"], "history": ["smoke", "asia"]}
    exact = mm.analyse_modalities(mm.read("asia"), "lung", modalities=modalities)
    assert json.loads(out)["analysis"]["sets"] == exact.to_dict()["sets"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("home_activities", "--target", "lung"), "the target of home_activities is class"),
        (("asia", "--target", "lung", "--by", "image="), "is not as in image=xray,ct"),
        (("asia",), "--target NAME"),
        (("asia", "--target", "lnug"), "did you mean 'lung'"),
        (("asia", "--target", "lung", "--by", "modality"), "name them by --by image="),
        (("asia", "--target", "lung", "--by", "colour"), "not by 'colour'"),
        (("digits_six_views_",), "digits_six_views_"),
        (("indian_pines",), "of the kind 'land_cover'"),
        (("asia", "--target", "lung", "--report", "page.pdf"), "page.pdf"),
    ],
)
def test_what_cannot_be_analysed_is_said_in_a_line(mmgraph, arguments, message):
    code, _, err = mmgraph("analyse", *arguments)
    assert code == 2
    assert message in err
