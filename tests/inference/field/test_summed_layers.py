"""Which layers are summed out."""

import torch

import mmgraph as mm
from mmgraph.graph.evidence import Evidence
from mmgraph.inference.field.summed_layers import layers_to_sum
from mmgraph.inference.field.view import FieldView


def test_of_choices_that_cost_the_same_the_first_variables_are_summed_out():
    names = ("alpha", "beta", "gamma", "delta", "first", "second", "left", "right")
    layers = [mm.Variable(name, shape=(2,), family="bernoulli") for name in names]
    factors = [mm.BiasFactor(v, torch.zeros(2)) for v in layers]
    factors += [
        mm.BilinearFactor(a, b, torch.ones(2, 2))
        for a, b in zip(layers[::2], layers[1::2], strict=True)
    ]
    graph = mm.FactorGraph(layers, factors)
    view = FieldView(graph, Evidence.of(None, graph.variables), torch.device("cpu"), torch.float64)
    chosen = layers_to_sum(view, lambda rest: float(len(rest)))
    assert chosen == ["alpha", "gamma", "first", "left"]
