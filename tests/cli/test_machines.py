"""Fitting declared machines from the command line, in one process and in two."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm

DECLARATION = """
kind = "boltzmann_machine"
title = "Two sensors"
[data]
dataset = "digits_six_views"
[network]
joint = 6
labels = "state"
[[view]]
modality = "left"
hidden = [5]
[[view]]
modality = "right"
hidden = [4]
[training]
objective = "multi_prediction"
epochs = 3
batch_size = 20
optimiser = "adam"
learning_rate = 0.02
standardise = false
monitor_rows = 20
[prediction]
sweeps = 5
[report]
folds = 3
seed = 0
given = [["left", "right"]]
"""


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    codes = np.arange(80) % 2
    columns = {f"left[{i}]": codes + 0.3 * generator.normal(size=80) for i in range(3)}
    columns |= {f"right[{i}]": -codes + 0.3 * generator.normal(size=80) for i in range(2)}
    columns["state"] = np.array(["off", "on"])[codes]
    pd.DataFrame(columns).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "sensors.toml").write_text(DECLARATION)
    return tmp_path


def fit(folder, name, data="rows.csv"):
    return ("fit", folder / "sensors.toml", "--data", folder / data,
            "--output", folder / name, "--json")  # fmt: skip


def test_a_machine_is_fitted_on_a_table_and_written(files, mmgraph):
    code, out, err = mmgraph(*fit(files, "one.mmgraph"))
    assert not code, err
    report = json.loads(out)
    assert (report["rows"], report["epochs"], report["processes"]) == (80, 3, 1)
    assert set(report["monitors"]) >= {"loss", "loss:state", "loss:left"}
    machine = mm.read(files / "one.mmgraph")
    assert [v.name for v in machine.visible] == ["left", "right"]
    assert machine.labels.labels == ("off", "on")
    assert machine.predict_proba({"left": torch.zeros(2, 3)}).shape == (2, 2)


def two_together(*arguments):
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    return subprocess.run(
        [sys.executable, "-m", *launcher, "mmgraph", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
def test_two_processes_fit_what_one_does(files, mmgraph):
    code, _, err = mmgraph(*fit(files, "one.mmgraph"))
    assert not code, err
    done = two_together(*fit(files, "two.mmgraph"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["processes"] == 2
    one, two = (mm.read(files / f"{name}.mmgraph").parameters() for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(
    ("column", "message"),
    [("right[1]", "no column 'right[1]'"), ("state", "no column 'state'")],
)
def test_a_table_without_a_column_is_refused_by_name(files, mmgraph, column, message):
    frame = pd.read_csv(files / "rows.csv")
    if column.startswith("right"):
        frame = frame.rename(columns={column: "right[2]"})
    else:
        frame = frame.drop(columns=column)
    frame.to_csv(files / "less.csv", index=False)
    code, _, err = mmgraph(*fit(files, "none.mmgraph", data="less.csv"))
    assert code == 2
    assert message in err
    assert not (files / "none.mmgraph").exists()


def test_a_network_without_a_table_is_refused(tmp_path, mmgraph):
    code, _, err = mmgraph("fit", "asia", "--output", tmp_path / "asia.bif")
    assert code == 2
    assert "--data" in err
