"""``mmgraph learn``: a graph of an own table, as text, JSON, a picture and a network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmgraph as mm

SCHEMA = """\
[columns]
id = { role = "ignored" }
snp = { modality = "genome", kind = "categorical", tier = 0 }
tumour = { modality = "image", kind = "categorical", tier = 1 }
texture = { modality = "image", kind = "categorical", tier = 1 }
ill = { role = "target", kind = "categorical", tier = 2 }
set = { role = "intervention" }
"""


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with rows of snp -> tumour -> ill and tumour -> texture."""
    random = np.random.default_rng(0)

    def noisy(cause):
        return np.where(random.random(400) < 0.85, cause, random.integers(0, 2, 400))

    snp = random.integers(0, 2, 400)
    tumour = noisy(snp)
    texture, ill = noisy(tumour), noisy(tumour)
    lines = ["id,snp,tumour,texture,ill,set"]
    for i, states in enumerate(zip(snp, tumour, texture, ill, strict=True)):
        lines.append(f"r{i},{','.join('ny'[s] for s in states)},{'snp' if i % 4 == 0 else ''}")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    plain = [",".join(line.split(",")[1:5]) for line in lines]
    (tmp_path / "plain.csv").write_text("\n".join(plain) + "\n")
    (tmp_path / "schema.toml").write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


EDGES = [["snp", "tumour"], ["tumour", "texture"], ["tumour", "ill"]]


def test_a_graph_is_listed(mmgraph, rows: Path):
    code, out, _ = mmgraph("learn", "plain.csv")
    assert code == 0
    assert "3 edges of 4 variables, score -" in out
    assert out.count("--") == 3
    code, out, _ = mmgraph("learn", "plain.csv", "--tier", "snp", "--tier", "tumour, texture ,ill")
    assert out.count("->") == 3


def test_the_schema_says_modalities_tiers_and_experiments(mmgraph, rows: Path):
    code, out, _ = mmgraph("learn", "rows.csv", "--schema", "schema.toml", "--json")
    assert code == 0
    record = json.loads(out)
    assert sorted(record["edges"]) == sorted(record["directed"]) == sorted(EDGES)
    assert record["variables"] == {
        "snp": "genome",
        "tumour": "image",
        "texture": "image",
        "ill": None,
    }
    assert "confidence" not in record


def test_files_are_written(mmgraph, rows: Path):
    options = ["--required", "snp:tumour", "--forbidden", "ill:texture", "--max-parents", "1"]
    options += ["--bootstrap", "6", "--threshold", "0.5", "--checkpoint", "kept"]
    code, out, err = mmgraph(
        "learn", "plain.csv", *options, "--output", "net.bif", "--picture", "net.svg", "--json"
    )
    assert code == 0
    record = json.loads(out)
    assert sorted(record["edges"]) == sorted(EDGES)
    assert ["snp", "tumour", 1.0] in record["confidence"]
    assert sorted(map(tuple, map(sorted, record["consensus"]))) == sorted(
        map(tuple, map(sorted, EDGES))
    )
    assert sorted(mm.read("net.bif").edges) == sorted(map(tuple, EDGES))
    assert (rows / "net.svg").stat().st_size > 1000
    assert list((rows / "kept").iterdir())
    code, out, err = mmgraph("learn", "plain.csv", *options)
    assert "confidence" in out
    assert err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tier", "snp", "--tier", "snp,ill"], "'snp' stands in tier 1 and in tier 2"),
        (["--required", "snp"], "--required 'snp' is no edge CAUSE:EFFECT"),
        (["--forbidden", "genom:ill"], "'genom', which is neither a variable nor a modality"),
        (["--score", "bik"], "unknown score 'bik'; did you mean 'bic'?"),
        (["--interventions", "sett"], "no column of"),
        (["--picture", "net.gif"], ".gif"),
        (["--output", "net.bif", "--method", "fci"], "FCI leaves edges open"),
        (["--output", "net.txt"], "net.txt"),
        (["--checkpoint", "kept"], "--checkpoint keeps a bootstrap"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(mmgraph, rows: Path, options, message):
    code, out, err = mmgraph("learn", "plain.csv", *options)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_network_is_fitted_to_the_rows_in_which_a_variable_was_not_set(mmgraph, rows: Path):
    code, _, err = mmgraph("learn", "rows.csv", "--schema", "schema.toml", "--output", "net.bif")
    assert (code, err) == (0, "wrote net.bif\n")
    frame = pd.read_csv("rows.csv", keep_default_na=False)
    network = mm.read("net.bif")
    assert sorted(map(list, network.edges)) == sorted(EDGES)
    share = (frame.snp[frame.set == ""] == "y").mean()
    assert share != (frame.snp == "y").mean()
    np.testing.assert_allclose(network.distribution("snp").values, [1 - share, share])


def test_kinds_that_no_graph_has_are_refused(mmgraph, rows: Path):
    ask = ("learn", "rows.csv", "--schema", "schema.toml")
    schema = SCHEMA.replace('texture = { modality = "image", kind = "categorical"', "texture = {")
    schema = schema.replace("texture = {", 'texture = { modality = "image", kind = "text"')
    (rows / "schema.toml").write_text(schema)
    code, _, err = mmgraph(*ask)
    assert code == 2
    assert "'texture' is a text" in err
