"""What is asked for by name, whichever method is asked."""

from __future__ import annotations

import pytest

import mmgraph as mm
from mmgraph.graph.errors import UnknownVariableError
from mmgraph.inference.mean_field.mean_field import mean_field
from mmgraph.inference.minimisation.branch_and_bound import branch_and_bound
from mmgraph.inference.minimisation.graph_cut import graph_cut
from mmgraph.inference.minimisation.move_making import alpha_beta_swap, alpha_expansion
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.sampling.annealing import annealed_importance_sampling
from mmgraph.inference.sampling.gibbs import gibbs
from mmgraph.inference.sampling.parallel_tempering import parallel_tempering
from tests.inference.models import random_network

METHODS = [
    gibbs, parallel_tempering, annealed_importance_sampling, mean_field,
    graph_cut, alpha_expansion, alpha_beta_swap, branch_and_bound,
]  # fmt: skip


def network():
    net = random_network(3, leaves=1)
    leaf = next(n for n, v in net.variables.items() if not v.is_discrete)
    return net, leaf


def test_all_discrete_variables_or_those_named():
    net, leaf = network()
    names = [n for n in net.variables if n != leaf]
    assert named_variables(net, None) == names
    assert named_variables(net, names[0]) == names[:1]
    assert named_variables(net, names[::-1]) == names[::-1]
    assert named_variables(net, []) == []


@pytest.mark.parametrize("method", METHODS)
def test_no_method_answers_for_a_continuous_variable(method):
    net, leaf = network()
    nothing = mm.Evidence.of(None, net.variables)
    with pytest.raises(UnknownVariableError, match=f"'{leaf}' is continuous"):
        method(net, nothing, variables=[leaf])
    with pytest.raises(UnknownVariableError, match="nobody"):
        method(net, nothing, variables=["nobody"])
