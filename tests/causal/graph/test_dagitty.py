"""Graphs in dagitty's language."""

from __future__ import annotations

import pytest

import mmgraph as mm
from mmgraph.causal.graph.dagitty import published_graphs, read_dagitty
from mmgraph.graph.errors import FormatError


def test_everything_that_a_text_may_hold():
    text = """
    dag "a title" {
      bb="-3,-0.5,2,1.2"  // the frame
      "blood pressure" [outcome, pos="1,-0.5"]
      x [exposure,pos="0,0"]; a.1 [adjusted]; s [selected]
      u [latent]  # not observed
      x -> m -> "blood pressure" [beta=0.5]
      x <-> "blood pressure" [pos="-2,-1"]
      u -> {m s, a.1} <- z-2
      /* several
         lines */
    }
    """
    read = read_dagitty(text)
    graph = read.graph
    assert graph.nodes == ("blood pressure", "x", "a.1", "s", "m", "z-2")
    assert set(graph.directed.edges) == {
        ("x", "m"),
        ("m", "blood pressure"),
        ("z-2", "m"),
        ("z-2", "s"),
        ("z-2", "a.1"),
    }
    pairs = {frozenset(e) for e in graph.bidirected.edges}
    assert pairs == {
        frozenset(p) for p in (("x", "blood pressure"), ("m", "s"), ("m", "a.1"), ("s", "a.1"))
    }
    assert read.roles == {
        "exposure": ("x",),
        "outcome": ("blood pressure",),
        "latent": ("u",),
        "adjusted": ("a.1",),
        "selected": ("s",),
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pyparsing
def test_published_graphs_are_read_as_pgmpy_reads_them():
    from pgmpy.base import DAG

    published = published_graphs()
    assert len(published) >= 12
    for name, path in published.items():
        model = mm.CausalModel.from_dagitty(name)
        # Theirs knows no bidirected edges, and takes long for large graphs.
        if "<->" in path.read_text() or model.latent or len(model.nodes) > 12:
            continue
        theirs = DAG.from_dagitty(path.read_text())
        assert set(theirs.edges) == set(model.graph.directed.edges)
        assert set(theirs.nodes) == set(model.nodes)
    m_bias = mm.CausalModel.from_dagitty("M-bias")
    assert str(m_bias.identify("D", "E")) == "P(D | do(E)) = P(D | E)"
    thoemmes = mm.CausalModel.from_dagitty(published["Thoemmes_2013"])
    assert thoemmes.latent == {"e0", "e1", "e3", "e4"}
    assert not thoemmes.graph.bidirected.edges


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph { a -- b }", "line 1: expected 'dag' at the beginning, found 'graph'"),
        ("dag {\n a -- b }", "line 2: expected '->', '<-' or '<->' in a dag, found '--'"),
        ("dag {\n a -> }", "line 2: expected the name of a variable"),
        ("dag { a -> b", "found the end of the file"),
        ("dag { a -> {b [x] } }", "expected the name of a variable or '}'"),
        ("dag { a -> b -> a }", "cycle: a -> b -> a"),
        ("dag { a <-> a }", "joins 'a' to itself"),
        ("dag { a [exposure", r"expected an attribute or '\]'"),
        ('dag { "a }', "never ends"),
        ("dag { a } b", "expected nothing after the last '}', found 'b'"),
        ("Acid_1995", "did you mean 'Acid_1996'"),
    ],
)
def test_errors_say_where_and_what_was_expected(text, message):
    with pytest.raises(FormatError, match=message):
        read_dagitty(text)


def test_a_variable_may_be_called_like_a_hidden_cause():
    graph = read_dagitty('dag { a <-> b; "a <-> b" -> b }').graph
    assert graph.nodes == ("a", "b", "a <-> b")
    assert list(graph.bidirected.edges) == [("a", "b")]
