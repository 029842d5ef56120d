from dataclasses import replace

import numpy as np
import torch

from mmgraph.learning.structure.bootstrap import Frequencies, bootstrap
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.learned_structure import LearnedStructure

NAMES = ("gene", "tumour", "diagnosis", "age")
MODALITIES = {"gene": "genome", "tumour": "image", "diagnosis": None, "age": None}


def graph(*edges):
    adjacency = np.zeros((4, 4), dtype=bool)
    adjacency[tuple(zip(*edges, strict=True))] = True
    return adjacency


def structure(**constraints):
    return LearnedStructure.of_graph(
        Constraints.of(NAMES, **constraints),
        graph((0, 1), (1, 2), (3, 2)),
        score=-12.5,
        method="hill climbing by BIC",
        modalities=MODALITIES,
        seconds=0.25,
    )


def test_edges_and_their_class_are_named():
    found = structure()
    assert found.edges == [("gene", "tumour"), ("tumour", "diagnosis"), ("age", "diagnosis")]
    assert found.cpdag == (
        [("tumour", "diagnosis"), ("age", "diagnosis")],
        [("gene", "tumour")],
    )
    assert structure(tiers=[["gene"], ["tumour"]]).cpdag == (found.edges, [])
    assert found.confidence is found.edge_confidence is None


def test_a_bootstrap_adds_confidence_and_a_consensus():
    arcs = np.zeros((4, 4))
    arcs[0, 1], arcs[1, 0], arcs[1, 2], arcs[0, 3] = 0.3, 0.5, 0.9, 0.1
    found = structure().with_frequencies(Frequencies(arcs, 10))
    assert found.confidence == {
        ("tumour", "diagnosis"): 0.9,
        ("tumour", "gene"): 0.5,
        ("gene", "tumour"): 0.3,
        ("gene", "age"): 0.1,
    }
    assert found.edge_confidence[frozenset(("gene", "tumour"))] == 0.8
    assert found.threshold == 0.8
    assert found.consensus == [("tumour", "gene"), ("tumour", "diagnosis")]
    frame = found.to_frame()
    assert frame.cause.tolist() == ["gene", "tumour", "age", "gene"]
    assert frame.in_graph.tolist() == [True, True, True, False]
    assert frame.in_consensus.tolist() == [False, True, False, False]
    assert frame.confidence.tolist() == [0.3, 0.9, 0.0, 0.1]
    assert frame.edge_confidence.tolist() == [0.8, 0.9, 0.0, 0.1]
    assert frame.cause_modality.tolist() == ["genome", "image", "", "genome"]
    assert "consensus: 2 edges with a confidence of 0.8 or more" in repr(found)


def test_a_consensus_keeps_to_the_most_parents():
    arcs = np.zeros((4, 4))
    arcs[:3, 3] = 0.5, 0.7, 0.6
    found = structure(max_parents=2).with_frequencies(Frequencies(arcs, 10), 0.1, max_parents=2)
    assert found.consensus == [("tumour", "age"), ("diagnosis", "age")]


PAG = [
    ("gene", "o->", "tumour"),
    ("tumour", "<->", "diagnosis"),
    ("gene", "o-o", "age"),
    ("age", "-->", "diagnosis"),
]


def test_the_edges_of_a_partial_ancestral_graph_count_in_a_bootstrap():
    edges = [("age", "diagnosis")]
    found = LearnedStructure(NAMES, edges, None, "FCI", (edges, []), pag=PAG)
    ways = [[0, 1], [0, 3], [1, 2], [2, 1], [3, 0], [3, 2]]
    assert np.argwhere(found.marks).tolist() == ways
    frame = found.to_frame()
    assert list(zip(frame.cause, frame["mark"], frame.effect, strict=True)) == PAG
    assert frame.in_graph.tolist() == frame.directed.tolist() == [False, False, False, True]
    assert list(found.to_networkx().edges) == edges
    seed = torch.Generator().manual_seed(0)
    found = found.with_frequencies(bootstrap(lambda _: found.marks, 9, 4, seed))
    assert found.confidence["gene", "tumour"] == 1.0
    assert found.confidence["tumour", "diagnosis"] == 0.5
    assert set(map(frozenset, found.consensus)) == {frozenset((a, b)) for a, _, b in PAG}
    frame = replace(found, confidence={("age", "tumour"): 0.1}).to_frame()
    assert frame["mark"].tolist() == [mark for _, mark, _ in PAG] + [""]
    assert "mark" not in structure().to_frame()


def test_other_forms():
    found = structure()
    text = repr(found)
    assert "4 variables, 3 edges, score -12.5" in text
    assert "gene -> tumour, tumour -> diagnosis, age -> diagnosis" in text
    network = found.to_networkx()
    assert list(network) == list(NAMES)
    assert network.nodes["gene"]["modality"] == "genome"
    assert not network.edges["gene", "tumour"]["directed"]
    assert network.edges["age", "diagnosis"] == {"directed": True}
    assert list(found.to_frame().columns)[-1] == "directed"
    empty = LearnedStructure((), [], None, "nothing", ([], []))
    assert repr(empty).startswith("LearnedStructure: 0 variables, 0 edges\n")
    assert empty.to_frame().empty
