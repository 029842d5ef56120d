"""Handwritten digits described by six sets of features."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmgraph.datasets.entries import entry, read_member
from mmgraph.graph.errors import DatasetError


@dataclass(frozen=True, eq=False)
class DigitsSixViews:
    """The digits data set.

    Attributes
    ----------
    views : dict of str to array, each of shape (2000, features)
        ``fac`` profile correlations (216), ``fou`` Fourier coefficients (76), ``kar``
        Karhunen-Loeve coefficients (64), ``mor`` morphology (6), ``pix`` pixel averages (240: an
        image of 16 rows and 15 columns with values 0 to 6), ``zer`` Zernike moments (47).
    labels : array of int, shape (2000,)
        The digit of each row.
    """

    views: dict[str, NDArray[np.float64]]
    labels: NDArray[np.int64]


def load() -> DigitsSixViews:
    """Load the digits data set."""
    views = {}
    labels: NDArray[np.int64] | None = None
    for view in entry("digits_six_views").modalities:
        text = io.BytesIO(read_member("digits_six_views", f"mfeat-{view}.csv"))
        table = np.loadtxt(text, delimiter=",", skiprows=1)
        views[view] = np.ascontiguousarray(table[:, :-1])
        digits = table[:, -1].astype(np.int64)
        # Every file repeats the labels: the one check there is that the rows are aligned.
        if labels is not None and not np.array_equal(labels, digits):
            raise DatasetError(f"the rows of mfeat-{view}.csv are not aligned with the others'")
        labels = digits
    assert labels is not None
    return DigitsSixViews(views, labels)
