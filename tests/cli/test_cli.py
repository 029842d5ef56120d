"""The command line: JSON, errors in one line, exit codes; help without torch."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import mmgraph as mm
from mmgraph.experiments import experiment


def test_infer_gives_the_posterior(mmgraph):
    code, out, err = mmgraph(
        "infer", "alarm", "--evidence", "HRBP=HIGH", "--query", "HISTORY", "--json"
    )
    assert (code, err) == (0, "")
    answer = json.loads(out)
    post = mm.query(mm.read("alarm"), {"HRBP": "HIGH"}, ["HISTORY"])
    assert answer == {
        "method": "junction_tree",
        "exact": True,
        "converged": True,
        "log_evidence": float(post.log_evidence[0]),
        "marginals": {
            "HISTORY": dict(
                zip(("TRUE", "FALSE"), post.marginal("HISTORY")[0].tolist(), strict=True)
            )
        },
    }


def test_infer_takes_rows_from_a_file(mmgraph, tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.write_text("xray,smoke\nyes,no\n,yes\n")
    code, out, _ = mmgraph("infer", "asia", "--evidence-file", rows, "-q", "lung", "--json")
    answers = json.loads(out)
    assert code == 0
    net = mm.read("asia")
    for answer, evidence in zip(
        answers, ({"xray": "yes", "smoke": "no"}, {"smoke": "yes"}), strict=True
    ):
        expected = mm.query(net, evidence).marginal("lung")[0, 0]
        assert answer["marginals"]["lung"]["yes"] == pytest.approx(float(expected))


def test_infer_for_people(mmgraph):
    code, out, _ = mmgraph("infer", "asia", "-q", "lung")
    assert code == 0
    assert "lung" in out
    assert "0.055" in out


def test_map_and_marginal_map(mmgraph):
    code, out, _ = mmgraph("map", "asia", "-e", "xray=yes", "--json")
    best = mm.map_query(mm.read("asia"), {"xray": "yes"})
    answer = json.loads(out)
    assert code == 0
    assert answer["assignment"] == best.labels()
    assert answer["log_weight"] == float(best.log_weight[0])
    _, out, _ = mmgraph("map", "asia", "-e", "xray=yes", "-q", "lung", "--json")
    assert list(json.loads(out)["assignment"]) == ["lung"]


def test_samples_are_seeded_and_can_be_fitted_again(mmgraph, tmp_path: Path):
    file = tmp_path / "rows.csv"
    code, out, _ = mmgraph("sample", "asia", "-n", "200", "--seed", "3", "--output", file)
    assert (code, out) == (0, "")
    text = file.read_text()
    assert mmgraph("sample", "asia", "-n", "200", "--seed", "3")[1] == text
    assert mmgraph("sample", "asia", "-n", "200", "--seed", "4")[1] != text
    fitted = tmp_path / "fitted.bif"
    code, out, _ = mmgraph(
        "fit", "asia", "--data", file, "--method", "bdeu", "--output", fitted, "--json"
    )
    assert code == 0
    assert json.loads(out)["output"] == str(fitted)
    net = mm.read(str(fitted))
    share = text.count("\nno,") / 200
    expected = (200 * share + 5) / 210
    assert float(net.distribution("asia").values[1]) == pytest.approx(expected)


def test_show_and_convert(mmgraph, tmp_path: Path):
    code, out, _ = mmgraph("show", "asia", "--json")
    assert code == 0
    shown = json.loads(out)
    assert [v["name"] for v in shown["variables"]] == list(mm.read("asia").variables)
    picture = tmp_path / "asia.png"
    assert mmgraph("show", "asia", "--output", picture)[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    target = tmp_path / "asia.uai"
    assert mmgraph("convert", "asia", target)[0] == 0
    assert len(mm.read(str(target)).variables) == 8


def test_datasets(mmgraph):
    code, out, _ = mmgraph("datasets", "--json")
    assert code == 0
    records = json.loads(out)
    assert {"home_activities", "sachs", "bnlearn"} <= {r["name"] for r in records}
    assert all(r["licence"] and r["citation"] for r in records)
    assert "citation" in mmgraph("datasets", "sachs")[1]


def test_run_prints_one_object(mmgraph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def stand_in(name, directory, folds, progress):
        progress(0, folds, "fold 1")
        row = {"given": ["sound"], "method": "exact", "accuracy": 0.5, "log_loss": 1.0}
        row |= {"brier_score": 0.4, "expected_calibration_error": 0.1, "split": "grouped"}
        row |= {"groups": "block", "debiased_calibration_error": 0.05}
        row |= {"accuracy_standard_error": 0.031, "log_loss_standard_error": None}
        row |= {"calibration_error_by_chance": 0.012, "calibration_error_by_chance_95": 0.017}
        report = {"model": name, "kind": "classification", "seconds": 1.0, "results": [row]}
        report |= {"title": "Home", "leaves": {"a_trees": ["a"], "joint_words": ["a", "b"]}}
        return report | {"leak": {"near": 0.37}, "files": [str(directory)]}

    monkeypatch.setattr(experiment, "run", stand_in)
    arguments = ("run", "home_activities", "--folds", "1", "--output", tmp_path)
    code, out, _ = mmgraph(*arguments, "--json")
    report = json.loads(out)
    assert code == 0
    assert set(report) == {"model", "title", "kind", "seconds", "results", "leaves", "leak"}
    assert report["results"][0]["given"] == ["sound"]
    code, out, err = mmgraph(*arguments)
    assert out.startswith("Home (home_activities), 1 s\n")
    assert "Leaves of the saved model: a: trees; joint: words.\n" in out
    for shown in ("grouped", "0.500±.031", "1.000", "0.012", "0.017", "± is the standard error"):
        assert shown in out
    assert f"wrote {tmp_path}" in err


def test_each_kind_of_run_has_its_table(mmgraph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    land_cover = {"split": "random", "given": ["near", "far"], "missing": None, "method": "mrf"}
    land_cover |= {"overall_accuracy": 0.98, "overall_accuracy_deviation": 0.01, "kappa": 0.97}
    land_cover |= {"average_accuracy": 0.96, "accuracy_beneath_cloud": None, "seeds": 5}
    stereo = {"method": "trws", "bad_2px": 0.078, "bad_2px_unseen": 0.083, "energy": 149128.4}
    stereo |= {"lower_bound": 148466.0, "gap": 662.4, "seconds": 20.0}
    for kind, row, shown in (
        ("land_cover", land_cover, ("near+far", "overall", "0.980", "0.960")),
        ("stereo", stereo, ("bad 2px", "unseen", "0.083", "149,128", "148,466")),
    ):
        report = {"model": "m", "kind": kind, "seconds": 1.0, "results": [row], "files": []}
        monkeypatch.setattr(experiment, "run", lambda *_, report=report, **__: report)
        code, out, _ = mmgraph("run", "home_activities", "--output", tmp_path)
        assert code == 0
        assert all(text in out for text in shown)
        answer = json.loads(mmgraph("run", "home_activities", "--output", tmp_path, "--json")[1])
        assert answer["results"] == [row]


def test_the_table_of_both_splits_fits_a_narrow_terminal(
    mmgraph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    figures = {"accuracy": 0.6443, "accuracy_standard_error": 0.0578, "log_loss": 1.0286}
    figures |= {"log_loss_standard_error": 0.1903, "debiased_calibration_error": 0.0481}
    figures |= {"expected_calibration_error": 0.0424, "calibration_error_by_chance": 0.0303}
    figures |= {"calibration_error_by_chance_95": 0.0421}
    rows = [
        {"split": split, "groups": groups, "given": given, **figures}
        for split, groups in (("random", None), ("grouped", "block"))
        for given in (["sound", "movement"], ["fac", "fou", "kar", "mor", "pix", "zer"])
    ]
    report = {"model": "m", "kind": "classification", "seconds": 1.0, "results": rows, "files": []}
    monkeypatch.setattr(experiment, "run", lambda *_, **__: report)
    monkeypatch.setenv("COLUMNS", "80")
    out = mmgraph("run", "home_activities", "--output", tmp_path)[1]
    assert max(map(len, out.splitlines())) <= 80
    assert 0 < out.index("log-loss") < out.index("accuracy")
    for shown in ("grouped", "sound+movement", "fac+fou+kar+", "mor+pix+zer", "0.644±.058",
                  "1.029±.190", "0.048", "0.042", "0.030,", "(here: block)"):  # fmt: skip
        assert shown in out
    assert "┃ debiased ┃" in out
    report["leak"] = {"near": 0.37}
    out = mmgraph("run", "home_activities", "--output", tmp_path)[1]
    assert "(here: blocks of consecutive rows)" in out
    # Where there is one split its name tells nothing.
    del rows[2:]
    assert "split" not in mmgraph("run", "home_activities", "--output", tmp_path)[1].split("±")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("infer", "alrm"), "did you mean 'alarm'"),
        (("infer", "alarm", "-e", "HRPB=HIGH"), "did you mean 'HRBP'"),
        (("infer", "alarm", "-e", "HRBP=HGH"), "did you mean 'HIGH'"),
        (("infer", "alarm", "-e", "HRBP"), "NAME=STATE"),
        (("infer", "alarm", "-e", "HRBP=HIGH", "-e", "HRBP=LOW"), "given twice"),
        (("infer", "alarm", "-q", "HISTRY"), "did you mean 'HISTORY'"),
        (("infer", "alarm", "--method", "junctiontree"), "did you mean 'junction_tree'"),
        (("infer", "alarm", "--evidence-file", "missing.csv"), "missing.csv"),
        (("infer",), "--help tells more"),
        (("infer", "alarm", "--evidense", "x"), "--evidence"),
        (("sample", "asia", "--draws", "0"), "draws"),
        (("sample", "asia", "--seed", "-1"), "seed"),
        ((), "command"),
        (("infer", "asia", "--device", "cpuu"), "unknown device 'cpuu'"),
        (("fit", "asia", "--data", "missing.csv", "--output", "x.bif"), "missing.csv"),
        (("run", "rows.csv"), "rows.csv is a table: `mmgraph schema rows.csv --target COLUMN > "),
        (("run", "home_activites"), "did you mean 'home_activities'"),
        (("datasets", "sach"), "sachs"),
        (("map", "asia", "--method", "trws", "--device", "cudaa"), "unknown device 'cudaa'"),
        (("map", "asia", "--device", "cudaa"), "unknown device 'cudaa'"),
        (("sample", "asia", "--method", "foo"), "sample knows no method 'foo'"),
        (("convert", "asia", "asia.xyz"), ".xyz"),
        (("show", "asia", "--output", "asia.gif"), ".gif"),
    ],
)
def test_errors_are_one_line_and_exit_2(mmgraph, arguments: tuple[str, ...], message: str):
    code, out, err = mmgraph(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


def test_several_values_behind_one_option(mmgraph):
    spread = mmgraph(
        "infer", "asia", "-e", "xray=yes", "-e", "smoke=no", "-q", "lung", "-q", "dysp", "--json"
    )
    assert spread[0] == 0
    together = ("infer", "asia", "--evidence", "xray=yes", "smoke=no")
    assert mmgraph(*together, "--query", "lung", "dysp", "--json") == spread
    together = ("infer", "asia", "--evidence=xray=yes", "smoke=no")
    assert mmgraph(*together, "--json", "--query=lung", "dysp") == spread


def test_the_model_may_come_last(mmgraph):
    first = mmgraph("infer", "asia", "--query", "lung", "--json")
    assert mmgraph("infer", "--json", "--query", "lung", "asia") == first


def test_an_interruption_ends_with_130(mmgraph, monkeypatch: pytest.MonkeyPatch):
    def interrupted(name: str):
        raise KeyboardInterrupt

    monkeypatch.setattr(mm, "read", interrupted)
    assert mmgraph("infer", "asia") == (130, "", "mmgraph: interrupted\n")


def test_a_field_that_asks_for_an_image(mmgraph, tmp_path: Path):
    mm.write(mm.ConditionalRandomField(2, ["optical"]), tmp_path / "field.mmgraph")
    for command in ("infer", "map", "sample", "show"):
        code, out, err = mmgraph(command, tmp_path / "field.mmgraph")
        assert (code, out) == (2, "")
        assert "asks for an image's scores" in err


def test_memory_that_there_is_not(mmgraph):
    code, out, err = mmgraph("sample", "asia", "--draws", "100000000000000")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_names_are_no_markup(mmgraph, tmp_path: Path):
    net = mm.BayesianNetwork.from_tables(
        [], {"x[/red]": [0.5, 0.5]}, {"x[/red]": ("[on]", ":off:")}
    )
    mm.write(net, tmp_path / "net.bif")
    _, out, err = mmgraph("infer", tmp_path / "net.bif")
    assert err == ""
    assert all(name in out for name in ("x[/red]", "[on]", ":off:"))


def test_warnings_are_one_line(mmgraph, monkeypatch: pytest.MonkeyPatch):
    def read(name: str):
        warnings.warn("two\nlines", stacklevel=1)
        return asia

    asia = mm.read("asia")
    monkeypatch.setattr(mm, "read", read)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = mmgraph("infer", "asia", "--json")
    assert (code, err) == (0, "mmgraph: warning: two lines\n")


def test_impossible_evidence_is_told(mmgraph):
    code, _, err = mmgraph("infer", "asia", "-e", "either=no", "-e", "lung=yes")
    assert code == 2
    assert "probability zero" in err
    assert "lung=yes" in err


def test_the_version_is_that_of_the_package(mmgraph):
    assert mmgraph("--version") == (0, f"mmgraph {mm.__version__}\n", "")


def test_help_does_not_load_torch():
    script = (
        "import sys; sys.argv = ['mmgraph', '--help']\n"
        "from mmgraph.cli import main\n"
        "try: main()\n"
        "finally: print('loaded', sorted({'torch', 'numba', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "loaded []" in done.stdout
    assert "infer" in done.stdout


def test_a_closed_pipe_is_no_error():
    command = f"'{sys.executable}' -m mmgraph sample alarm -n 2000 | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_full_disk_is_one_line():
    command = f"'{sys.executable}' -m mmgraph datasets > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_an_unnormalised_weight_is_never_called_a_probability(mmgraph, tmp_path):
    kind = mm.Variable("kind", ("benign", "malignant"))
    x = mm.Variable("x", shape=(3,), family="gaussian")
    machine = mm.RestrictedBoltzmannMachine(x, 4, labels=kind)
    machine.factors[0].bias += 9.0
    for name, sweeps in (("exact", None), ("few", 3)):
        machine.sweeps = sweeps
        mm.write(machine, tmp_path / f"{name}.mmgraph")
    few, exact = str(tmp_path / "few.mmgraph"), str(tmp_path / "exact.mmgraph")

    _, out, _ = mmgraph("infer", few, "-q", "kind")
    assert "log P" not in out
    assert "log-partition function given the evidence" in out
    assert "(lower bound), mean_field, approximate" in " ".join(out.split())
    answer = json.loads(mmgraph("infer", few, "-q", "kind", "--json")[1])
    assert answer["log_evidence"] is None
    assert answer["log_partition"] > 100
    assert answer["log_partition_kind"] == "lower bound"
    assert answer["marginals"]["kind"]["malignant"] == pytest.approx(
        float(mm.query(machine, None, ["kind"]).marginal("kind")[0, 1])
    )

    answer = json.loads(mmgraph("infer", exact, "-e", "kind=benign", "--json")[1])
    machine.sweeps = None
    expected = mm.query(machine, {"kind": "benign"})
    assert answer["log_evidence"] < 0
    assert answer["log_evidence"] == pytest.approx(float(expected.log_evidence), abs=1e-6)
    assert answer["log_partition"] == pytest.approx(float(mm.log_partition(machine, {"kind": 0})))
    assert answer["log_partition_kind"] == "exact"
    _, out, _ = mmgraph("map", exact)
    assert "log-weight" in out
    assert "log-probability" not in out

    field = mm.MarkovRandomField.from_edges([(0, 1)], states=2, weights=[0.5])
    mm.write(field, tmp_path / "field.mmgraph")
    answer = json.loads(mmgraph("infer", str(tmp_path / "field.mmgraph"), "--json")[1])
    assert answer["log_evidence"] == pytest.approx(0, abs=1e-12)
    assert answer["log_partition"] == pytest.approx(float(mm.log_partition(field)))


def test_infer_and_map_take_approximate_methods_and_say_so(mmgraph):
    code, out, _ = mmgraph("infer", "asia", "-q", "lung", "--method", "gibbs", "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["method"], answer["exact"], answer["log_evidence"]) == ("gibbs", False, None)
    again = mmgraph("infer", "asia", "-q", "lung", "--method", "gibbs", "--json", "--seed", 0)[1]
    assert again == out
    code, out, _ = mmgraph("infer", "asia", "-q", "lung", "--method", "mean_field")
    assert "mean_field, approximate" in out
    code, out, _ = mmgraph("map", "asia", "--method", "trws", "--json")
    answer = json.loads(out)
    assert (answer["method"], answer["assignment"]["lung"]) == ("trws", "no")
    assert answer["gap"] < 1e-6
    code, _, err = mmgraph("map", "asia", "--method", "trwss")
    assert code == 2
    assert "did you mean 'trws'" in err


def test_fields_are_answered_element_by_element(mmgraph, tmp_path: Path):
    field = mm.MarkovRandomField.grid([[[0.0, 1.0], [2.0, 0.0]]], mm.Potts(), 0.5, name="pixel")
    mm.write(field, tmp_path / "field.mmgraph")
    code, out, _ = mmgraph("infer", tmp_path / "field.mmgraph", "--json")
    assert code == 0
    expected = mm.query(field).marginal("pixel")[0, 0, 1]
    assert json.loads(out)["marginals"]["pixel[0,1]"] == {
        "0": pytest.approx(float(expected[0])),
        "1": pytest.approx(float(expected[1])),
    }
    code, out, _ = mmgraph("map", tmp_path / "field.mmgraph", "--json")
    assert json.loads(out)["assignment"] == {"pixel[0,0]": "1", "pixel[0,1]": "0"}


@pytest.mark.parametrize(
    "command",
    [
        *("", "infer", "map", "sample", "fit", "label", "show", "convert", "schema", "new"),
        *("predict", "datasets", "run"),
    ],
)
def test_help_has_a_short_name(mmgraph, command: str):
    short, long = (mmgraph(*command.split(), option) for option in ("-h", "--help"))
    assert short == long
    assert short[0] == 0
    assert "Usage" in short[1]


def test_shells_complete_commands(mmgraph, monkeypatch: pytest.MonkeyPatch):
    assert "--install-completion" in mmgraph("--help")[1]
    monkeypatch.setenv("_MMGRAPH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "mmgraph con")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert mmgraph()[1].strip() == "convert"
    monkeypatch.setenv("COMP_WORDS", "mmgraph infer --evidence-f")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert mmgraph()[1].strip() == "--evidence-file"
