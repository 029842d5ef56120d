import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from mmgraph.graph.errors import FormatError
from mmgraph.retrieval.spaces.canonical import CanonicalSpace
from mmgraph.retrieval.spaces.machine import FittedMachineSpace, MachineSpace
from mmgraph.retrieval.spaces.space import Pairs


def pairs(rows: int = 80) -> Pairs:
    """Pictures of one of four things each, drawn with noise, and their texts in two languages."""
    generator = np.random.default_rng(0)
    things = generator.integers(0, 4, rows)
    pictures = np.eye(4, 6)[things] * 3 + generator.normal(size=(rows, 6))
    text = sp.csr_array(np.eye(4, 8, dtype="f4")[things])
    return Pairs(pictures.astype("f4"), (6,), (text, text[:, ::-1]), 0)


@pytest.fixture(scope="module")
def fitted() -> FittedMachineSpace:
    return MachineSpace(variates=8, joint=4, epochs=1, steps=100).fit(pairs())


def expected_text(space: FittedMachineSpace, picture: np.ndarray) -> np.ndarray:
    """The mean of the first text's variates given the picture's, by enumeration of the joint."""
    biases, weights = {}, {}
    for factor in space.machine.factors:
        numbers = {name: t.double().numpy() for name, t in factor.parameters().items()}
        (biases if len(factor.scope) == 1 else weights)[factor.scope[0].name] = numbers
    states = np.array(list(itertools.product((0, 1), repeat=4)))
    log = states @ (biases["joint"]["bias"] + picture @ weights["picture"]["weights"])
    means = {}
    for name in ("text0", "text1"):
        field = biases[name]["bias"] + states @ weights[name]["weights"].T
        means[name] = field / biases[name]["precision"]
        # Of variates that are summed out the masses of normal densities remain.
        log += (field * means[name]).sum(1) / 2
    chances = np.exp(log - log.max())
    return chances / chances.sum() @ means["text0"]


@pytest.mark.slow
def test_expected_texts_are_those_of_enumeration(fitted):
    known = pairs().pictures[:20]
    variates = fitted.canonical.picture_map(known).astype(float)
    for place, row in zip(fitted.pictures(known) * np.sqrt(3), variates, strict=True):
        expected = expected_text(fitted, row)
        assert expected / np.linalg.norm(expected) @ place[3:6] > 0.99
        np.testing.assert_allclose(place[:3], row / np.linalg.norm(row), atol=1e-5)


def test_pairs_lie_nearer_than_others_and_files_hold_all(fitted):
    known = pairs()
    pictures, texts = fitted.pictures(known.pictures), fitted.texts(known.texts)
    # Four texts differ in three ways: other variates do not correlate.
    assert pictures.shape == texts.shape == (80, 3 * 3)
    scores = pictures @ texts.T
    alike = (known.texts[0] @ known.texts[0].T).toarray() > 0
    assert scores[alike].mean() > scores[~alike].mean() + 0.5
    restored = FittedMachineSpace.restored(fitted.parts())
    np.testing.assert_array_equal(restored.pictures(known.pictures), pictures)
    np.testing.assert_array_equal(restored.texts(known.texts), texts)


def test_texts_may_lack_languages(fitted):
    first, second = (block[:3].toarray() for block in pairs().texts)
    first[:2], second[0] = 0, 0
    places = fitted.texts([sp.csr_array(first), sp.csr_array(second)])
    assert not places[0].any()
    np.testing.assert_allclose(np.linalg.norm(places[1:], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(places[2], fitted.texts(pairs().texts)[2], atol=1e-6)


def test_a_machine_of_other_variates_is_refused(fitted):
    parts = fitted.parts()
    parts.put("canonical", CanonicalSpace(2).fit(pairs()).parts())
    with pytest.raises(FormatError, match="not one of these variates"):
        FittedMachineSpace.restored(parts)
