"""``mmgraph identify`` and ``mmgraph effect``: networks, graphs, rows, and wrong questions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmgraph as mm


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    z = random.integers(0, 2, 500)
    x = (random.random(500) < 0.3 + 0.4 * z).astype(int)
    dose = x + random.normal(size=500)
    y = (random.random(500) < 0.2 + 0.3 * x + 0.2 * z).astype(int)
    path = tmp_path / "rows.csv"
    columns = {"z": z, "x": x, "y": np.array(["no", "yes"])[y], "dose": dose, "v": 2 * dose}
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_a_formula_and_its_sets(mmgraph, tmp_path: Path):
    text = "dag { x -> m -> y; u [latent]; u -> {x y} }"
    (tmp_path / "graph.txt").write_text(text)
    for model in (text, tmp_path / "graph.txt"):
        code, out, err = mmgraph("identify", model, "--do", "x", "--on", "y", "--json")
        assert (code, err) == (0, "")
        record = json.loads(out)
        assert record["identifiable"] is True
        assert record["front_door"] == ["m"]
        assert record["minimal_adjustment"] is None
    answer = mm.CausalModel.from_dagitty(text).identify("y", "x")
    assert record["formula"] == str(answer)
    code, out, _ = mmgraph("identify", text, "--do", "x", "--on", "y")
    assert code == 0
    assert "front_door" in out


def test_hidden_variables_and_what_is_given(mmgraph):
    arguments = ("identify", "asia", "--do", "smoke", "--on", "dysp")
    assert json.loads(mmgraph(*arguments, "--json")[1])["optimal_adjustment"] == ["tub"]
    hidden = ("identify", "dag { z -> {x y} x -> y }", "--do", "x", "--on", "y")
    assert json.loads(mmgraph(*hidden, "--given", "z", "--json")[1])["identifiable"]
    code, out, _ = mmgraph(*hidden, "--latent", "z", "--json")
    record = json.loads(out)
    assert code == 0
    assert record["identifiable"] is False
    assert "not identifiable" in record["words"]
    assert record["instruments"] == []


def test_the_effect_in_a_network(mmgraph):
    arguments = ("effect", "asia", "--do", "smoke=yes", "--on", "dysp=yes", "--through", "bronc")
    record = json.loads(mmgraph(*arguments, "--json")[1])
    model = mm.CausalModel.from_network(mm.read("asia"))
    effect = model.effect({"dysp": "yes"}, {"smoke": "yes"}, through="bronc")
    assert record["estimate"] == pytest.approx(float(effect))
    assert record["parts"]["total"]["estimate"] == pytest.approx(float(effect.parts["total"]))
    code, out, _ = mmgraph(*arguments)
    assert code == 0
    assert "natural direct" in out
    code, out, _ = mmgraph(
        "effect", "asia", "--do", "smoke=yes", "--on", "dysp=yes", "--by", "asia"
    )
    assert code == 0
    assert "asia=yes" in out


def test_the_effect_in_rows(mmgraph, rows: Path):
    graph = "dag { z -> {x y} x -> y }"
    arguments = ("effect", graph, "--do", "x=1", "--on", "y=yes", "--data", rows)
    record = json.loads(mmgraph(*arguments, "--json")[1])
    model = mm.CausalModel.from_dagitty(graph)
    effect = model.effect({"y": "yes"}, {"x": 1}, data=rows)
    assert record["estimate"] == pytest.approx(float(effect))
    assert record["interval"] == pytest.approx(list(effect.interval))
    assert record["adjustment"] == ["z"]
    code, out, _ = mmgraph(*arguments, "--given", "z=1", "--interval", "BCa")
    assert code == 0
    assert "95% interval" in out
    hidden = json.loads(mmgraph(*arguments, "--latent", "z", "--json")[1])
    assert hidden["estimate"] is None
    assert hidden["bounds"][1] - hidden["bounds"][0] == pytest.approx(1.0)
    line = (
        "effect",
        "dag { dose -> v }",
        "--do",
        "dose=1.5",
        "--baseline",
        "dose=0.5",
        "--on",
        "v",
    )
    assert json.loads(mmgraph(*line, "--data", rows, "--json")[1])["estimate"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--do", "smoke", "--on", "dysp"), "'smoke' is not of the form NAME=STATE"),
        (("--do", "smoke=often", "--on", "dysp"), "no state 'often'"),
        (("--do", "smok=yes", "--on", "dysp"), "did you mean 'smoke'"),
        (("--do", "smoke=yes", "smoke=no", "--on", "dysp"), "sets 'smoke' twice"),
        (("--do", "smoke=yes", "--on", "smoke"), "on itself"),
        (("--do", "smoke=yes", "--on", "dysp", "xray"), "one outcome; --on names dysp, xray"),
        (("--do", "smoke=yes", "--on", "dysp", "--latent", "dysp"), "latent"),
        (("--do", "smoke=yes", "--on", "dysp", "--read", "missing=x"), "no --data"),
        (("--do", "smoke=yes", "--on", "dysp", "--data", "none.csv"), "none.csv"),
        (("--do", "smoke=yes", "--on", "dysp", "--interval", "BCa"), "--interval is of rows"),
    ],
)
def test_wrong_questions_are_refused_in_a_line(mmgraph, arguments, message):
    code, out, err = mmgraph("effect", "asia", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_models_that_say_nothing_of_causes_are_refused(mmgraph, tmp_path: Path):
    code, _, err = mmgraph("identify", "nothing.txt", "--do", "x", "--on", "y")
    assert code == 2
    assert "nothing.txt" in err
    code, _, err = mmgraph("identify", "dag { x -> y }", "--do", "x", "--on", "y", "--latent", "w")
    assert code == 2
    assert "'w'" in err
    code, _, err = mmgraph("effect", "rows.csv", "--do", "x=1", "--on", "y")
    assert code == 2
    assert "rows.csv holds rows, which go to --data" in err
    code, _, err = mmgraph("effect", "dag { x -> y }", "--do", "x=1", "--on", "y")
    assert code == 2
    assert "give data" in err


def test_names_between_commas_and_states_where_names_are_asked(mmgraph):
    question = ("effect", "asia", "--do", "smoke=yes", "--on", "dysp=yes", "--json")
    for option, names in (("--by", ("asia", "tub")), ("--through", ("bronc", "lung"))):
        once = json.loads(mmgraph(*question, option, ", ".join(names))[1])
        twice = json.loads(mmgraph(*question, option, names[0], option, names[1])[1])
        assert once["parts"].keys() == twice["parts"].keys()
        assert once["estimate"] == twice["estimate"]
    code, _, err = mmgraph("identify", "asia", "--do", "smoke=yes", "--on", "dysp")
    assert code == 2
    assert "without =yes" in err
