"""Factor graphs: validation, energy, colouring, networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError, UnknownVariableError


def chain() -> mm.FactorGraph:
    a, b, c = mm.Variable("a", 2, modality="sound"), mm.Variable("b", 3), mm.Variable("c", 2)
    generator = np.random.default_rng(0)
    return mm.FactorGraph(
        [a, b, c],
        [
            mm.TableFactor([a, b], generator.random((2, 3))),
            mm.TableFactor([b, c], generator.random((3, 2))),
            mm.UnaryFactor(a, [0.0, 1.0]),
        ],
    )


def test_energy_is_minus_the_log_of_the_product():
    graph = chain()
    first, second, _ = graph.factors
    rows = {"a": [0, 1], "b": [2, 0], "c": [1, 1]}
    expected = -np.log(first.values.numpy()[[0, 1], [2, 0]] * second.values.numpy()[[2, 0], [1, 1]])
    np.testing.assert_allclose(graph.energy(rows).numpy(), expected - [0.0, 1.0])
    assert graph.energy({"a": 0, "b": 2, "c": 1}).shape == (1,)


def test_the_energy_of_all_states_gives_the_partition_function():
    graph = chain()
    a, b, c = np.meshgrid(range(2), range(3), range(2), indexing="ij")
    energy = graph.energy({"a": a.ravel(), "b": b.ravel(), "c": c.ravel()})
    torch.testing.assert_close(torch.logsumexp(-energy, 0)[None], mm.log_partition(graph))


def test_colours_part_neighbours():
    groups = chain().colouring()
    assert sorted(name for group in groups for name in group) == ["a", "b", "c"]
    for group in groups:
        assert not {"a", "b"} <= set(group)
        assert not {"b", "c"} <= set(group)


def test_networkx_there_and_back():
    graph = chain()
    bipartite = graph.to_factor_graph()
    assert nx.utils.graphs_equal(graph.to_networkx(), bipartite)
    assert bipartite.nodes["a"]["modality"] == "sound"
    assert nx.is_bipartite(bipartite)
    again = mm.FactorGraph.from_networkx(bipartite)
    torch.testing.assert_close(mm.log_partition(again), mm.log_partition(graph))


def test_a_pairwise_networkx_graph():
    graph = nx.Graph()
    graph.add_node("u", states=("no", "yes"), modality="camera", log_values=[0.0, 0.5])
    graph.add_node("v", states=2)
    graph.add_edge("u", "v", values=[[2.0, 1.0], [1.0, 2.0]])
    built = mm.FactorGraph.from_networkx(graph)
    expected = np.log(3.0 + 3.0 * np.exp(0.5))
    assert float(mm.log_partition(built)) == pytest.approx(expected)
    assert built.modalities == ("camera",)
    del graph.edges["u", "v"]["values"]
    with pytest.raises(GraphError, match="neither 'values' nor 'log_values'"):
        mm.FactorGraph.from_networkx(graph)


def test_moves_change_the_precision():
    assert chain().to(dtype=torch.float32).factors[0].values.dtype == torch.float32


def test_bad_input():
    a, other = mm.Variable("a", 2), mm.Variable("a", 2)
    with pytest.raises(GraphError, match="two variables are called 'a'"):
        mm.FactorGraph([a, other])
    with pytest.raises(GraphError, match="'a', which is not the graph's variable"):
        mm.FactorGraph([a], [mm.TableFactor([other], [0.5, 0.5])])
    with pytest.raises(UnknownVariableError, match="does not give 'c'"):
        chain().energy({"a": 0, "b": 0})
    with pytest.raises(UnknownVariableError, match="'d'"):
        chain().energy({"a": 0, "b": 0, "c": 0, "d": 0})


def of_every_kind() -> mm.FactorGraph:
    scalar, other = mm.Variable("scalar", 2), mm.Variable("other", 2)
    image, real = mm.Variable("image", 3, (2, 2)), mm.Variable("real", family="gaussian")
    units = mm.Variable("units", shape=(2,), family="bernoulli")
    values = mm.Variable("values", shape=(3,), family="gaussian")
    return mm.FactorGraph(
        [scalar, other, image, real, units, values],
        [
            mm.TableFactor([scalar, other], [[0.2, 0.4], [0.5, 0.1]]),
            mm.NoisyOr(other, [scalar], [0.7], 0.1),
            mm.UnaryFactor(image, np.arange(12.0).reshape(2, 2, 3)),
            mm.GridFactor(image, mm.Potts(), 0.5),
            mm.PairwiseFactor(image, [(0, 3)], [[0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, 0.0]]),
            mm.GaussianLeaf(real, [scalar], [[0.0], [1.0]], [[[1.0]], [[2.0]]]),
            mm.BiasFactor(units, [0.5, -0.5]),
            mm.BiasFactor(values, [0.5, -0.5, 1.0], [1.0, 2.0, 3.0]),
            mm.BilinearFactor(values, units, np.arange(6.0).reshape(3, 2)),
        ],
    )


def test_energy_takes_states_from_any_device(cuda):
    graph = of_every_kind()
    rows = {
        "scalar": torch.tensor([0, 1]),
        "other": torch.tensor([1, 1]),
        "image": torch.tensor([[[0, 1], [2, 2]], [[1, 1], [0, 1]]]),
        "real": torch.tensor([0.5, -1.0]),
        "units": torch.tensor([[0, 1], [1, 1]]),
        "values": torch.tensor([[0.5, 1.0, -1.0], [0.0, 2.0, 1.0]]),
    }
    expected = graph.energy(rows)
    elsewhere = {name: given.to(cuda) for name, given in rows.items()}
    mixed = {n: (elsewhere if i % 2 else rows)[n] for i, n in enumerate(rows)}
    for place in ("cpu", cuda):
        moved = graph.to(place)
        for given in (rows, elsewhere, mixed):
            torch.testing.assert_close(moved.energy(given).cpu(), expected)


def mean_of_tables(graph, scale=1):
    return scale * sum(float(table.values.exp().mean()) for table in graph.tables())


def scopes_of(graph):
    return [tuple(v.name for v in f.scope) for f in graph.factors]


def rain_and_lawn(chance=0.2):
    rain, lawn = mm.Variable("rain", 2), mm.Variable("lawn", 2)
    return mm.FactorGraph(
        [rain, lawn],
        [
            mm.TableFactor([rain], [1 - chance, chance], child=rain),
            mm.TableFactor([rain, lawn], [[0.9, 0.1], [0.3, 0.7]], child=lawn),
        ],
    )


def test_what_is_derived_is_computed_once_for_each_argument():
    graph = rain_and_lawn()
    assert graph.cached(scopes_of) is graph.cached(scopes_of)
    assert graph.cached(mean_of_tables, 2) == 2 * graph.cached(mean_of_tables)


def test_exchanged_factors_empty_the_cache_and_leave_the_structure():
    graph = rain_and_lawn()
    before, scopes = graph.cached(mean_of_tables, 1), graph.cached_structure(scopes_of)
    changed = mm.TableFactor(graph.factors[0].scope, [0.0, 3.0], child=graph.factors[0].child)
    graph.exchange_factors([changed, graph.factors[1]])
    assert graph.cached(mean_of_tables, 1) != before
    assert graph.cached_structure(scopes_of) is scopes
    graph.exchange_factors([changed])
    assert graph.cached_structure(scopes_of) == [("rain",)]


def test_factors_of_other_variables_are_refused_and_change_nothing():
    graph = rain_and_lawn()
    with pytest.raises(GraphError, match="not the graph's variable"):
        graph.exchange_factors(rain_and_lawn().factors)
    assert mm.query(graph).marginal("rain")[0, 1] == pytest.approx(0.2)
    with pytest.raises(AttributeError):
        graph.factors = ()


def test_graphs_of_one_structure_share_what_no_number_changes():
    graph = rain_and_lawn()
    rain = graph.variables["rain"]
    other = graph.with_factors([mm.TableFactor([rain], [0.5, 0.5], child=rain), graph.factors[1]])
    assert other.cached_structure(scopes_of) is graph.cached_structure(scopes_of)
    assert mm.query(other).marginal("rain")[0, 1] == pytest.approx(0.5)
    assert mm.query(graph).marginal("rain")[0, 1] == pytest.approx(0.2)
    smaller = graph.with_factors(graph.factors[:1])
    assert smaller.cached_structure(scopes_of) == [("rain",)]


def test_tensors_written_to_in_place_empty_the_cache():
    graph = rain_and_lawn()
    before = graph.cached(mean_of_tables)
    graph.factors[0].values.mul_(2)
    graph.numbers_changed()
    assert graph.cached(mean_of_tables) > before
