"""The torch form of the join tree: equal to the kernel, and differentiable."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError, ZeroProbabilityError
from tests.inference.exact.test_junction_tree import possible_rows
from tests.inference.models import random_evidence, random_graph, random_network, seeds


@settings(max_examples=80)
@given(seeds, st.sampled_from([0.0, 0.3]), st.integers(1, 4), st.booleans())
def test_torch_equals_the_kernel(seed: int, zeros: float, rows: int, network: bool):
    graph = random_network(seed, zeros, 2) if network else random_graph(seed, zeros)
    evidence = possible_rows(graph, random_evidence(graph, seed + 1, rows))
    expected = mm.query(graph, evidence, method="junction_tree")
    found = mm.query(graph, evidence, method="torch")
    torch.testing.assert_close(found.log_evidence, expected.log_evidence, rtol=1e-10, atol=1e-9)
    for name in expected.marginals:
        torch.testing.assert_close(
            found.marginal(name), expected.marginal(name), rtol=0, atol=1e-10
        )


def small_graph(first: torch.Tensor, second: torch.Tensor) -> mm.FactorGraph:
    a, b, c = mm.Variable("a", 2), mm.Variable("b", 3), mm.Variable("c", 2)
    return mm.FactorGraph(
        [a, b, c], [mm.TableFactor([a, b], first), mm.TableFactor([b, c], second)]
    )


def test_gradients_of_marginals_and_log_partition():
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(2, 3, dtype=torch.float64, generator=generator).add(0.1).requires_grad_()
    second = torch.rand(3, 2, dtype=torch.float64, generator=generator).add(0.1).requires_grad_()
    soft = torch.randn(2, 2, dtype=torch.float64, generator=generator).requires_grad_()

    def marginals(x: torch.Tensor, y: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        post = mm.query(small_graph(x, y), {"c": mm.soft(s)})
        assert post.method == "torch"
        return torch.cat([post.marginal("a"), post.marginal("b")], 1)

    def log_total(x: torch.Tensor, y: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return mm.log_partition(small_graph(x, y), {"c": mm.soft(s)})

    assert torch.autograd.gradcheck(marginals, (first, second, soft))
    assert torch.autograd.gradcheck(log_total, (first, second, soft))


def test_gradients_reach_a_continuous_leaf():
    a = mm.Variable("a", 2)
    x = mm.Variable("x", shape=(2,), family="gaussian")
    means = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    leaf = mm.GaussianLeaf(x, [a], means, torch.eye(2).double(), covariance="shared")
    graph = mm.FactorGraph([a, x], [mm.TableFactor([a], [0.4, 0.6], child=a), leaf])
    log_total = mm.log_partition(graph, {"x": torch.tensor([[0.2, 0.3]]).double()})
    log_total.sum().backward()
    assert means.grad is not None
    assert bool((means.grad != 0).all())


def test_impossible_evidence_is_an_error():
    net = mm.BayesianNetwork.from_tables([], {"a": [1.0, 0.0]})
    with pytest.raises(ZeroProbabilityError, match="a=1"):
        mm.query(net, {"a": 1}, method="torch")


def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch):
    net = mm.read("asia")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MmgraphError, match="no such CUDA device"):
        mm.query(net, device="cuda")
    for device in ("gpuu", "meta", "cuda:", "cuda:x"):
        with pytest.raises(MmgraphError, match=f"unknown device '{device}'"):
            mm.query(net, device=device)


def test_cuda_equals_cpu(cuda):
    net = mm.read("alarm")
    drawn = mm.sample(net, 64, generator=torch.Generator().manual_seed(0)).codes
    evidence = {n: drawn[n] for n in ("HRBP", "BP", "CVP")}
    expected = mm.query(net, evidence)
    found = mm.query(net, evidence, device=cuda)
    assert found.marginal("HISTORY").device.type == "cuda"
    for name in net.variables:
        torch.testing.assert_close(
            found.marginal(name).cpu(), expected.marginal(name), rtol=0, atol=1e-10
        )
