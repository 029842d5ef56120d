from pathlib import Path

import networkx as nx
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from mmgraph.graph.errors import FormatError
from mmgraph.learning.structure.learned_structure import LearnedStructure
from mmgraph.plots import draw_structure
from mmgraph.plots.structure import _downwards

NAMES = ("gene", "tumour", "diagnosis", "age")


def structure(**attributes):
    return LearnedStructure(
        NAMES,
        [("gene", "tumour"), ("tumour", "diagnosis"), ("age", "diagnosis")],
        -1.0,
        "by hand",
        ([("tumour", "diagnosis"), ("age", "diagnosis")], [("gene", "tumour")]),
        modalities={"gene": "genome", "tumour": "image"},
        **attributes,
    )


def bootstrapped():
    return structure(
        confidence={
            ("gene", "tumour"): 0.4,
            ("tumour", "gene"): 0.6,
            ("tumour", "diagnosis"): 0.5,
        },
        consensus=[("tumour", "gene"), ("tumour", "diagnosis")],
        threshold=0.5,
    )


def lines_and_heads(figure):
    (axes,) = figure.axes
    lines, *others = axes.collections
    assert isinstance(lines, LineCollection)
    assert all(isinstance(kind, PolyCollection) for kind in others)
    return lines, [len(kind.get_paths()) for kind in others]


def test_edges_without_a_direction_have_no_head():
    figure = draw_structure(structure())
    lines, heads = lines_and_heads(figure)
    assert len(lines.get_paths()) == 3
    assert heads == [2]
    assert len(set(lines.get_linewidths())) == 1
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["genome", "image", "no modality"]


def test_widths_are_the_confidence_of_edges_either_way():
    figure = draw_structure(bootstrapped())
    lines, _ = lines_and_heads(figure)
    sure, half, never = lines.get_linewidths()
    assert sure > half > never > 0
    texts = [t.get_text() for t in figure.legends[0].get_texts()]
    assert texts[-2:] == ["in 100% of replicates", "in 50% of replicates"]
    lines, heads = lines_and_heads(draw_structure(bootstrapped(), consensus=True))
    assert len(lines.get_paths()) == sum(heads) == 2


def test_what_fci_leaves_open_is_a_circle(tmp_path: Path):
    pag = [
        ("diagnosis", "-->", "age"),
        ("gene", "o->", "tumour"),
        ("tumour", "<->", "age"),
        ("gene", "o-o", "age"),
        ("diagnosis", "---", "gene"),
    ]
    found = structure(pag=pag)
    _, heads = lines_and_heads(draw_structure(found, tmp_path / "found.svg"))
    assert heads == [4, 3]
    assert (tmp_path / "found.svg").stat().st_size > 1000
    edges = _downwards(found)
    assert nx.is_directed_acyclic_graph(nx.DiGraph(edges))
    turned = {"--": "--", "<>": "<>", "oo": "oo", "->": "<-", "o>": "<o"}
    for a, mark, b in pag:
        ends = mark[0] + mark[-1]
        assert edges.get((a, b)) == ends or edges[b, a] == turned[ends]


def test_an_unknown_ending_is_refused(tmp_path: Path):
    with pytest.raises(FormatError, match=r"\.gif"):
        draw_structure(structure(), tmp_path / "found.gif")
    assert not list(tmp_path.iterdir())
