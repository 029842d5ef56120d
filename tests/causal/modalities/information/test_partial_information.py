"""Decompositions against closed forms, a generic optimiser, and their own definitions."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import mmgraph as mm
from mmgraph.causal.modalities.information.broja import least_information
from mmgraph.causal.modalities.information.tables import mutual_information
from mmgraph.graph.errors import MemoryBudgetError, MmgraphError


def of_function(function, first=2, second=2):
    """The table of two independent, even sources and a function of them."""
    values = sorted({function(i, j) for i, j in np.ndindex(first, second)})
    table = np.zeros((first, second, len(values)))
    for i, j in np.ndindex(first, second):
        table[i, j, values.index(function(i, j))] = 1 / (first * second)
    return table


def random_table(seed, shape=(3, 3, 3), concentration=1.0, zeros=0.0):
    generator = np.random.default_rng(seed)
    table = generator.dirichlet(np.full(np.prod(shape), concentration)).reshape(shape)
    table *= generator.random(shape) >= zeros
    return table / table.sum()


def reduced_or():
    """Both off, or one of them on: the target is their union (Bertschinger et al. 2014)."""
    table = np.zeros((2, 2, 2))
    table[0, 0, 0], table[0, 1, 1], table[1, 0, 1] = 1 / 2, 1 / 4, 1 / 4
    return table


def least_by_scipy(table):
    """The least information, by sequential quadratic programming over the free cells."""
    cells = np.argwhere((table.sum(1)[:, None, :] > 0) & (table.sum(0)[None, :, :] > 0))
    margins = []
    for axis in (0, 1):
        for key in np.ndindex(table.shape[axis], table.shape[2]):
            margins.append((cells[:, axis] == key[0]) & (cells[:, 2] == key[1]))
    margins = np.array(margins, float)
    wanted = np.concatenate([table.sum(1).ravel(), table.sum(0).ravel()])
    _, singular, right = np.linalg.svd(margins)
    free = right[(singular > 1e-10).sum() :].T
    start = (table.sum(1)[:, None, :] * table.sum(0)[None, :, :] / table.sum((0, 1)))[
        tuple(cells.T)
    ]
    assert np.allclose(margins @ start, wanted)
    if not free.size:
        return mutual_information(table)

    def full(z):
        whole = np.zeros(table.shape)
        whole[tuple(cells.T)] = np.maximum(start + free @ z, 0)
        return whole

    def gradient(z):
        whole = full(z)
        both = np.maximum(whole.sum(2), 1e-12)[cells[:, 0], cells[:, 1]]
        return free.T @ np.log2(np.maximum(whole[tuple(cells.T)], 1e-12) / both)

    constraint = {"type": "ineq", "fun": lambda z: start + free @ z, "jac": lambda _: free}
    answer = minimize(
        lambda z: mutual_information(full(z)),
        np.zeros(free.shape[1]),
        jac=gradient,
        constraints=[constraint],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return mutual_information(full(answer.x))


THREE_QUARTERS = 2 - 0.75 * np.log2(3)  # H(1/4): what the target of AND holds


@pytest.mark.parametrize(
    ("table", "redundant", "unique", "synergy"),
    [
        (of_function(lambda i, j: i & j), THREE_QUARTERS - 0.5, (0, 0), 0.5),
        (of_function(lambda i, j: i ^ j), 0, (0, 0), 1),
        (of_function(lambda i, j: 2 * i + j), 0, (1, 1), 0),
        (of_function(lambda i, j: i), 0, (1, 0), 0),
        (np.eye(2)[:, :, None] * np.eye(2)[:, None, :] / 2, 1, (0, 0), 0),
    ],
)
def test_broja_has_the_atoms_of_known_functions(table, redundant, unique, synergy):
    atoms = mm.partial_information(table)
    assert atoms.redundant == pytest.approx(redundant, abs=1e-9)
    assert atoms.unique == pytest.approx(unique, abs=1e-9)
    assert atoms.synergy == pytest.approx(synergy, abs=1e-9)
    assert 0 <= atoms.gap < 1e-9


@pytest.mark.parametrize(
    "table",
    [
        reduced_or(),
        *(random_table(seed, (2, 2, 2)) for seed in range(3)),
        *(random_table(seed, (2, 3, 2), 0.5, 0.3) for seed in range(3)),
        random_table(7, (3, 3, 3)),
    ],
)
def test_broja_finds_what_a_generic_optimiser_finds(table):
    atoms = mm.partial_information(table)
    union = atoms.redundant + sum(atoms.unique)
    least = least_by_scipy(table)
    assert union <= least + 1e-9
    assert union == pytest.approx(least, abs=2e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from([(2, 2, 2), (3, 3, 3), (2, 5, 3), (4, 3, 6), (1, 3, 2), (3, 2, 1)]),
    concentration=st.sampled_from([1.0, 0.2, 0.03]),
    zeros=st.sampled_from([0.0, 0.3, 0.6]),
)
def test_broja_is_certified_has_the_margins_and_no_negative_atom(seed, shape, concentration, zeros):
    table = random_table(seed, shape, concentration, zeros / 2)
    atoms = mm.partial_information(table)
    assert atoms.gap < 1e-6
    assert min(atoms.redundant, *atoms.unique, atoms.synergy) >= 0
    assert atoms.total == pytest.approx(mutual_information(table), abs=1e-12)
    assert atoms.redundant + atoms.unique[0] == pytest.approx(
        mutual_information(table.sum(1)), abs=1e-12
    )
    full = table[table.any((1, 2))][:, table.any((0, 2))][:, :, table.any((0, 1))]
    least = least_information(full).table
    assert (least >= 0).all()
    assert np.abs(least.sum(0) - full.sum(0)).max() < 1e-14
    assert np.abs(least.sum(1) - full.sum(1)).max() < 1e-14


def test_the_gap_bounds_how_far_any_other_table_is_below():
    table = random_table(3)
    least = least_information(table)
    generator = np.random.default_rng(0)
    for _ in range(200):  # moves that keep both margins
        (i, k), (j, m), t = (*generator.choice(3, (2, 2)), generator.integers(3))
        move = np.zeros(table.shape)
        move[i, j, t] += 1
        move[k, m, t] += 1
        move[i, m, t] -= 1
        move[k, j, t] -= 1
        other = least.table + generator.uniform(0, 1e-2) * move
        if (other >= 0).all():
            assert mutual_information(other) >= mutual_information(least.table) - 1e-12


def test_two_dice_and_tables_of_27_cells_are_quick():
    dice = of_function(lambda i, j: i + j, 6, 6)
    mm.partial_information(dice)
    for table, most in ((dice, 0.5), *((random_table(seed), 0.1) for seed in range(5))):
        began = time.thread_time()
        assert mm.partial_information(table).gap < 1e-9
        assert time.thread_time() - began < most


@pytest.mark.parametrize(
    ("measure", "function", "redundant"),
    [
        # Of a copy redundancy is a bit, though the sources are independent.
        ("imin", lambda i, j: 2 * i + j, 1.0),
        ("imin", lambda i, j: i ^ j, 0.0),
        ("immi", lambda i, j: i & j, THREE_QUARTERS - 0.5),
        ("immi", lambda i, j: 2 * i + j, 1.0),
        # (x1, x2) = (0, 0) has p(t | x1 = 0 or x2 = 0) = 2/3, p(t) = 1/2; and so for all four.
        ("isx", lambda i, j: i ^ j, np.log2(2 / 3)),
        # p(t | x1 or x2) = 1/3 and p(t) = 1/4.
        ("isx", lambda i, j: 2 * i + j, np.log2(4 / 3)),
    ],
)
def test_closed_forms_have_their_definitions_values(measure, function, redundant):
    atoms = mm.partial_information(of_function(function), measure)
    assert atoms.redundant == pytest.approx(redundant, abs=1e-12)
    assert atoms.gap == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_closed_forms_agree_with_sums_over_their_terms(seed):
    table = random_table(seed, (2, 3, 2), 0.5, 0.2)
    least = shared = 0.0
    for t in range(2):
        terms = []
        for pair in (table.sum(1), table.sum(0)):
            held = [x for x in range(len(pair)) if pair[x, t] > 0]
            terms.append(
                sum(
                    pair[x, t] * np.log2(pair[x, t] / pair[x].sum() / table[..., t].sum())
                    for x in held
                )
            )
        least += min(terms) if table[..., t].any() else 0
    for i, j, t in np.argwhere(table > 0):
        event = np.zeros(table.shape, bool)
        event[i], event[:, j] = True, True
        ratio = table[..., t][event[..., t]].sum() / table[event].sum() / table[..., t].sum()
        shared += table[i, j, t] * np.log2(ratio)
    assert mm.partial_information(table, "imin").redundant == pytest.approx(least, abs=1e-12)
    assert mm.partial_information(table, "isx").redundant == pytest.approx(shared, abs=1e-12)


@pytest.mark.parametrize(
    ("table", "measure", "message"),
    [
        (np.full((2, 2), 0.25), "broja", "3 axes, and 2"),
        (np.full((2, 2, 2), 0.25), "broja", "sums to 2"),
        (np.array([[[1.5, -0.5]]]), "broja", "-0.5 at"),
        (np.array([[[np.nan, 1]]]), "broja", "nan at"),
        (np.full((2, 2, 2), 0.125), "broya", "broja"),
    ],
)
def test_what_is_no_joint_distribution_is_refused(table, measure, message):
    with pytest.raises(MmgraphError, match=message):
        mm.partial_information(table, measure)


def test_broja_of_tables_too_large_for_memory_is_refused():
    table = np.full((200, 200, 200), 1 / 200**3)
    with pytest.raises(MemoryBudgetError, match="80,000 multipliers"):
        mm.partial_information(table)
