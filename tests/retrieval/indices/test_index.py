"""What both kinds of indices do: answers beside a plain product and sort, ids, files, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.graph.errors import FormatError, MemoryBudgetError, MmgraphError
from mmgraph.retrieval.indices import exact
from mmgraph.retrieval.indices.exact import ExactIndex
from mmgraph.retrieval.indices.index import Index
from mmgraph.retrieval.indices.stored import INDICES, index_files, read_index

KINDS = list(INDICES.values())


def directions(rows: int, width: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def filled(kind: type[Index], rows: int = 40, width: int = 8) -> Index:
    index = kind(width)
    index.add([f"item {row}" for row in range(rows)], directions(rows, width))
    return index


def sorted_products(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple:
    scores = (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, 1)


def assert_alike(found: tuple, wanted: tuple) -> None:
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


def saved(index: Index, folder: Path) -> Path:
    for name, content in index_files(index).items():
        (folder / name).write_bytes(content)
    return folder


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 60),
    width=st.integers(1, 9),
    k=st.integers(1, 70),
    queries=st.integers(1, 3),
    size=st.sampled_from([1e-35, 1e-3, 1.0, 1e14]),
    repeats=st.booleans(),
)
def test_exact_answers_are_those_of_a_full_sort(seed, rows, width, k, queries, size, repeats):
    drawn = np.random.default_rng(seed)
    vectors = (drawn.standard_normal((rows, width)) * size).astype(np.float32)
    vectors *= drawn.integers(0, 2, (rows, 1), np.int8) if repeats else drawn.random((rows, 1)) ** 9
    asked = drawn.integers(-2, 3, (queries, width)).astype(np.float32)
    index = ExactIndex(width)
    for row in range(rows):
        index.add([row], vectors[row : row + 1])
    for few in (queries, 0):  # by bytes, by a product of matrices
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exact, "_FEW", few)
            assert_alike(index.search(asked, k), sorted_products(vectors, asked, k))


@pytest.mark.parametrize("kind", KINDS)
def test_items_come_and_go(kind: type[Index]):
    index, vectors = filled(kind), directions(40)
    index.add([1, "1"], -vectors[:2])
    index.delete(["item 3", 1, *(f"item {row}" for row in range(20, 40))])
    rows = [row for row in range(20) if row != 3]
    kept = np.concatenate([vectors[rows], -vectors[1:2]])
    assert index.ids == [*(f"item {row}" for row in rows), "1"]
    assert len(index) == 20
    np.testing.assert_array_equal(index.vectors, kept)
    assert_alike(index.search(vectors, 30), sorted_products(kept, vectors, 30))
    index.delete(index.ids)
    assert index.search(vectors[:2], 3)[0].shape == (2, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_changes_nothing(kind: type[Index]):
    index, vectors = filled(kind), directions(2)
    before = index.search(vectors, 5)
    for ids, rows, message in [
        (["a", "item 7"], vectors, "the id 'item 7' is in the index already"),
        (["a", "a"], vectors, "the id 'a' is given twice"),
        (["a", 1.5], vectors, r"a whole number, not 1\.5"),
        (["a", True], vectors, "a whole number, not True"),
        (["a"], vectors, "1 ids for 2 vectors"),
        (["a", "b"], vectors * [[1], [np.nan]], r"row 1 of the vectors \(the id 'b'\) holds NaN"),
        (["a", "b"], vectors[:, :5], r"shape \(any, 8\) here, not \(2, 5\)"),
    ]:
        with pytest.raises(MmgraphError, match=message):
            index.add(ids, rows)
    with pytest.raises(MmgraphError, match=r"no id 'itm 3'; did you mean 'item 3'\?"):
        index.delete(["item 1", "itm 3"])
    with pytest.raises(MmgraphError, match="1 at least, not 0"):
        index.search(vectors, 0)
    with pytest.raises(MmgraphError, match="row 0 of the queries holds"):
        index.search(vectors * 1e30)
    assert_alike(index.search(vectors, 5), before)


def test_answers_are_measured_before_they_are_made(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmgraph.retrieval.indices.index.default_memory_budget", lambda: 9_000)
    with pytest.raises(MemoryBudgetError, match="the best 40 of 40 queries would need 50"):
        filled(ExactIndex).search(directions(40), 50)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_index_answers_alike_to_the_bit(kind: type[Index], tmp_path: Path):
    index, queries = filled(kind), directions(50, seed=1)
    index.delete(["item 2"])
    stored = read_index(saved(index, tmp_path))
    assert stored.ids == index.ids
    assert_alike(stored.search(queries, 7), index.search(queries, 7))
    for changed in (stored, index):  # a stored one leaves its file as it is
        changed.delete(["item 5"])
        changed.add([7], queries[:1])
    assert_alike(stored.search(queries, 7), index.search(queries, 7))
    assert len(read_index(tmp_path)) == 39
    empty = read_index(saved(kind(3), tmp_path))
    assert len(empty) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: type[Index], tmp_path: Path):
    vectors, document = saved(filled(kind), tmp_path) / "index.vectors", tmp_path / "index.json"
    said = json.loads(document.read_text())
    for change, message in [
        ({"kind": "exakt"}, "the kind 'exakt' is not known; did you mean 'exact'"),
        ({"ids": said["ids"][1:]}, "does not hold 39 vectors of 8 numbers"),
        ({"ids": ["item 1", *said["ids"][1:]]}, r"index\.json: the id 'item 1' is given twice"),
        ({"width": 9}, "does not hold 40 vectors of 9 numbers"),
    ]:
        document.write_text(json.dumps({**said, **change}))
        with pytest.raises(FormatError, match=message):
            read_index(tmp_path)
    document.write_text(json.dumps(said))
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\7")
    with pytest.raises(FormatError, match=r"index\.vectors is damaged, or was not written"):
        read_index(tmp_path)
    vectors.unlink()
    with pytest.raises(FormatError, match=r"index\.vectors cannot be read \(No such file"):
        read_index(tmp_path)


@pytest.mark.slow
def test_a_graph_of_neighbours_finds_most_of_the_best():
    exact_index, graph = (filled(kind, 20_000, 32) for kind in KINDS)
    queries = directions(100, 32, seed=1)
    pairs = zip(exact_index.search(queries)[0], graph.search(queries)[0], strict=True)
    recall = np.mean([np.isin(found, wanted).mean() for wanted, found in pairs])
    print(f"recall of the first ten of 20,000 vectors of 32 numbers: {recall:.3f}")
    assert recall >= 0.9
