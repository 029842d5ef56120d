import numpy as np
import pytest
import scipy.linalg as sl
import scipy.sparse as sp
from cca_zoo.linear import CCA

from mmgraph.graph.errors import FormatError, LearningError
from mmgraph.retrieval.spaces.canonical import (
    CanonicalSpace,
    FittedCanonicalSpace,
    canonical_maps,
)
from mmgraph.retrieval.spaces.space import Pairs


def sides(seed: int, *widths: int, rows: int = 200) -> list[np.ndarray]:
    """Centred tables with a latent variable in common."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(rows, 2))
    made = []
    for width in widths:
        table = common @ generator.normal(size=(2, width)) + generator.normal(size=(rows, width))
        made.append(table - table.mean(0))
    return made


def pairs(seed: int = 0, rows: int = 60, languages: int = 1) -> Pairs:
    pictures, *texts = sides(seed, 5, *(7,) * languages, rows=rows)
    blocks = []
    for table in texts:
        terms = np.where(table > 0, table, 0)
        lengths = np.linalg.norm(terms, axis=1, keepdims=True)
        blocks.append(sp.csr_array((terms / np.maximum(lengths, 1e-9)).astype("f4")))
    return Pairs(pictures.astype("f4"), (2, 3), tuple(blocks), 0)


def correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, other.T, strict=True)])


@pytest.mark.parametrize("seed", range(3))
def test_without_ridges_the_correlations_are_those_of_cca_zoo(seed):
    tables = sides(seed, 4, 6)
    maps = canonical_maps(tables, (0.0, 0.0), 3)
    places = [table @ one for table, one in zip(tables, maps, strict=True)]
    peer = CCA(n_components=3).fit(tables)
    theirs = correlations(*(t @ w for t, w in zip(tables, peer.weights_, strict=True)))
    np.testing.assert_allclose(correlations(*places), abs(theirs), atol=1e-6)
    # A coordinate of unit variance is scaled by its correlation.
    np.testing.assert_allclose(places[0].std(0), abs(theirs), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_ridge_maps_solve_the_generalised_eigenproblem(seed):
    one, other = sides(seed, 3, 4)
    count, ridges = len(one), (0.5, 2.0)
    covariances = [t.T @ t / count for t in (one, other)]
    ridged = [
        c + r * np.trace(c) / len(c) * np.eye(len(c))
        for c, r in zip(covariances, ridges, strict=True)
    ]
    cross = one.T @ other / count
    blocks = np.block([[np.zeros((3, 3)), cross], [cross.T, np.zeros((4, 4))]])
    expected = sl.eigh(blocks, sl.block_diag(*ridged), eigvals_only=True)[::-1][:3]
    maps = canonical_maps([one, other], ridges, 3)
    found = [np.sqrt(np.diag(m.T @ c @ m)) for m, c in zip(maps, ridged, strict=True)]
    np.testing.assert_allclose(found, [expected, expected], atol=1e-8)
    np.testing.assert_allclose(maps[0].T @ cross @ maps[1], np.diag(expected**3), atol=1e-8)


def test_maps_of_three_sides_solve_the_generalised_eigenproblem():
    tables = sides(0, 3, 4, 5)
    count = len(tables[0])
    ridged = [
        c + 0.3 * np.trace(c) / len(c) * np.eye(len(c)) for c in (t.T @ t / count for t in tables)
    ]
    joined = np.concatenate(tables, axis=1)
    within = sl.block_diag(*ridged)
    cross = joined.T @ joined / count * (sl.block_diag(*map(np.ones_like, ridged)) == 0)
    values = sl.eigh(cross, within, eigvals_only=True)[::-1][:2] / 2
    stacked = np.concatenate(canonical_maps(tables, (0.3, 0.3, 0.3), 2))
    np.testing.assert_allclose(stacked.T @ within @ stacked, 3 * np.diag(values**2), atol=1e-8)
    np.testing.assert_allclose(stacked.T @ cross @ stacked, 6 * np.diag(values**3), atol=1e-8)


@pytest.mark.parametrize("steepness", [0.0, 1.0])
@pytest.mark.parametrize("languages", [1, 2])
def test_a_stored_space_places_to_the_bit(steepness, languages):
    known = pairs(languages=languages)
    space = CanonicalSpace(width=4, steepness=steepness).fit(known)
    restored = FittedCanonicalSpace.restored(space.parts())
    np.testing.assert_array_equal(restored.pictures(known.pictures), space.pictures(known.pictures))
    places = space.texts(known.texts)
    np.testing.assert_array_equal(restored.texts(known.texts), places)
    lengths = np.linalg.norm(places, axis=1)
    assert ((abs(lengths - 1) < 1e-5) | (lengths == 0)).all()


def test_pairs_lie_nearer_than_others():
    known = pairs(rows=150)
    space = CanonicalSpace(width=4).fit(known)
    scores = space.pictures(known.pictures) @ space.texts(known.texts).T
    assert (np.diag(scores) > np.median(scores)).mean() > 0.8


def test_a_text_without_terms_lies_nowhere():
    known = pairs()
    space = CanonicalSpace(width=4).fit(known)
    nothing = sp.csr_array((2, known.texts[0].shape[1]), dtype=np.float32)
    assert not space.texts([nothing]).any()


def test_too_few_pairs_and_pictures_that_are_all_one_are_refused():
    with pytest.raises(LearningError, match=r"5 pairs .* too few"):
        CanonicalSpace().fit(pairs().rows(np.arange(5)))
    known = pairs()
    with pytest.raises(LearningError, match="no picture differs"):
        CanonicalSpace().fit(known._replace(pictures=np.ones_like(known.pictures)))


def test_damaged_parts_are_refused():
    parts = CanonicalSpace(width=4).fit(pairs()).parts()
    parts.numbers["picture_map.weights"] = parts.numbers["picture_map.weights"][:, :2]
    with pytest.raises(FormatError, match="picture_map"):
        FittedCanonicalSpace.restored(parts)


def test_items_of_one_language_are_found_by_queries_in_another_as_well():
    generator = np.random.default_rng(0)
    meaning = generator.integers(4, size=200)
    pictures = np.eye(4)[meaning] + 0.3 * generator.normal(size=(200, 4))
    terms = sp.csr_array(np.eye(4, dtype="f4")[meaning])
    in_first = np.arange(200) < 100
    silent = [sp.diags_array((has).astype("f4")) @ terms for has in (in_first, ~in_first)]
    blocks = tuple(sp.csr_array(block) for block in silent)
    for block in blocks:
        block.eliminate_zeros()
    known = Pairs(pictures.astype("f4"), (4,), blocks, 0)
    space = CanonicalSpace(width=3).fit(known)
    nothing = sp.csr_array((4, 4), dtype="f4")
    queries = space.texts([sp.csr_array(np.eye(4, dtype="f4")), nothing])
    scores = queries @ space.pictures(known.pictures).T
    first = np.argsort(-scores, axis=1)[:, :20]
    assert (meaning[first] == np.arange(4)[:, None]).mean() > 0.9
    assert 0.25 < in_first[first].mean() < 0.75
