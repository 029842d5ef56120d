"""Colours against the factors that elements share."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

import mmgraph as mm
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.colouring import (
    colour_elements,
    colour_ends,
    colour_masks,
    table_nodes,
)
from tests.inference.models import random_graph, random_network, seeds


def grid(neighbours: int, shape: tuple[int, ...] = (5, 6)) -> mm.FactorGraph:
    labels = mm.Variable("labels", 3, shape)
    return mm.FactorGraph([labels], [mm.GridFactor(labels, mm.Potts(), neighbours=neighbours)])


def test_a_grid_of_four_neighbours_becomes_a_checkerboard():
    colours = colour_elements(pairwise_graph(grid(4))).colours.reshape(5, 6)
    np.testing.assert_array_equal(colours, np.indices((5, 6)).sum(0) % 2)


@pytest.mark.parametrize(("neighbours", "shape", "count"), [(8, (5, 6), 4), (26, (3, 4, 5), 8)])
def test_corners_need_a_colour_for_each_parity(neighbours, shape, count):
    colouring = colour_elements(pairwise_graph(grid(neighbours, shape)))
    assert colouring.count == count
    together = np.concatenate(colouring.classes)
    np.testing.assert_array_equal(np.sort(together), np.arange(np.prod(shape)))


@settings(max_examples=30)
@given(seeds)
def test_no_edge_joins_equal_colours(seed):
    view = pairwise_graph(random_network(seed))
    colours = colour_ends(view.first, view.second, view.nodes).colours
    assert (colours >= 0).all()
    assert (colours[view.first] != colours[view.second]).all()


@settings(max_examples=30)
@given(seeds)
def test_all_variables_of_a_table_differ(seed):
    graph = random_graph(seed)
    view = pairwise_graph(graph)
    colours = colour_elements(view).colours
    for factor in graph.factors:
        for a, b in itertools.combinations(factor.scope, 2):
            assert colours[view.first_node[a.name]] != colours[view.first_node[b.name]]
    assert ((colours < 0) == table_nodes(view)).all()


def test_masks_cover_every_element_once():
    graph = grid(8)
    total = sum(np.asarray(colour["labels"]).astype(int) for colour in colour_masks(graph))
    assert (total == 1).all()
    assert colour_masks(graph) is colour_masks(graph)


def test_masks_of_scalar_variables_are_whole():
    graph = random_network(3)
    named = [name for colour in colour_masks(graph) for name in colour]
    assert sorted(named) == sorted(graph.variables)
    assert all(mask is None for colour in colour_masks(graph) for mask in colour.values())
