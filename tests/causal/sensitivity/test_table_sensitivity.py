"""Sensitivity to entries of tables, beside networks with other tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import mmgraph as mm
from mmgraph.graph.errors import (
    CausalError,
    GraphError,
    NotTabularError,
    ZeroProbabilityError,
)

PARENTS = {"a": "", "b": "a", "c": "a", "d": "bc"}
SIZES = {"a": 2, "b": 3, "c": 2, "d": 3}


def random_network(rng, zeros=False):
    tables = {n: rng.dirichlet(np.ones(SIZES[n]), [SIZES[p] for p in its])
              for n, its in PARENTS.items()}  # fmt: skip
    if zeros:
        tables["b"][0] = [0.0, 1.0, 0.0]
        tables["c"][1] = [1.0, 0.0]
    return mm.BayesianNetwork.from_tables(
        [(p, n) for n, its in PARENTS.items() for p in its], tables
    )


def with_row(net, name, row, numbers):
    factor = net.distribution(name)
    table = factor.values.numpy().copy()
    table[row] = numbers
    return net.replace_distributions(
        {name: mm.TableFactor(factor.scope, table, child=factor.child)}
    )


def in_proportion(row, state, entry):
    others = np.delete(np.arange(len(row)), state)
    left = 1 - row[state]
    after = np.empty(len(row))
    after[state] = entry
    after[others] = (1 - entry) * (row[others] / left if left > 0 else 1 / len(others))
    return after


def asked_of(net, query, condition):
    log_p = mm.log_partition(net, {**query, **condition}) - mm.log_partition(net, condition)
    return float(log_p.exp())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**9), st.booleans(), st.sampled_from([{}, {"d": 1}, {"c": 0, "d": 2}]))
def test_a_query_is_the_ratio_of_two_lines_in_each_entry(seed, zeros, condition):
    rng = np.random.default_rng(seed)
    net = random_network(rng, zeros)
    found = mm.table_sensitivity(net, {"b": 1}, condition)
    assert found.probability == pytest.approx(asked_of(net, {"b": 1}, condition), abs=1e-12)
    for name in PARENTS:
        table = net.distribution(name).values.numpy()
        for place in np.ndindex(*table.shape):
            *row, state = place

            def at(entry, name=name, row=tuple(row), state=state, table=table):
                changed = with_row(net, name, row, in_proportion(table[row], state, entry))
                return asked_of(changed, {"b": 1}, condition)

            if rng.random() < 0.3:
                value = found.value_at(name, row, state, 0.37)
                assert value == pytest.approx(at(0.37), abs=1e-10)
                before = float(table[place])
                h = 1e-5 if before < 0.5 else -1e-5
                # One-sided with its second-order term, for entries at the ends.
                slope = (4 * at(before + h) - at(before + 2 * h) - 3 * at(before)) / (2 * h)
                assert found.derivatives[name][place] == pytest.approx(slope, abs=2e-6)


@pytest.mark.parametrize("seed", range(4))
def test_changes_of_entries_reach_the_target(seed):
    rng = np.random.default_rng(seed)
    net, condition = random_network(rng), {"d": 0}
    found = mm.table_sensitivity(net, {"a": 1}, condition)
    target = found.probability + 0.1 * (0.5 - found.probability)
    changes = found.entries_reaching(target)
    assert changes
    moves = [abs(c.after - c.before) for c in changes]
    assert moves == sorted(moves)
    reached = set()
    for change in changes:
        scope = net.distribution(change.variable).scope
        row = tuple(change.parents[v.name] for v in scope[:-1])
        table = net.distribution(change.variable).values.numpy()
        numbers = in_proportion(table[row], change.state, change.after)
        assert asked_of(with_row(net, change.variable, row, numbers), {"a": 1}, condition) == (
            pytest.approx(target, abs=1e-9)
        )
        reached.add((change.variable, *row, change.state))
    for name in PARENTS:  # and no other entry does
        for place in np.ndindex(*found.tables[name].shape):
            if (name, *place) not in reached:
                ends = [found.value_at(name, place[:-1], place[-1], e) for e in (1e-12, 1 - 1e-12)]
                assert (min(ends) - target) * (max(ends) - target) > -1e-12


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("part", [-0.15, 0.15])
def test_changes_of_rows_move_the_least_probability(seed, part):
    net, condition = random_network(np.random.default_rng(seed)), {"d": 0}
    found = mm.table_sensitivity(net, {"b": 2}, condition)
    target = found.probability * (1 + part)
    changes = found.rows_reaching(target)
    assert [c.moved for c in changes] == sorted(c.moved for c in changes)
    by_row = {(c.variable, *c.parents.values()): c for c in changes}
    for name, table in found.tables.items():
        for row in np.ndindex(*table.shape[:-1]):
            # Mass taken and mass added, by a linear programme.
            worth = found.asked[name][row] - target * found.given[name][row]
            count = len(worth)
            optimum = linprog(
                np.ones(2 * count) / 2,
                A_eq=[[*worth, *-worth], [*np.ones(count), *-np.ones(count)]],
                b_eq=[target * found.p_given - found.p_asked, 0],
                bounds=[(0, None)] * count + [(0, p) for p in table[row]],
            )
            change = by_row.get((name, *row))
            assert (change is None) == (optimum.status == 2)
            if change is not None:
                assert change.moved == pytest.approx(optimum.fun, abs=1e-7)
                assert change.after.min() >= 0
                assert asked_of(with_row(net, name, row, change.after), {"b": 2}, condition) == (
                    pytest.approx(target, abs=1e-9)
                )


def test_a_frame_has_the_steepest_entry_first():
    found = mm.table_sensitivity(
        random_network(np.random.default_rng(1)), {"d": 0}, variables=["d"]
    )
    frame = found.to_frame()
    assert list(frame.columns) == ["variable", "state", "parents", "entry", "derivative"]
    assert len(frame) == 18
    assert (frame.derivative.abs().diff().dropna() <= 0).all()
    assert frame.parents[0].startswith("b=")


def test_asia_has_its_change_named():
    asia = mm.read("asia")
    found = mm.table_sensitivity(asia, {"lung": "yes"}, {"dysp": "yes", "xray": "yes"})
    best = found.entries_reaching(0.5)[0]
    table = asia.distribution(best.variable).values.numpy()
    place = [
        asia.variable(n).code(x) for n, x in (*best.parents.items(), (best.variable, best.state))
    ]
    numbers = in_proportion(table[tuple(place[:-1])], place[-1], best.after)
    changed = with_row(asia, best.variable, tuple(place[:-1]), numbers)
    p = mm.query(changed, {"dysp": "yes", "xray": "yes"}, "lung").marginal("lung")[0]
    assert float(p[asia.variable("lung").code("yes")]) == pytest.approx(0.5, abs=1e-9)
    assert best.log_odds > 0


def test_questions_that_are_none():
    net = random_network(np.random.default_rng(0))
    with pytest.raises(CausalError, match="no event"):
        mm.table_sensitivity(net, {})
    with pytest.raises(CausalError, match="'a' is both"):
        mm.table_sensitivity(net, {"a": 1}, {"a": 0})
    with pytest.raises(CausalError, match="one row"):
        mm.table_sensitivity(net, {"a": 1}, {"b": [0, 1]})
    sure = with_row(net, "a", (), [1.0, 0.0])
    with pytest.raises(ZeroProbabilityError, match="a"):
        mm.table_sensitivity(sure, {"b": 1}, {"a": 1})
    rows = {"x": [0.5, 1.5, 1.25, 1.75], "k": [0, 1, 0, 1]}
    real = mm.BayesianNetwork.from_data(rows, [("k", "x")])
    with pytest.raises(GraphError, match="'x' has no table"):
        mm.table_sensitivity(real, {"k": 1}, {"x": 1.0}, variables=["x"])
    assert list(mm.table_sensitivity(real, {"k": 1}, {"x": 1.0}).derivatives) == ["k"]
    lines = mm.BayesianNetwork.from_data({"x": rows["x"], "y": [0.5, 2.5, 1.5, 1.0]}, [("x", "y")])
    with pytest.raises(NotTabularError, match="'x' has no table"):
        mm.table_sensitivity(lines, {"y": 1.0}, {"x": 1.0})
    found = mm.table_sensitivity(net, {"a": 1})
    for ask in (found.entries_reaching, found.rows_reaching):
        with pytest.raises(CausalError, match=r"1\.5"):
            ask(1.5)
    with pytest.raises(CausalError, match=r"-0\.1"):
        found.value_at("a", (), 0, -0.1)
