"""``mmgraph compare``: declared tables, options over what they say, JSON, ranks, pages."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmgraph.cli.interruption import steps_kept

MODELS = ("--models", "prior,logistic", "--jobs", 1, "--no-opponents")


@pytest.fixture
def tables(tmp_path, monkeypatch) -> Path:
    """Two declared tables of two modalities, the first of which tells more."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("one", "two")):
        random = np.random.default_rng(seed)
        y = np.arange(40) % 2
        table = {"lab_a": y + random.normal(0, 0.7, 40), "gene_a": y + random.normal(0, 2, 40)}
        pd.DataFrame({**table, "y": np.array(["n", "p"])[y]}).to_csv(f"{name}.csv", index=False)
        columns = "\n".join(
            f'{column} = {{ modality = "{column.split("_")[0]}", kind = "continuous" }}'
            for column in table
        )
        (tmp_path / f"{name}.toml").write_text(
            f'kind = "classification"\n[data]\nfile = "{name}.csv"\n'
            f'[data.schema]\n{columns}\ny = {{ role = "target", kind = "categorical" }}\n'
            '[classifier]\nleaves = "logistic"\n[validation]\nfolds = 2\n'
        )
    return tmp_path


def test_rows_of_a_declared_table_are_json_and_the_page_is_written(mmgraph, tables):
    code, out, err = mmgraph(
        "compare", "one.toml", *MODELS, "--json", "--output", "comparison.html"
    )
    assert code == 0, err
    content = json.loads(out)
    rows = [row for row in content["rows"] if row["split"] == "random"]
    assert {(row["model"], tuple(row["given"])) for row in rows} == {
        (model, given)
        for model in ("prior", "logistic")
        for given in (("lab", "gene"), ("lab",), ("gene",))
    }
    for key in ("accuracy", "log_loss", "debiased_calibration_error", "train_seconds"):
        assert all(isinstance(row[key], float) for row in rows)
    assert "lowest log-loss" in " ".join(content["words"]["one"])
    assert "wrote comparison.html" in err
    assert json.loads(Path("comparison.json").read_text())["about"]["title"] == "one"
    assert list(Path("one_comparison/steps").iterdir())
    code, out, err = mmgraph("compare", "one.toml", *MODELS)
    assert code == 0
    assert "Split random, given lab + gene:" in out
    fits = len(list(Path("one_comparison/steps").iterdir()))
    assert err.splitlines() == [f"mmgraph: {fits} of {fits} fits are taken from one_comparison"]


def test_an_interruption_says_how_many_fits_are_kept(mmgraph, tables, monkeypatch):
    from mmgraph.cli.comparison import compare

    @contextlib.contextmanager
    def impatient(directory):
        with steps_kept(directory) as show:

            def progress(done, total, text):
                show(done, total, text)
                if done == 3:
                    raise KeyboardInterrupt

            yield progress

    with monkeypatch.context() as patched:
        patched.setattr(compare, "steps_kept", impatient)
        code, out, err = mmgraph("compare", "one.toml", *MODELS)
    assert (code, out) == (130, "")
    assert "interrupted; 3 of 4 fits are kept in one_comparison: run the same command" in err
    code, _, err = mmgraph("compare", "one.toml", *MODELS)
    assert code == 0
    assert "3 of 4 fits are taken from one_comparison" in err


def test_options_go_over_the_declaration_and_nothing_is_fitted_in_a_dry_run(mmgraph, tables):
    options = ("--folds", 4, "--conditions", "refitted", "--tune", "--dry-run", "--json")
    code, out, _ = mmgraph("compare", "one.toml", *MODELS, *options)
    assert code == 0
    plan = json.loads(out)["plans"]["one"]
    assert plan["splits"] == {"random": 4}
    assert plan["conditions"] == ["refitted"]
    logistic = plan["models"][1]
    assert (logistic["model"], logistic["settings"]) == ("logistic", 4)
    assert logistic["fits"] == 4 * (3 + 3 * 4)  # all and two sets; settings in inner folds
    code, out, _ = mmgraph("compare", "one.toml", *MODELS, "--dry-run")
    assert "40 rows, y" in out
    assert sorted(p.name for p in tables.iterdir()) == [
        "one.csv",
        "one.toml",
        "two.csv",
        "two.toml",
    ]


def test_of_few_data_sets_there_are_no_ranks(mmgraph, tables):
    code, out, err = mmgraph(
        "compare", "one.toml", "two.toml", *MODELS, "--json", "--directory", "d"
    )
    assert code == 0
    content = json.loads(out)
    assert {row["data"] for row in content["rows"]} == {"one", "two"}
    assert "ranks" not in content
    assert "2 data sets are too few to rank models over; that takes 5" in err
    assert sorted(p.name for p in Path("d").iterdir()) == ["one", "two"]


def test_too_few_models_for_ranks_cost_no_figures(mmgraph, tables):
    names = ["one.toml", *(f"copy{i}.toml" for i in range(4))]
    for name in names[1:]:
        (tables / name).write_text((tables / "one.toml").read_text())
    code, out, err = mmgraph("compare", *names, *MODELS, "--json", "--directory", "d")
    assert code == 0
    content = json.loads(out)
    assert len({row["data"] for row in content["rows"]}) == 5
    assert "ranks" not in content
    assert "models are not ranked over data sets: Friedman's test compares at least 3 models" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("one.toml", "--models", "netwrk"), "did you mean 'network'"),
        (("one.toml", "one.toml", *MODELS), "two declarations have the same name"),
        (("one.toml", *MODELS, "--output", "page.pdf"), "page.pdf"),
        (("one.toml", *MODELS, "--conditions", "noises"), "did you mean 'noise'"),
        (("three.toml",), "three.toml: no such file"),
        (("sachs",), "kind = 'structure'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_fitted(mmgraph, tables, arguments, message):
    code, _, err = mmgraph("compare", *arguments)
    assert code == 2
    assert message in err
    assert not list(tables.glob("*_comparison"))
