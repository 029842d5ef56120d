"""Noisy-OR and noisy-MAX against enumeration of their hidden effects."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.errors import GraphError, LearningError, UnknownStateError

GRADES = mm.Variable("grade", ("none", "mild", "severe"))


def random_max(sizes: list[int], states: int, seed: int, leak: bool = True) -> mm.NoisyMax:
    rng = np.random.default_rng(seed)
    child = mm.Variable("y", states)
    parents = [mm.Variable(f"x{i}", n) for i, n in enumerate(sizes)]
    absent = {f"x{i}": int(rng.integers(n)) for i, n in enumerate(sizes)}
    effects = []
    for v in parents:
        effect = rng.dirichlet(np.ones(states), v.cardinality)
        effect[absent[v.name]] = np.eye(states)[0]
        effects.append(effect)
    base = rng.dirichlet(np.ones(states)) if leak else None
    return mm.NoisyMax(child, parents, effects, base, absent)


def by_enumeration(model: mm.NoisyMax) -> Tensor:
    """Sum over every combination of hidden effects."""
    states = model.child.cardinality
    table = torch.zeros_like(model.values)
    for given_states in itertools.product(*(range(v.cardinality) for v in model.parents)):
        rows = [e[x] for e, x in zip(model.effects, given_states, strict=True)]
        for hidden in itertools.product(range(states), repeat=len(rows) + 1):
            chance = math.prod(
                float(r[z]) for r, z in zip((*rows, model.leak), hidden, strict=True)
            )
            table[(*given_states, max(hidden))] += chance
    return table


def marginal(factors: tuple[mm.TableFactor, ...], scope: tuple[mm.Variable, ...]) -> Tensor:
    """Multiply small tables and sum out what is not in the scope."""
    names = list(dict.fromkeys(v.name for f in factors for v in f.scope))
    operands: list[object] = []
    for factor in factors:
        operands += [factor.values.numpy(), [names.index(v.name) for v in factor.scope]]
    return torch.from_numpy(np.einsum(*operands, [names.index(v.name) for v in scope]))


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 3), max_size=3),
    states=st.integers(1, 4),
    seed=st.integers(0, 1000),
    leak=st.booleans(),
)
def test_noisy_max_is_the_maximum_of_hidden_effects(
    sizes: list[int], states: int, seed: int, leak: bool
) -> None:
    model = random_max(sizes, states, seed, leak)
    assert torch.allclose(model.values, by_enumeration(model), atol=1e-14)
    assert torch.allclose(marginal(model.decomposed(), model.scope), model.values, atol=1e-14)


@settings(max_examples=30)
@given(
    flipped=st.lists(st.booleans(), min_size=1, max_size=5),
    leak=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 1000),
)
def test_noisy_or_is_the_product_of_inhibitors(flipped: list[bool], leak: float, seed: int) -> None:
    labels = [("yes", "no") if f else ("no", "yes") for f in flipped]
    *parents, child = (mm.Variable(f"v{i}", states) for i, states in enumerate(labels))
    chances = np.random.default_rng(seed).random(len(parents))
    absent = {v.name: "no" for v in (*parents, child)}
    model = mm.NoisyOr(child, parents, chances, leak, absent)
    for given_labels in itertools.product(("no", "yes"), repeat=len(parents)):
        nothing = 1 - leak
        for chance, label in zip(chances, given_labels, strict=True):
            nothing *= 1 - chance if label == "yes" else 1
        index = [v.code(x) for v, x in zip(parents, given_labels, strict=True)]
        row = model.values[tuple(index)]
        assert float(row[child.code("no")]) == pytest.approx(nothing, abs=1e-14)
        assert float(row[child.code("yes")]) == pytest.approx(1 - nothing, abs=1e-14)
    assert torch.allclose(marginal(model.decomposed(), model.scope), model.values, atol=1e-14)


@given(
    sizes=st.lists(st.integers(1, 3), max_size=3), states=st.integers(1, 4), seed=st.integers(0, 99)
)
@settings(max_examples=20)
def test_descending_order_is_the_same_turned_round(
    sizes: list[int], states: int, seed: int
) -> None:
    model = random_max(sizes, states, seed)
    absent = {
        v.name: v.labels[i] for v, i in zip(model.parents, model.settings()["absent"], strict=True)
    }
    child = mm.Variable("y", states)
    effects = [effect.flip(-1) for effect in model.effects]
    turned = mm.NoisyMax(
        child, model.parents, effects, model.leak.flip(-1), absent, descending=True
    )
    assert torch.equal(turned.values, model.values.flip(-1))
    scope = (*model.parents, child)
    assert torch.allclose(marginal(turned.decomposed(), scope), turned.values, atol=1e-12)
    again = mm.NoisyMax.restore(turned.scope, child, turned.parameters(), turned.settings())
    assert torch.equal(again.values, turned.values)
    counts = counts_of(model, seed) + 1
    fitted, other = model.updated(counts), turned.updated(counts.flip(-1))
    assert torch.equal(other.values, fitted.values.flip(-1))
    assert other.descending


def test_small_probabilities_keep_their_digits() -> None:
    parents = [mm.Variable(f"x{i}", 2) for i in range(2)]
    model = mm.NoisyOr(mm.Variable("y", 2), parents, [1e-20, 3e-20], 5e-20)
    assert float(model.values[1, 1, 1]) == pytest.approx(9e-20, rel=1e-12)
    counts = torch.tensor([[[1.0, 1.0], [1.0, 0]], [[1.0, 0], [1.0, 1.0]]])
    assert bool(model.updated(counts).values.isfinite().all())


def test_a_chain_for_more_parents_than_any_table_could_hold() -> None:
    parents = [mm.Variable(f"x{i}", 2) for i in range(60)]
    chain = mm.NoisyOr.chain(mm.Variable("y", 2), parents, [0.05] * 60, 0.01)
    assert len(chain) == 60
    assert max(f.values.numel() for f in chain) == 8
    assert chain[-1].child is not None
    assert chain[-1].child.name == "y"
    belief = torch.ones(1, dtype=torch.float64)
    for factor in chain:  # all parents present
        table = factor.values[..., 1, :].reshape(-1, 2)
        belief = belief @ table
    assert float(belief[0]) == pytest.approx(0.99 * 0.95**60, rel=1e-12)


def counts_of(model: mm.NoisyMax | mm.NoisyOr, seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    weights = rng.gamma(1.0, 1e6, size=tuple(v.cardinality for v in model.parents))
    return torch.from_numpy(weights).unsqueeze(-1) * model.values


def test_updating_recovers_the_parameters_behind_the_counts() -> None:
    parents = [mm.Variable(f"x{i}", 2) for i in range(4)]
    child = mm.Variable("y", ("yes", "no"))
    absent = {"x1": 1, "y": "no"}
    truth = mm.NoisyOr(child, parents, [0.9, 0.4, 0.05, 0.6], 0.2, absent)
    start = mm.NoisyOr(child, parents, [0.5] * 4, 0.5, absent)
    found = start.updated(counts_of(truth, 0), max_iterations=5000, tolerance=1e-14)
    assert torch.allclose(found.probabilities, truth.probabilities, atol=1e-4)
    assert float(found.leak) == pytest.approx(0.2, abs=1e-4)

    graded = random_max([2, 3], 3, 1)
    level = torch.full((3,), 1 / 3, dtype=torch.float64)
    effects = [torch.where(e[:, :1] == 1, e, level) for e in graded.effects]
    again = mm.NoisyMax(
        graded.child,
        graded.parents,
        effects,
        level,
        {v.name: c for v, c in zip(graded.parents, graded.settings()["absent"], strict=True)},
    ).updated(counts_of(graded, 0), max_iterations=5000, tolerance=1e-14)
    assert torch.allclose(again.values, graded.values, atol=1e-4)


def test_every_step_raises_the_likelihood() -> None:
    rng = np.random.default_rng(5)
    model = random_max([2, 3, 2], 3, 2)
    counts = torch.from_numpy(rng.gamma(0.5, 10, size=tuple(model.values.shape)))
    totals = []
    for _ in range(30):
        totals.append(float((counts * model.values.log()).sum()))
        model = model.updated(counts, max_iterations=1)
    assert (np.diff(totals) >= -1e-9).all()
    assert totals[-1] > totals[0] + 1


def test_no_leak_remains_no_leak_and_unseen_states_keep_their_effects() -> None:
    parents = [mm.Variable("a", 2), mm.Variable("b", 3)]
    eye = torch.eye(3, dtype=torch.float64)
    effects = [[[1, 0, 0], [0.2, 0.3, 0.5]], [[1, 0, 0], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]
    model = mm.NoisyMax(GRADES, parents, effects)
    counts = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    counts[0, 0, 1:] = 0
    counts[:, 2] = 0
    found = model.updated(counts)
    assert torch.equal(found.leak, eye[0])
    assert torch.equal(found.effects[1][2], model.effects[1][2])
    assert torch.equal(found.effects[0][0], eye[0])


def test_impossible_counts_are_named() -> None:
    child = mm.Variable("y", ("yes", "no"))
    model = mm.NoisyOr(child, [mm.Variable("x", ("no", "yes"))], [0.5], absent={"y": "no"})
    counts = torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    with pytest.raises(LearningError, match=r"x=no, y=yes.*leak"):
        model.updated(counts)


def test_bad_noisy_or() -> None:
    x, y = mm.Variable("x", ("no", "yes")), mm.Variable("y", 2)
    with pytest.raises(GraphError, match=r"the probability of 'x' is 1\.5"):
        mm.NoisyOr(y, [x], [1.5])
    with pytest.raises(GraphError, match=r"the leak is -0\.5"):
        mm.NoisyOr(y, [x], [0.5], -0.5)
    with pytest.raises(GraphError, match="not finite"):
        mm.NoisyOr(y, [x], [math.nan])
    with pytest.raises(GraphError, match=r"probabilities: shape \(2,\), not \(1,\)"):
        mm.NoisyOr(y, [x], [0.1, 0.2])
    with pytest.raises(GraphError, match="'grade' is not binary"):
        mm.NoisyOr(y, [GRADES], [0.5])
    with pytest.raises(GraphError, match="'absent' names 'z'"):
        mm.NoisyOr(y, [x], [0.5], absent={"z": "no"})
    with pytest.raises(UnknownStateError, match="did you mean 'no'"):
        mm.NoisyOr(y, [x], [0.5], absent={"x": "noo"})
    for absent in ([0, 5], [0], "no", [0, "yes"], [0, 1.0], None):
        with pytest.raises(GraphError, match="absent states"):
            mm.NoisyOr.restore(
                (x, y), y, mm.NoisyOr(y, [x], [0.5]).parameters(), {"absent": absent}
            )


def test_descending_order_says_what_no_effect_is() -> None:
    child = mm.Variable("y", ("high", "low", "none"))
    parent = mm.Variable("x", ("no", "yes"))
    effects = [[[0, 0, 1], [0.5, 0.25, 0.25]]]
    assert mm.NoisyMax(child, [parent], effects, descending=True).values.tolist() == effects[0]
    with pytest.raises(GraphError, match=r"'yes' has the effect .* it must be \(…, 0, 1\)"):
        mm.NoisyMax(child, [parent], effects, absent={"x": "yes"}, descending=True)
    with pytest.raises(GraphError, match=r"it must be \(1, 0, …\)"):
        mm.NoisyMax(child, [parent], effects)


def test_bad_noisy_max() -> None:
    x = mm.Variable("x", ("no", "yes"))
    good = [[1, 0, 0], [0.2, 0.3, 0.5]]
    with pytest.raises(GraphError, match=r"effects of 'x'.*at x=yes is not a distribution"):
        mm.NoisyMax(GRADES, [x], [[[1, 0, 0], [0.2, 0.3, 0.6]]])
    with pytest.raises(GraphError, match=r"at x=no is not a distribution"):
        mm.NoisyMax(GRADES, [x], [[[1.5, -0.5, 0], [0.2, 0.3, 0.5]]])
    with pytest.raises(GraphError, match="absent state 'yes' has the effect"):
        mm.NoisyMax(GRADES, [x], [good], absent={"x": "yes"})
    with pytest.raises(GraphError, match="leak"):
        mm.NoisyMax(GRADES, [x], [good], [0.5, 0.5, 0.5])
    with pytest.raises(GraphError, match=r"shape \(2, 2\), not \(2, 3\)"):
        mm.NoisyMax(GRADES, [x], [torch.eye(2)])
    with pytest.raises(GraphError, match="0 arrays of effects, 1 parents"):
        mm.NoisyMax(GRADES, [x], [])
