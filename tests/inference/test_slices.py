"""Evidence that selects the small entries of tables: every exact answer beside enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.inference.exact import junction_tree
from tests.inference.models import seeds
from tests.inference.wide_cases import Case, random_case, sliced_case

V0, V1, V2, W = (
    mm.Variable("v0", 2),
    mm.Variable("v1", 2),
    mm.Variable("v2", 2),
    mm.Variable("w", 3),
)


@pytest.mark.parametrize(
    ("factor", "kept", "evidence", "truth", "log_evidence"),
    [
        (
            mm.TableFactor([V1, V0, V2], [[[1, 2], [3, 4]], [[1e290, 1e290], [1e290, 1e290]]]),
            ["v0", "v2"],
            {"v1": 0},
            [[0.1, 0.2], [0.3, 0.4]],
            math.log(10),
        ),
        (
            mm.TableFactor([W, V0], [[1e-290, 3e-290], [1, 1], [1, 1]]),
            ["v0"],
            {"w": 0},
            [0.25, 0.75],
            math.log(4) - 290 * math.log(10),
        ),
        (
            mm.TableFactor([W, V0], log_values=[[0.0, -1.0], [2000.0, 0.0], [5000.0, 2000.0]]),
            ["v0"],
            {"w": 0},
            [1 / (1 + math.exp(-1)), 1 / (1 + math.e)],
            math.log1p(math.exp(-1)),
        ),
    ],
)
@pytest.mark.parametrize("rows", [1, 40])
def test_joint_of_a_small_slice(
    factor: mm.TableFactor,
    kept: list[str],
    evidence: dict[str, int],
    truth: list[object],
    log_evidence: float,
    rows: int,
):
    """It was uniform, in silence: the slice is a table that no step had divided by its total."""
    graph = mm.MarkovRandomField(list(factor.scope), [factor])
    many = {name: [state] * rows for name, state in evidence.items()}
    given = mm.Evidence.of(many, graph.variables)
    found, logs = junction_tree.joint_distribution(graph, given, kept)
    np.testing.assert_allclose(found, [truth] * rows, rtol=1e-12)
    np.testing.assert_allclose(logs, [log_evidence] * rows, rtol=1e-12)
    np.testing.assert_allclose(mm.joint(graph, kept, many), [truth] * rows, rtol=1e-12)


def test_a_large_joint_table_counts_in_the_evidence():
    """A plain product of more than 512 entries is not divided by its total at once."""
    a, b = mm.Variable("a", 30), mm.Variable("b", 30)
    rng = np.random.default_rng(0)
    left, right = rng.uniform(size=(2, 30))
    graph = mm.MarkovRandomField([a, b], [mm.TableFactor([a], left), mm.TableFactor([b], right)])
    given = mm.Evidence.of(None, graph.variables)
    found, logs = junction_tree.joint_distribution(graph, given, ["a", "b"])
    table = np.outer(left, right)
    np.testing.assert_allclose(found[0], table / table.sum())
    np.testing.assert_allclose(logs, [math.log(table.sum())])


cases = st.one_of(
    st.builds(sliced_case, seeds),
    st.builds(random_case, seeds, st.sampled_from([0.0, 0.3]), st.sampled_from([60.0, 300.0])),
).filter(lambda case: bool(np.isfinite(case.weights()).any()))


@settings(max_examples=30)
@given(cases, st.sampled_from([1, 40]), st.randoms(use_true_random=False))
def test_every_exact_answer(case: Case, rows: int, source: object):
    graph, evidence, weights = case.graph(), case.evidence(rows), case.weights()
    count, joint = len(case.cards), case.probabilities()
    order = list(range(count))
    source.shuffle(order)  # type: ignore[attr-defined]
    kept, rest = order[: 1 + count // 2], order[1 + count // 2 :]
    names = [f"v{v}" for v in kept]
    log_z = np.logaddexp.reduce(weights, axis=None)

    given_rows = mm.Evidence.of(evidence, graph.variables)
    many = given_rows.batch
    found, logs = junction_tree.joint_distribution(graph, given_rows, names)
    truth = joint.transpose([*kept, *rest]).sum(tuple(range(len(kept), count)))
    np.testing.assert_allclose(found, np.stack([truth] * many), atol=1e-8)
    np.testing.assert_allclose(logs, np.full(many, log_z), rtol=1e-11, atol=1e-9)

    entropy = -sum(p * math.log(p) for p in joint.ravel() if p > 0)
    np.testing.assert_allclose(mm.query(graph, evidence).entropy(), [entropy] * many, atol=1e-6)

    best = mm.map_query(graph, evidence, names)
    summed = np.logaddexp.reduce(
        weights.transpose([*kept, *rest]), axis=tuple(range(len(kept), count))
    )
    np.testing.assert_allclose(best.log_weight, [summed.max()] * many, rtol=1e-11, atol=1e-9)
    states = tuple(int(best[name][-1]) for name in names)
    np.testing.assert_allclose(summed[states], summed.max(), rtol=1e-11, atol=1e-9)

    counts, _ = junction_tree.factor_beliefs(graph, given_rows)
    for scope, belief in zip(case.scopes, counts, strict=False):
        others = tuple(a for a in range(count) if a not in scope)
        told = joint.sum(others).transpose(np.argsort(np.argsort(scope)))
        np.testing.assert_allclose(belief, told * many, atol=1e-6)
