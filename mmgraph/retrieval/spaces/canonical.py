"""Spaces in which pictures and texts correlate: canonical correlation analysis."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
from jaxtyping import Float64

from mmgraph.graph.errors import FormatError
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.spaces.row_map import RowMap
from mmgraph.retrieval.spaces.sides import Sides
from mmgraph.retrieval.spaces.space import (
    FittedSpace,
    Pairs,
    Pictures,
    Places,
    Space,
    has_terms,
    places_of,
)


@dataclass(frozen=True)
class CanonicalSpace(Space):
    """Regularised canonical correlation analysis of pictures and the texts of each language.

    With kernels as in Hardoon, Szedmak and Shawe-Taylor (2004, "Canonical correlation analysis: an
    overview with application to learning methods", section 4.2), of several sides the sum of all
    correlations (Kettenring 1971). A coordinate counts by its correlation.

    Attributes
    ----------
    width : int
        How many coordinates places have at most.
    picture_ridge, text_ridge : float
        What is added to the variances of each side, by their mean.
    steepness : float
        Of a Gaussian kernel of pictures, by their median squared distance; zero is the linear
        kernel.
    """

    name: ClassVar[str] = "cca"
    width: int = 300
    picture_ridge: float = 1.0
    text_ridge: float = 1.0
    steepness: float = 0.0

    def fit(self, pairs: Pairs) -> FittedCanonicalSpace:
        """As :meth:`Space.fit`."""
        sides, coordinates = Sides.fitted(pairs, self.steepness)
        ridges = (self.picture_ridge, *(self.text_ridge,) * len(pairs.texts))
        matrices = canonical_maps(coordinates, ridges, self.width)
        return FittedCanonicalSpace(*sides.then(*matrices))


@dataclass(frozen=True, eq=False)
class FittedCanonicalSpace(FittedSpace):
    """Maps of pictures and of each language's texts into one space.

    Attributes
    ----------
    picture_map : RowMap
    text_maps : tuple of RowMap
    """

    name: ClassVar[str] = CanonicalSpace.name
    picture_map: RowMap
    text_maps: tuple[RowMap, ...]

    @property
    def width(self) -> int:
        """As :attr:`FittedSpace.width`."""
        return len(self.picture_map.offset)

    def pictures(self, features: Pictures) -> Places:
        """As :meth:`FittedSpace.pictures`."""
        return places_of(self.picture_map(features))

    def texts(self, features: Sequence[sp.csr_array]) -> Places:
        """As :meth:`FittedSpace.texts`."""
        places = np.zeros((features[0].shape[0], self.width), np.float32)
        for side, rows in zip(self.text_maps, features, strict=True):
            known = has_terms(rows)
            places[known] += side(rows[known])
        return places_of(places)

    def parts(self) -> Parts:
        """As :meth:`FittedSpace.parts`."""
        return Sides(self.picture_map, self.text_maps).parts()

    @classmethod
    def restored(cls, parts: Parts) -> Self:
        """As :meth:`FittedSpace.restored`."""
        picture_map, text_maps = Sides.restored(parts)
        if not text_maps or any(len(m.offset) != len(picture_map.offset) for m in text_maps):
            raise FormatError(f"{parts.where}: the maps of pictures and texts are not of one width")
        return cls(picture_map, text_maps)


def canonical_maps(
    sides: Sequence[Float64[np.ndarray, "rows coordinates"]], ridges: Sequence[float], width: int
) -> list[Float64[np.ndarray, "coordinates width"]]:
    """Return linear maps of centred sides whose images correlate the most, times correlations.

    Parameters
    ----------
    sides : sequence of ndarray, shape (rows, coordinates)
    ridges : sequence of float
        What is added to the variances of each side, by their mean.
    width : int
        How many coordinates there are at most.

    Returns
    -------
    list of ndarray, shape (coordinates, width)
        Of several sides a coordinate counts by the mean of its (ridged) correlations over all
        pairs of sides.
    """
    count = len(sides[0])
    whitenings = []
    for coordinates, ridge in zip(sides, ridges, strict=True):
        covariance = coordinates.T @ coordinates / count
        added = ridge * np.trace(covariance) / len(covariance)
        variances, vectors = sl.eigh(covariance)
        whitenings.append(vectors / np.sqrt(variances.clip(0) + added))
    white = [z @ w for z, w in zip(sides, whitenings, strict=True)]
    width = min(width, *(w.shape[1] for w in white))
    if len(white) == 2:
        left, correlations, right = np.linalg.svd(white[0].T @ white[1] / count, False)
        parts = [left[:, :width], right[:width].T]
        correlations = correlations[:width]
    else:
        # Coordinates of all sides side by side; what correlates a side with itself is no matter.
        joined = np.concatenate(white, axis=1)
        cross = joined.T @ joined / count
        ends = np.cumsum([0, *(w.shape[1] for w in white)])
        for first, end in itertools.pairwise(ends):
            cross[first:end, first:end] = 0
        # Of so many eigenvectors all together take less time than one after another.
        last = len(cross) - 1
        values, vectors = sl.eigh(cross, subset_by_index=(last + 1 - width, last))
        correlations = values[::-1].clip(0) / (len(white) - 1)
        vectors = vectors[:, ::-1] * np.sqrt(len(white))
        parts = [vectors[first:end] for first, end in itertools.pairwise(ends)]
    return [w @ (part * correlations) for w, part in zip(whitenings, parts, strict=True)]
