"""ID and IDC: published graphs, and random ones against full models and another program."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import mmgraph as mm
from mmgraph.causal.identification.hedge import Hedge
from tests.causal.identification.full_models import FullModel, random_cases, random_query
from tests.causal.identification.witnesses import effects_differ


def arrows(text: str) -> mm.CausalModel:
    """The model of ``"x>y x-y"``: directed edges by >, bidirected ones by -."""
    edges = text.split()
    nodes = list(dict.fromkeys(n for e in edges for n in e.replace("-", ">").split(">")))
    return mm.CausalModel(
        nodes,
        [tuple(e.split(">")) for e in edges if ">" in e],
        [tuple(e.split("-")) for e in edges if "-" in e],
    )


IDENTIFIABLE = {
    "back-door": ("z>x z>y x>y", "y", "x", ""),
    "front-door": ("x>m m>y x-y", "y", "x", ""),
    "M-bias": ("x>y x-z z-y", "y", "x", ""),
    "napkin": ("w>r r>x x>y w-x w-y", "y", "x", ""),
    "conditional front-door": ("x>m m>y z>x z>m x-y", "y", "x", "z"),
    "front-door, a descendant given": ("x>m m>y m>z x-y", "y", "x", "z"),
    "Verma": ("a>b b>c c>d b-d", "d", "c", ""),
    "front-door with two mediators": ("x>z1 z1>z2 z2>y x-z2 z1-y", "y", "x", ""),
    # Its districts take Tian and Pearl's c-factors: no set of covariates suffices.
    "Pearl 2009, figure 3.8g": ("x>z1 z1>y z2>x z2>z1 z2>z3 z3>y x-z2 x-z3 x-y z2-y", "y", "x", ""),
    "two outcomes": ("x>z z>y x-y", "z y", "x", ""),
    "Shpitser and Pearl 2006, without a hedge": (
        "w>x x>y1 z>y2 w-y1 w-z w-y2 x-z",
        "y1 y2",
        "x",
        "",
    ),
    "two treatments": ("x1>z z>x2 x2>y x1>y x1-z z-y", "y", "x1 x2", ""),
    "napkin behind another": ("a>b b>c c>x x>y a-c b-x a-y", "y", "x", ""),
    "nothing set": ("x>y x-y", "y", "", "x"),
}
NOT_IDENTIFIABLE = {
    "bow arc": ("x>y x-y", "y", "x", ""),
    "bow arc behind a mediator": ("x>m m>y x-m", "y", "x", ""),
    "instrument": ("z>x x>y x-y", "y", "x", ""),
    "front-door, the treatment confounded with the mediator": ("x>z z>y x-y x-z", "y", "x", ""),
    "Shpitser and Pearl 2006, with a hedge": (
        "w>x x>y1 z>y2 w>z w-y1 w-z w-y2 x-z",
        "y1 y2",
        "x",
        "",
    ),
    "M-bias, the collider given": ("x>y z>y x-y", "y", "x", "z"),
    "a confounded effect given": ("x>y x>z x-z z-y", "y", "x", "z"),
    "front-door, the mediator confounded": ("x>m m>y x-y m-y", "y", "x", ""),
}


def split(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


@pytest.mark.parametrize("case", IDENTIFIABLE)
def test_published_effects_have_their_value(case):
    text, *query = IDENTIFIABLE[case]
    model, (outcome, do, given) = arrows(text), split(*query)
    answer = model.identify(outcome, do, given)
    assert answer.identifiable
    assert answer.hedge is None
    assert answer.estimand.free <= {*outcome, *do, *given}
    for seed in range(3):
        full = FullModel.random(model, np.random.default_rng(seed))
        value = answer.evaluate(full.joint())
        np.testing.assert_allclose(value, full.answer(outcome, do, given), atol=1e-12)


@pytest.mark.parametrize("case", NOT_IDENTIFIABLE)
def test_published_effects_without_a_formula_have_two_witnesses(case):
    text, *query = NOT_IDENTIFIABLE[case]
    model, (outcome, do, given) = arrows(text), split(*query)
    answer = model.identify(outcome, do, given)
    assert not answer.identifiable
    assert answer.estimand is None
    check_hedge(model, answer.hedge)
    generator = np.random.default_rng(5)
    assert effects_differ(model.graph, answer.hedge, outcome, do, given, generator)


def check_hedge(model: mm.CausalModel, hedge: Hedge) -> None:
    """The definition: two C-forests of the graph with the same roots, F' free of what is set."""
    for forest in (hedge.forest, hedge.inner):
        assert set(forest.directed.edges) <= set(model.graph.directed.edges)
        assert all(model.graph.bidirected.has_edge(*e) for e in forest.bidirected.edges)
        assert nx.is_connected(forest.bidirected)
        assert {n for n in forest.nodes if not forest.directed.out_degree(n)} == set(hedge.roots)
        assert max(dict(forest.directed.out_degree).values()) <= 1
    assert set(hedge.inner.directed.edges) <= set(hedge.forest.directed.edges)
    assert all(hedge.forest.bidirected.has_edge(*e) for e in hedge.inner.bidirected.edges)
    assert hedge.do
    assert set(hedge.do) <= set(hedge.forest.nodes) - set(hedge.inner.nodes)


def referee(model: mm.CausalModel, outcome: list[str], do: list[str], given: list[str]) -> bool:
    """The verdict of causaleffect."""
    import igraph
    from causaleffect.id import ID

    place = {n: i for i, n in enumerate(model.nodes)}
    edges = [(place[a], place[b], 0) for a, b in model.graph.directed.edges]
    for a, b in model.graph.bidirected.edges:
        edges += [(place[a], place[b], 1), (place[b], place[a], -1)]
    graph = igraph.Graph(len(place), [e[:2] for e in edges], directed=True)
    graph.vs["name"] = list(model.nodes)
    graph.es["confounding"] = [e[2] for e in edges]
    return ID(set(outcome), set(do), graph, set(given)).identifiable


def check_random_graphs(seeds: range) -> tuple[int, int]:
    """Two queries a graph: the value or two witnesses, and the referee's verdict."""
    identifiable = others = 0
    for generator, model in random_cases(seeds):
        full = FullModel.random(model, generator)
        joint = full.joint()
        for _ in range(2):
            outcome, do, given = random_query(generator, model)
            answer = model.identify(outcome, do, given)
            assert answer.identifiable == referee(model, outcome, do, given)
            if answer.identifiable:
                identifiable += 1
                value = answer.evaluate(joint)
                np.testing.assert_allclose(value, full.answer(outcome, do, given), atol=1e-9)
            else:
                others += 1
                check_hedge(model, answer.hedge)
                query = (outcome, do, given)
                assert effects_differ(model.graph, answer.hedge, *query, generator), query
    return identifiable, others


def test_random_graphs():
    identifiable, others = check_random_graphs(range(30))
    assert identifiable > 30
    assert others > 5


@pytest.mark.slow  # 120 graphs beside those above
def test_many_random_graphs():
    identifiable, others = check_random_graphs(range(30, 150))
    assert identifiable > 120
    assert others > 20
