"""A walk over what the core does, run by ``test_core_alone`` where nothing else is installed.

Prints a JSON object: for each thing tried ``"done"``, the extra that it asks for, or the error.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mmgraph as mm
from mmgraph import datasets, plots
from mmgraph.cli import main
from mmgraph.experiments import experiment
from mmgraph.graph.errors import MissingExtraError
from mmgraph.spatial import label_image, read_annotations, read_sensors

outcomes: dict[str, str] = {}


def attempt(name: str, work: Callable[[], Any]) -> None:
    try:
        work()
        outcomes[name] = "done"
    except MissingExtraError as error:
        outcomes[name] = error.extra
    except Exception:
        outcomes[name] = traceback.format_exc(limit=-2)


def command(*arguments: object) -> None:
    sys.argv = ["mmgraph", *map(str, arguments)]
    said = io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
    extra = said.getvalue().partition("mmgraph[")[2].partition("]")[0]
    outcomes[" ".join(sys.argv)] = "done" if code == 0 else extra or f"{code} {said.getvalue()}"


def network() -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_tables(
        [("A", "B")],
        {"A": [0.5, 0.5], "B": [[0.9, 0.1], [0.2, 0.8]]},
        {"A": ("x", "y"), "B": ("u", "v")},
        {"A": "sound"},
    )


ROWS = {"A": ["x", "y", "x", "y"], "B": ["u", "v", "v", "u"]}
SOME = {"A": ["x", None, "x", "y"], "B": ["u", "v", None, "u"]}


def files_and_questions() -> None:
    net = network()
    field = mm.MarkovRandomField.grid(torch.eye(2).repeat(3, 2, 1).reshape(3, 4, 2), mm.Potts())
    for name in (
        "net.bif",
        "net.bif.gz",
        "net.uai",
        "net.mmgraph",
        "net.net",
        "net.xdsl",
        "net.xml",
    ):
        attempt(f"write {name}", lambda name=name: mm.write(net, name))
        attempt(f"read {name}", lambda name=name: mm.read(name))
    attempt("write field.mmgraph", lambda: mm.write(field, "field.mmgraph"))
    attempt("read alarm", lambda: mm.read("alarm"))
    for method in ("auto", "enumeration", "torch", "belief_propagation", "mean_field", "gibbs"):
        attempt(f"query {method}", lambda m=method: mm.query(net, SOME, method=m))
    for method in ("auto", "graph_cut", "trws", "icm", "branch_and_bound"):
        attempt(f"map_query {method}", lambda m=method: mm.map_query(field, method=m).labels())
    attempt("joint", lambda: mm.joint(net, ["A", "B"]))
    attempt("sample", lambda: mm.sample(net, 5, SOME))
    attempt("log_partition", lambda: mm.log_partition(field))
    attempt("expected_family_counts", lambda: mm.expected_family_counts(net, SOME))
    attempt("to_networkx", net.to_networkx)
    attempt("do", lambda: mm.query(net.do(A="x")))
    attempt("Posterior.to_frame", lambda: mm.query(net).to_frame())
    attempt("Assignment.to_frame", lambda: mm.map_query(net).to_frame())
    attempt("to_pgmpy", lambda: mm.to_pgmpy(net))


def learning() -> None:
    for method in ("auto", "maximum_likelihood", "bdeu", "dirichlet", "em"):
        attempt(f"fit {method}", lambda m=method: network().fit(ROWS, m))
    attempt("fit with missing cells", lambda: network().fit(SOME, pseudo_counts=1.0))
    attempt("from_data", lambda: mm.BayesianNetwork.from_data(ROWS, [("A", "B")]))
    attempt("predict", lambda: network().predict({"A": ["x"]}, "B"))
    attempt("predict_proba", lambda: network().predict_proba(SOME, "B"))
    attempt("score", lambda: network().score(ROWS))
    scores = {"optical": np.random.default_rng(0).normal(size=(4, 4, 2))}
    labels = np.arange(16).reshape(4, 4) % 2
    crf = mm.ConditionalRandomField(2, ["optical"])
    attempt("crf.fit", lambda: crf.fit(mm.LabelledImage(scores, labels)).predict(scores))
    attempt("crf.write", lambda: mm.write(crf, "crf.mmgraph"))
    attempt("crf.read", lambda: mm.read("crf.mmgraph"))
    machine = mm.RestrictedBoltzmannMachine(
        mm.Variable("x", shape=(3,), family="gaussian"), 2, mm.Variable("l", ("p", "q"))
    )
    data = np.random.default_rng(0).normal(size=(10, 3))
    attempt("machine.fit", lambda: machine.fit(data, ["p", "q"] * 5, epochs=1))
    for question in ("predict", "predict_proba", "transform", "impute", "log_likelihood"):
        attempt(f"machine.{question}", lambda q=question: getattr(machine, q)(data))
    attempt("machine.write", lambda: mm.write(machine, "machine.mmgraph"))
    attempt("machine.read", lambda: mm.read("machine.mmgraph"))
    attempt("machine.__sklearn_tags__", machine.__sklearn_tags__)


def images() -> None:
    image = np.random.default_rng(0).random((6, 6, 2))
    labels = np.full((6, 6), -1)
    labels[0], labels[5] = 0, 1
    np.save("image.npy", image)
    np.save("labels.npy", labels + 1)
    Path("image.png").write_bytes(b"\x89PNG")
    Path("image.tif").write_bytes(b"II*\0")
    Path("image.nii").write_bytes(b"")
    for unaries in ("gaussian_mixture", "svm", "extra_trees", "logistic"):
        attempt(f"label_image {unaries}", lambda u=unaries: label_image(image, labels, unaries=u))
    attempt("read_annotations", lambda: read_annotations("labels.npy"))
    for file in ("image.npy", "image.png", "image.tif", "image.nii"):
        attempt(f"read_sensors {file}", lambda f=file: read_sensors({"optical": f}))
    attempt("draw_network", lambda: plots.draw_network(network(), "net.png"))
    attempt("catalog", datasets.catalog)
    for name in ("home_activities", "sachs", "bnlearn"):
        attempt(f"load {name}", lambda n=name: datasets.load(n))
    attempt("run home_activities", lambda: experiment.run("home_activities"))


def commands() -> None:
    Path("rows.csv").write_text("A,B\nx,u\ny,\n,v\nx,v\n")
    rows = ("--evidence-file", "rows.csv")
    for ask in ("infer", "map", "sample"):
        command(ask, "net.bif")
        command(ask, "net.bif", *rows)
        command(ask, "net.bif", *rows, "--output", "answers.csv.gz")
        command(ask, "net.bif", *rows, "--output", "answers.parquet")
    command("infer", "alarm")
    command("infer", "net.mmgraph", "-e", "A=x", "--json")
    command("map", "field.mmgraph")
    command("fit", "net.bif", "--data", "rows.csv", "--output", "fitted.bif")
    command("fit", "home_activities_dbm", "--output", "machine.mmgraph")
    command("show", "net.bif")
    command("show", "net.bif", "--output", "net.png")
    command("convert", "net.bif", "net.uai")
    command("datasets")
    command("run", "home_activities")
    label = ("label", "--sensor", "a=image.npy", "--labels", "labels.npy")
    command(*label)
    command(*label, "--picture")
    command(*label, "--unary", "svm")
    command("--version")


if __name__ == "__main__":
    for part in (files_and_questions, learning, images, commands):
        part()
    print(json.dumps(outcomes))
