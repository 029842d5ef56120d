"""Distinct rows against NumPy's, from any table, within a budget."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.data.beyond_memory.distinct_rows import distinct_rows
from mmgraph.data.encoding import CodedRows
from mmgraph.graph import errors


def variables(*cardinalities: int) -> dict[str, mm.Variable]:
    return {f"v{i}": mm.Variable(f"v{i}", card) for i, card in enumerate(cardinalities)}


def columns(model: dict[str, mm.Variable], codes: np.ndarray) -> dict[str, object]:
    return {name: mm.index(codes[:, i]) for i, name in enumerate(model)}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([1, 2, 3, 7, 128, 129, 40_000]), min_size=1, max_size=30),
    st.integers(1, 3000),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_equal_those_of_numpy(cardinalities, rows, spread, seed):
    random = np.random.default_rng(seed)
    model = variables(*cardinalities)
    codes = np.stack([random.integers(-1, min(c, spread), rows) for c in cardinalities], axis=1)
    codes[0] = np.array(cardinalities) - 1
    weights = random.random(rows)
    distinct, mass = distinct_rows(columns(model, codes), model, weights=weights, chunk_rows=700)
    expected, first, place = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    np.testing.assert_array_equal(distinct, expected[order])
    summed = np.bincount(place.reshape(-1), weights)[order]
    np.testing.assert_allclose(mass, summed, rtol=1e-12)
    assert distinct.flags.f_contiguous


def test_a_file_in_chunks_and_a_frame_agree(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"b": random.integers(0, 3, 5000), "a": random.choice(["x", "y"], 5000)})
    frame.loc[17, "a"] = None
    model = {"a": mm.Variable("a", ("x", "y")), "b": mm.Variable("b", 3)}
    frame.to_parquet(tmp_path / "rows.parquet")
    codes, counts = distinct_rows(frame, model)
    streamed = distinct_rows(tmp_path / "rows.parquet", model, chunk_rows=999)
    np.testing.assert_array_equal(streamed.codes, codes)
    np.testing.assert_array_equal(streamed.weights, counts)
    assert counts.sum() == 5000
    assert len(codes) == 7
    assert codes[:, 0].min() == -1


def test_more_distinct_rows_than_the_budget_are_refused():
    model = variables(100, 100)
    codes = np.stack(np.divmod(np.arange(10_000), 100), axis=1)
    enough = 10_000 * (2 * (8 + 8) + 4 * 8 + 2)  # words and weights, slots, codes
    assert len(distinct_rows(columns(model, codes), model, memory_budget=enough).codes) == 10_000
    with pytest.raises(errors.MemoryBudgetError, match=r"more than 9,999 distinct rows of 2 col"):
        distinct_rows(columns(model, codes), model, memory_budget=enough - 1)


def test_what_is_no_table_of_states_is_refused():
    model = variables(2, 2)
    with pytest.raises(errors.LearningError, match="no column 'v1'"):
        distinct_rows({"v0": [0, 1]}, model)
    real = {"x": mm.Variable("x", family="gaussian")}
    with pytest.raises(errors.LearningError, match="'x' is continuous"):
        distinct_rows({"x": [0.5]}, real)
    rows = CodedRows(model, ("v1", "v0"), np.array([[0, 1], [0, 2]], np.int8))
    with pytest.raises(errors.LearningError, match="'v0' has 2 states; the code 2 in row 1"):
        distinct_rows(rows, model)
