"""What a mask hides is missing in the data of a machine, and in its labels."""

import numpy as np
import pytest
import torch

import mmgraph as mm

RNG = np.random.default_rng(0)
HIDDEN = RNG.random((60, 4)) < 0.2
REALS = RNG.normal(size=(60, 4))
BITS = (RNG.random((60, 4)) < 0.5).astype(np.float64)
LABELS = np.array(["a", "b"] * 30)


def masked(values: np.ndarray) -> np.ma.MaskedArray:
    """Wild values under a mask."""
    array = np.ma.array(values.copy(), mask=HIDDEN)
    array.data[HIDDEN] = 7e5
    return array


def machine(family: str | None, labels: mm.Variable | None = None):
    visible = None if family is None else mm.Variable("x", shape=(4,), family=family)
    return mm.RestrictedBoltzmannMachine(visible, 3, labels, epochs=2, batch_size=20)


def same(one, other) -> bool:
    pairs = zip(one.parameters().values(), other.parameters().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli", None])
@pytest.mark.parametrize("values", [REALS, BITS, 0.9 * BITS], ids=["reals", "bits", "grey"])
def test_masked_cells_are_missing(family, values):
    if family == "bernoulli" and values is REALS:
        pytest.skip("real values are no states")
    gaps = np.where(HIDDEN, np.nan, values)
    expected = machine(family).fit(gaps)
    found = machine(family).fit(masked(values))
    assert same(found, expected)
    np.testing.assert_array_equal(found.represent(masked(values)), expected.represent(gaps))
    assert same(machine(family).fit(list(masked(values))), expected)
    if family is not None:
        assert same(machine(family).fit({"x": masked(values)}), expected)
        filled = found.impute({"x": masked(values)})["x"].numpy()
        np.testing.assert_array_equal(filled, expected.impute({"x": gaps})["x"])


def test_masked_labels_are_missing():
    labels = mm.Variable("y", ("a", "b"))
    hidden = RNG.random(60) < 0.3
    listed = [None if hide else label for hide, label in zip(hidden, LABELS, strict=True)]
    expected = machine("gaussian", labels).fit(REALS, listed)
    assert same(machine("gaussian", labels).fit(REALS, np.ma.array(LABELS, mask=hidden)), expected)
