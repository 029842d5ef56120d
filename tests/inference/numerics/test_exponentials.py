"""Exponentials of rows against numpy's."""

import numpy as np
import pytest

from mmgraph.inference.numerics.exponentials import exponentials


def by_rows(values, shift):
    out, room = np.full_like(values, np.nan), np.empty_like(values)
    exponentials(values, shift, room, out)
    return out


@pytest.mark.parametrize("length", [1, 3, 4, 7, 4096])
def test_they_are_those_of_numpy_to_the_last_digits(length):
    generator = np.random.default_rng(length)
    for scale, shift in ((1.0, 0.0), (300.0, 0.0), (1e-9, 0.0), (100.0, -1e4), (1.0, 1e8)):
        values = shift + generator.uniform(-1, 1, length) * scale
        np.testing.assert_allclose(by_rows(values, shift), np.exp(values - shift), rtol=4e-16)


def test_the_ends_of_what_doubles_hold():
    values = np.array([0.0, 700.0, -707.9, -708.1, -1e6, -1e300, -np.inf])
    found = by_rows(values, 0.0)
    np.testing.assert_allclose(found[:3], np.exp(values[:3]), rtol=4e-16)
    assert found[0] == 1.0
    assert not found[3:].any()
    np.testing.assert_array_equal(by_rows(np.array([-np.inf, 1e300]), 1e300), [0.0, 1.0])
