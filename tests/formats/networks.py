"""Small networks and ways to compare them, shared by the tests of the formats."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from mmgraph.graph.factor import TableFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

PRINTABLE = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8)


def random_table(generator: np.random.Generator, *shape: int) -> np.ndarray:
    table = generator.random(shape)
    return table / table.sum(-1, keepdims=True)


def sprinkler(seed: int = 0) -> BayesianNetwork:
    """Return a network with three states here and two there, so that axes cannot be mistaken."""
    generator = np.random.default_rng(seed)
    return BayesianNetwork.from_tables(
        [("season", "rain"), ("season", "sprinkler"), ("rain", "grass"), ("sprinkler", "grass")],
        {
            "season": random_table(generator, 4),
            "rain": random_table(generator, 4, 2),
            "sprinkler": random_table(generator, 4, 3),
            "grass": random_table(generator, 2, 3, 2),
        },
        states={
            "season": ("spring", "summer", "autumn", "winter"),
            "rain": ("yes", "no"),
            "sprinkler": ("off", "low", "high"),
            "grass": ("wet", "dry"),
        },
        modalities={"rain": "weather station", "grass": "camera"},
    )


def assert_same(first: FactorGraph, second: FactorGraph) -> None:
    """Assert that two graphs of tables agree in everything, numbers to the last bit."""
    assert type(first) is type(second)
    assert list(first.variables) == list(second.variables)
    for one, other in zip(first.variables.values(), second.variables.values(), strict=True):
        assert one.describes_same_as(other)
        assert one.modality == other.modality
        assert list(map(type, one.labels)) == list(map(type, other.labels))
    for f, g in zip(first.factors, second.factors, strict=True):
        assert isinstance(f, TableFactor)
        assert isinstance(g, TableFactor)
        assert [v.name for v in f.scope] == [v.name for v in g.scope]
        assert (f.child and f.child.name) == (g.child and g.child.name)
        assert torch.equal(f.values, g.values)
        assert f.values.dtype == g.values.dtype


@st.composite
def named_networks(draw: st.DrawFn) -> BayesianNetwork:
    """Draw networks with any printable names of variables, states and modalities."""
    names = draw(st.lists(PRINTABLE, min_size=1, max_size=4, unique=True))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    variables: list[Variable] = []
    factors = []
    for name in names:
        states = draw(st.lists(PRINTABLE, min_size=1, max_size=3, unique=True))
        modality = draw(st.none() | PRINTABLE)
        child = Variable(name, tuple(states), modality=modality)
        parents = draw(st.lists(st.sampled_from(variables), unique=True)) if variables else []
        shape = [v.cardinality for v in (*parents, child)]
        table = random_table(generator, *shape)
        factors.append(TableFactor([*parents, child], table, child=child))
        variables.append(child)
    return BayesianNetwork(variables, factors)
