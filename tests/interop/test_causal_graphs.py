"""Causal graphs as DoWhy and pgmpy take them."""

from __future__ import annotations

import re

import networkx as nx

import mmgraph as mm

MODEL = mm.CausalModel(
    ["x", "a & b", "U_x_y", "y"],
    [("x", "a & b"), ("a & b", "y")],
    [("x", "y")],
    modalities={"x": "image"},
)
EDGES = {("x", "a & b"), ("a & b", "y"), ("U_x_y_", "x"), ("U_x_y_", "y")}


def test_gml_is_what_dowhy_reads():
    text = MODEL.to_dowhy()
    assert re.match(r".*graph\s*\[.*\]\s*", text)  # how DoWhy tells GML from DOT
    graph = nx.DiGraph(nx.parse_gml(text))
    assert set(graph.edges) == EDGES
    assert set(graph.nodes) == {*MODEL.nodes, "U_x_y_"}


def test_pgmpy_gets_hidden_causes_as_latents():
    dag = MODEL.to_pgmpy()
    assert set(dag.edges) == EDGES
    assert dag.latents == {"U_x_y_"}
    assert dag.nodes["x"]["modality"] == "image"
