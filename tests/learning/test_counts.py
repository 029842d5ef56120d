"""Family counts: the compiled loop, torch.bincount, numpy and pandas say the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.data.encoding import CodedRows, encode
from mmgraph.graph.errors import LearningError
from mmgraph.learning import counts as module
from mmgraph.learning.counts import IncompleteDataError, count_cells, family_counts

CARDS = (2, 3, 1, 5, 4, 2)
SCOPES = ((0,), (3, 1), (1, 3, 4), (), (5, 4, 3, 2, 1, 0), (2,), (4, 0))


def random_codes(rows: int, cards=CARDS, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack([generator.integers(0, c, rows) for c in cards], axis=1)


def loop_counts(codes: np.ndarray, scope, cards, weights=None) -> np.ndarray:
    table = np.zeros([cards[c] for c in scope])
    for row, line in enumerate(codes):
        table[tuple(line[c] for c in scope)] += 1 if weights is None else weights[row]
    return table


@pytest.mark.parametrize("rows", [1, 5, 300, 9001])
@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.uint8])
def test_counts_are_those_of_a_python_loop(rows, kind):
    codes = random_codes(rows)
    found = count_cells(codes.astype(kind), SCOPES, CARDS)
    for scope, table in zip(SCOPES, found, strict=True):
        assert table.dtype == torch.int64
        np.testing.assert_array_equal(table, loop_counts(codes, scope, CARDS))


def test_weighted_counts_are_those_of_a_python_loop():
    codes = random_codes(700)
    weights = np.random.default_rng(1).gamma(1.0, size=700)
    for scope, table in zip(SCOPES, count_cells(codes, SCOPES, CARDS, weights), strict=True):
        np.testing.assert_allclose(table, loop_counts(codes, scope, CARDS, weights))


@pytest.mark.parametrize("weighted", [False, True])
def test_bincount_counts_the_same(weighted):
    codes = random_codes(3000)
    weights = np.random.default_rng(1).gamma(1.0, size=3000) if weighted else None
    loop = count_cells(codes, SCOPES, CARDS, weights)
    groups = module.joined_tables(SCOPES, CARDS, 3000)
    tables = module.counted_by_bincount(torch.from_numpy(codes), groups, CARDS, weights)
    for a, b in zip(loop, module.read_off(SCOPES, groups, tables), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_gpu_counts_the_same(cuda, weighted):
    codes = random_codes(3000)
    weights = np.random.default_rng(1).gamma(1.0, size=3000) if weighted else None
    here = count_cells(codes, SCOPES, CARDS, weights)
    for a, b in zip(here, count_cells(codes, SCOPES, CARDS, weights, cuda), strict=True):
        assert b.is_cuda
        torch.testing.assert_close(a, b.cpu())


@given(
    cards=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    rows=st.integers(1, 60),
    seed=st.integers(0, 1000),
)
def test_every_scope_of_random_tables(cards, rows, seed):
    codes = random_codes(rows, cards, seed)
    scopes = [s for n in range(3) for s in itertools.permutations(range(len(cards)), n)]
    for scope, table in zip(scopes, count_cells(codes, scopes, cards), strict=True):
        np.testing.assert_array_equal(table, loop_counts(codes, scope, cards))


def test_counts_agree_with_a_crosstab_of_pandas():
    frame = pd.DataFrame({"a": list("xyxxyy"), "b": [0, 2, 1, 0, 2, 2], "c": list("pqqpqp")})
    variables = {
        "a": mm.Variable("a", ("x", "y")),
        "b": mm.Variable("b", 3),
        "c": mm.Variable("c", ("p", "q")),
    }
    rows = encode(frame, variables)
    (table,) = family_counts([tuple(variables.values())], rows)
    expected = pd.crosstab(frame.a, [frame.b, frame.c], dropna=False)
    np.testing.assert_array_equal(table.reshape(2, -1), expected.to_numpy())


def test_large_tables_are_counted_by_themselves():
    cards = (70, 80, 90)
    codes = random_codes(2000, cards)
    scopes = [(0, 1, 2), (0, 1), (2,)]
    for scope, table in zip(scopes, count_cells(codes, scopes, cards), strict=True):
        np.testing.assert_array_equal(table, loop_counts(codes, scope, cards))


def test_joined_tables_stay_small_and_hold_every_scope():
    scopes = [(i, (i + 1) % 40) for i in range(40)]
    groups = module.joined_tables(scopes, [4] * 40, 10**6)
    assert sorted(i for g in groups for i in g.members) == list(range(40))
    assert len(groups) < 20
    for group in groups:
        assert group.cells == math.prod(4 for _ in group.columns) <= module.CELLS_IN_CACHE
        assert all(set(scopes[i]) <= set(group.columns) for i in group.members)


def coded(codes: np.ndarray, **more) -> CodedRows:
    names = tuple(f"v{i}" for i in range(codes.shape[1]))
    variables = {n: mm.Variable(n, c) for n, c in zip(names, CARDS, strict=False)}
    return CodedRows(variables, names, np.asfortranarray(codes), **more)


def test_chunks_add_up_with_weights_of_their_own_or_of_all():
    codes = random_codes(1000)
    whole = coded(codes)
    weights = np.random.default_rng(2).random(1000)
    scopes = [tuple(whole.variables[f"v{c}"] for c in s) for s in SCOPES]
    cuts = [(0, 10), (10, 700), (700, 1000)]
    parts = [
        CodedRows(whole.variables, whole.columns, whole.codes[a:b], first_row=a) for a, b in cuts
    ]
    for a, b in zip(family_counts(scopes, whole), family_counts(scopes, parts), strict=True):
        assert torch.equal(a, b)
    heavy = [
        CodedRows(whole.variables, whole.columns, whole.codes[a:b], weights=weights[a:b])
        for a, b in cuts
    ]
    for a, b, c in zip(
        family_counts(scopes, whole, weights),
        family_counts(scopes, parts, weights),
        family_counts(scopes, heavy),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(a, c)


def test_a_missing_cell_is_named_and_em_recommended():
    codes = random_codes(5000)
    codes[4321, 3] = -1
    rows = coded(codes, first_row=100)
    with pytest.raises(IncompleteDataError, match=r"'v3' is missing in row 4421.*em"):
        family_counts([(rows.variables["v3"],)], rows)
    family_counts([(rows.variables["v2"],)], rows)  # another column is complete


@pytest.mark.parametrize("code", [5, 127, 1000, -7])
def test_a_code_that_is_no_state_is_named(device, code):
    codes = random_codes(50)
    codes[7, 3] = code
    rows = coded(codes)
    with pytest.raises(LearningError, match=r"'v3'.*row 7"):
        family_counts([(rows.variables["v3"], rows.variables["v0"])], rows, device=device)
    groups = module.joined_tables([(0, 3)], CARDS, 50)
    with pytest.raises(ValueError, match="column 3, row 7"):
        module.counted_by_bincount(torch.from_numpy(codes), groups, CARDS, None)


def test_a_missing_column_is_named():
    rows = coded(random_codes(5)[:, :2])
    with pytest.raises(IncompleteDataError, match="no column 'v9'"):
        family_counts([(mm.Variable("v9", 2),)], rows)


def test_weights_that_do_not_fit_are_refused():
    rows = coded(random_codes(5))
    scope = [(rows.variables["v0"],)]
    with pytest.raises(LearningError, match="weights"):
        family_counts(scope, rows, np.ones(4))
    with pytest.raises(LearningError, match="7 weights for 5 rows"):
        family_counts(scope, rows, np.ones(7))
    with pytest.raises(LearningError, match="of row 2 is negative"):
        family_counts(scope, rows, np.array([1, 1, -1.0, 1, 1]))
    with pytest.raises(LearningError, match="no rows"):
        family_counts(scope, [])


def test_tables_beyond_the_budget_are_refused_before_they_are_made():
    codes = np.zeros((3, 20), np.int8)
    with pytest.raises(LearningError, match=r"GiB are allowed"):
        count_cells(codes, [tuple(range(20))], [10] * 20)
