import numpy as np
import pandas as pd
import pytest

import mmgraph as mm
from mmgraph.graph.errors import CausalError, GraphError, UnknownVariableError
from tests.causal.random_graphs import with_latent_nodes


def simulated(graph, count, seed):
    """Rows of two states from a random model of an m-graph, whole and with missing cells."""
    generator = np.random.default_rng(seed)
    dag = with_latent_nodes(graph)
    order = [*(n for n in dag if isinstance(n, tuple)), *graph.topological_order]
    columns = {}
    for node in order:
        parents = list(dag.predecessors(node))
        table = generator.uniform(0.15, 0.85, [2] * len(parents))
        chance = table[tuple(columns[p] for p in parents)]
        columns[node] = (generator.random(count) < chance).astype(int)
    whole = pd.DataFrame({n: columns[n] for n in graph.nodes if not n.startswith("R_")})
    cells = whole.astype(float)
    for n in graph.nodes:
        if n.startswith("R_"):
            cells.loc[columns[n] == 1, n[2:]] = np.nan
    return whole, cells.map(lambda c: None if np.isnan(c) else ("no", "yes")[int(c)])


def frequencies(whole, names):
    shape = [2] * len(names)
    index = np.ravel_multi_index(whole[list(names)].to_numpy().T, shape)
    return np.bincount(index, minlength=2 ** len(names)).reshape(shape) / len(whole)


MCAR = mm.CausalModel(["x", "y", "R_y"], [("x", "y")])
MAR = mm.CausalModel(["x", "y", "R_y"], [("x", "y"), ("x", "R_y")])
ORDERED = mm.CausalModel(["x", "y", "R_x", "R_y"], [("x", "y"), ("x", "R_y")])
CROSSED = mm.CausalModel(["x", "y", "R_x", "R_y"], [("x", "y"), ("x", "R_y"), ("y", "R_x")])
CHAINED = mm.CausalModel(
    ["x", "y", "z", "R_x", "R_y"],
    [("x", "y"), ("y", "z"), ("z", "R_x"), ("R_x", "R_y"), ("x", "R_y")],
)


@pytest.mark.parametrize(
    ("model", "formula"),
    [
        (MCAR, "P(x, y | y observed)"),
        (MAR, "P(x) P(y | x, y observed)"),
        (ORDERED, "P(x | x observed) P(y | x, x and y observed)"),
        (CROSSED, "P(x, y, all observed) / [P(x observed | y, y observed) P(y observed | x, "),
        (CHAINED, "P(z) P(x | z, x observed) P(y | x, z, x and y observed)"),
    ],
)
def test_joints_are_recovered_from_simulated_rows(model, formula):
    names = [n for n in model.nodes if not n.startswith("R_")]
    answer = model.recoverable(names)
    assert answer.recoverable
    assert formula in str(answer.estimand)
    whole, cells = simulated(model.graph, 40_000, 5)
    assert cells.isna().any().any()
    assert np.abs(answer.evaluate(cells) - frequencies(whole, names)).max() < 0.02


def test_complete_rows_alone_would_be_wrong_where_a_factorisation_is_needed():
    whole, cells = simulated(ORDERED.graph, 40_000, 5)
    answer = ORDERED.recoverable("y")
    truth = frequencies(whole, ["y"])
    naive = (cells["y"].dropna() == "yes").mean()
    assert abs(naive - truth[1]) > 0.02
    assert np.abs(answer.evaluate(cells) - truth).max() < 0.015


def test_a_conditional_may_be_recoverable_where_its_joint_is_not():
    """Outcomes do not say whether a cause is missing: P(y | x) is that of complete rows."""
    model = mm.CausalModel(["x", "y", "R_x"], [("x", "y"), ("x", "R_x")])
    answer = model.recoverable("y", given=["x"])
    assert str(answer.estimand) == "P(y | x, x observed)"
    whole, cells = simulated(model.graph, 20_000, 1)
    joint = frequencies(whole, ["x", "y"])
    assert np.abs(answer.evaluate(cells) - joint / joint.sum(1, keepdims=True)).max() < 0.03
    assert model.recoverable(["x", "y"]).recoverable is False
    assert "'x' is joined to its own indicator" in model.recoverable(["y", "x"]).reason
    marginal = model.recoverable("x")
    assert marginal.recoverable is None
    assert marginal.reason.startswith("not known")
    with pytest.raises(CausalError, match="there is no formula: not known"):
        marginal.evaluate(cells)


def test_colliders_join_a_variable_to_its_indicator():
    model = mm.CausalModel(["x", "y", "R_x"], [("x", "y")], [("y", "R_x")])
    assert model.recoverable(["x", "y"]).recoverable is False
    assert model.recoverable("x").recoverable is True


def test_strata_without_rows_are_named():
    frame = pd.DataFrame({"x": ["a", "a", "b", "b"], "y": ["u", "v", None, None]})
    with pytest.raises(CausalError, match=r"no row is in some of the strata"):
        MAR.recoverable(["x", "y"]).evaluate(frame)
    crossed = pd.DataFrame({"x": ["a", None, "b", "b"], "y": ["u", "v", "u", "u"]})
    with pytest.raises(CausalError, match="'x' is never observed where y = 1"):
        CROSSED.recoverable(["x", "y"]).evaluate(crossed)


def test_questions_without_meaning_are_refused():
    with pytest.raises(CausalError, match="'R_y' is an indicator"):
        MAR.recoverable(["x"], ["R_y"])
    with pytest.raises(CausalError, match="'x' is named twice"):
        MAR.recoverable("x", "x")
    with pytest.raises(CausalError, match="no outcomes"):
        MAR.recoverable([])
    with pytest.raises(UnknownVariableError, match="names 'w'"):
        MAR.recoverable("w")
    with pytest.raises(GraphError, match="'R_w' is of 'w'"):
        mm.CausalModel(["x", "R_w"]).recoverable("x")
    with pytest.raises(GraphError, match="'R_x' causes the variable 'y'"):
        mm.CausalModel(["x", "y", "R_x"], [("R_x", "y")]).recoverable("x")
