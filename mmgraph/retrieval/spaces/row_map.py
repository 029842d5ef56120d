"""Rows of one side as coordinates, whose products are those of the rows or of a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
import torch
from jaxtyping import Float32, Float64

from mmgraph.graph.errors import FormatError
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.spaces.space import has_terms

Rows: TypeAlias = Any
"""An ndarray, or a csr_array of scipy, which has no types."""
MOST_LANDMARKS = 2500
_MOST_COORDINATES = 1200
_SMALLEST = 1e-6
"""Directions of less variance than this share of the greatest are rounding errors."""
_BLOCK_ROWS = 4096
_SPARSE = {"data": np.float32, "indices": np.int64, "indptr": np.int64}
"""The arrays of a csr_array, as files hold them."""


@dataclass(frozen=True, eq=False)
class RowMap:
    """A map of rows by their products, or a Gaussian kernel, with some rows: the landmarks.

    New rows are placed by the Nyström method (Williams and Seeger 2001, "Using the Nyström method
    to speed up kernel machines"), which is exact where all rows that were fitted to are landmarks.

    Attributes
    ----------
    mean, scale : ndarray of float32, shape (features,)
        What is taken from each feature of dense rows, and what the rest is multiplied by; sparse
        rows are taken as they are.
    landmarks : ndarray of float32 or csr_array, shape (landmarks, features)
    weights : ndarray of float32, shape (landmarks, width)
        From products with landmarks to coordinates.
    offset : ndarray of float32, shape (width,)
        What is taken from the coordinates, so that their mean over the rows fitted to is zero.
    steepness : float
        Of the Gaussian kernel: by what squared distances are multiplied. Zero is the linear kernel.
    """

    mean: Float32[np.ndarray, " features"]
    scale: Float32[np.ndarray, " features"]
    landmarks: Rows
    weights: Float32[np.ndarray, "landmarks width"]
    offset: Float32[np.ndarray, " width"]
    steepness: float

    @classmethod
    def fitted(
        cls, rows: Rows, widths: Sequence[int], steepness: float, seed: int
    ) -> tuple[Self, Float64[np.ndarray, "rows width"]]:
        """Return the map to the principal coordinates of a kernel, and the rows' coordinates.

        Parameters
        ----------
        rows : ndarray or csr_array
        widths : sequence of int
            How many features each block of dense rows has; blocks count alike.
        steepness : float
            Of the Gaussian kernel, by the median squared distance of rows; zero is the linear one.
        seed : int
            Of which rows are landmarks, where there are too many.

        Raises
        ------
        MemoryBudgetError
            If the coordinates would take more than half of the machine's memory.
        """
        most = min(rows.shape[0], MOST_LANDMARKS)
        check_required(
            f"the coordinates of {rows.shape[0]:,} pairs",
            24 * rows.shape[0] * min(most, _MOST_COORDINATES) + 32 * most**2,
            default_memory_budget(),
            "Learn from fewer pairs: some ten thousand teach nearly as much.",
        )
        width = rows.shape[1]
        mean, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
        if not sp.issparse(rows):
            mean, deviation = rows.mean(0, np.float64), rows.std(0, np.float64)
            of_block = np.repeat(widths, widths) * len(widths)
            varies = deviation > 1e-6 * np.maximum(abs(mean), 1e-6)
            scale = np.where(varies, 1 / np.where(varies, deviation, 1) / np.sqrt(of_block), 0)
        generator = np.random.default_rng(seed)
        draft = cls(
            *(np.asarray(mean, np.float32), np.asarray(scale, np.float32), rows[:0]),
            *(np.zeros((0, 0), np.float32), np.zeros(0, np.float32), steepness),
        )
        scaled = draft._scaled(rows)
        # Rows in which nothing is there are no rows: they lie at the mean.
        there = has_terms(rows) if sp.issparse(rows) else np.ones(rows.shape[0], bool)
        distinct = np.flatnonzero(there)[_distinct(scaled[there])]
        chosen = np.sort(generator.permutation(distinct)[:MOST_LANDMARKS])
        landmarks = scaled[chosen]
        if steepness:
            among = _squared_distances(landmarks, landmarks)
            typical = float(
                np.median(among[np.triu_indices(len(chosen), 1)] if len(chosen) > 1 else 1)
            )
            draft = replace(draft, steepness=steepness / typical)
        draft = replace(draft, landmarks=landmarks)
        variances, vectors = sl.eigh(draft._products(landmarks).astype(np.float64))
        usable = variances > _SMALLEST * variances.max(initial=0)
        variances, vectors = variances[usable][::-1], vectors[:, usable][:, ::-1]
        weights = (vectors / np.sqrt(variances))[:, :_MOST_COORDINATES]
        draft = replace(
            draft,
            weights=np.ascontiguousarray(weights, np.float32),
            offset=np.zeros(weights.shape[1], np.float32),
        )
        # Landmarks are scaled already: products are taken with them as they are.
        coordinates = draft._placed(scaled).astype(np.float64)
        offset = coordinates[there].mean(0) if there.any() else coordinates.sum(0)
        centred = (coordinates - offset) * there[:, None]
        # What is a rounding error of equal rows is no coordinate.
        centred[:, centred.std(0) < _SMALLEST * abs(coordinates).max(initial=0.0)] = 0
        return replace(draft, offset=np.asarray(offset, np.float32)), centred

    def __call__(self, rows: Rows) -> Float32[np.ndarray, "rows width"]:
        """Return the coordinates of rows."""
        return self._placed(self._scaled(rows))

    def of_texts(self, texts: sp.csr_array) -> Float32[np.ndarray, "rows width"]:
        """Return the coordinates of texts; NaN of those without a term."""
        return np.where(has_terms(texts)[:, None], self(texts), np.float32(np.nan))

    def then(self, matrix: Float64[np.ndarray, "width narrower"]) -> Self:
        """Return this map followed by a linear one.

        The linear kernel of dense rows needs no landmarks any more, but one row a feature.
        """
        weights, offset = self.weights @ matrix, self.offset @ matrix
        landmarks = self.landmarks
        if not self.steepness and not sp.issparse(landmarks) and len(landmarks):
            weights, landmarks = landmarks.T @ weights, np.zeros((0, len(self.mean)), np.float32)
        return replace(
            self,
            landmarks=landmarks,
            weights=np.ascontiguousarray(weights, np.float32),
            offset=np.asarray(offset, np.float32),
        )

    def parts(self) -> Parts:
        """Return what a file holds of the map."""
        sparse = bool(sp.issparse(self.landmarks))
        parts = Parts({"steepness": self.steepness, "sparse": sparse})
        for name in ("mean", "scale", "weights", "offset"):
            parts.add(name, getattr(self, name))
        if sparse:
            for name in _SPARSE:
                parts.add(f"landmarks.{name}", getattr(self.landmarks, name).astype(_SPARSE[name]))
        else:
            parts.add("landmarks", self.landmarks)
        return parts

    @classmethod
    def restored(cls, parts: Parts) -> Self:
        """Return the map of :meth:`parts`.

        Raises
        ------
        FormatError
            If they are not what they must be.
        """

        def single(name: str, *shape: int | None) -> np.ndarray:
            return parts.take(name, *shape, dtype=torch.float32)

        mean = single("mean", None)
        scale, offset = single("scale", len(mean)), single("offset", None)
        weights = single("weights", None, len(offset))
        if parts.settings.get("sparse") is True:
            data = single("landmarks.data", None)
            places = parts.take("landmarks.indices", len(data), dtype=torch.int64)
            ends = parts.take("landmarks.indptr", len(weights) + 1, dtype=torch.int64)
            try:
                landmarks: Rows = sp.csr_array(
                    (data, places, ends), shape=(len(weights), len(mean))
                )
                landmarks.check_format(full_check=True)
            except ValueError as error:
                raise FormatError(f"{parts.where}: {error}") from None
        else:
            landmarks = single("landmarks", None, len(mean))
            if len(weights) != (len(landmarks) or len(mean)):
                raise FormatError(f"{parts.where}: there are {len(weights)} weights of landmarks")
        steepness = parts.setting("steepness")
        parts.finish()
        return cls(mean, scale, landmarks, weights, offset, steepness)

    def _scaled(self, rows: Rows) -> Rows:
        return rows if sp.issparse(rows) else (rows - self.mean) * self.scale

    def _placed(self, scaled: Rows) -> Float32[np.ndarray, "rows width"]:
        """Coordinates of scaled rows, some thousand rows at a time."""
        blocks = [
            self._products(scaled[first : first + _BLOCK_ROWS]) @ self.weights - self.offset
            for first in range(0, scaled.shape[0], _BLOCK_ROWS)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, len(self.offset)), np.float32)

    def _products(self, scaled: Rows) -> Float32[np.ndarray, "rows landmarks"]:
        """Kernels of scaled rows with the landmarks, or the rows where there are none."""
        if self.steepness:
            return np.exp(-self.steepness * _squared_distances(scaled, self.landmarks))
        if not self.landmarks.shape[0]:
            silent = sp.issparse(scaled)
            return np.zeros((scaled.shape[0], 0), "f4") if silent else np.asarray(scaled, "f4")
        products = scaled @ self.landmarks.T
        return np.asarray(products.toarray() if sp.issparse(products) else products, np.float32)


def _squared_distances(rows: Rows, others: Rows) -> Float32[np.ndarray, "rows others"]:
    products = rows @ others.T
    products = products.toarray() if sp.issparse(products) else products
    squares = _squares(rows)[:, None] + _squares(others)
    return np.asarray((squares - 2 * products).clip(0), np.float32)


def _squares(rows: Rows) -> np.ndarray:
    squared = rows.power(2) if sp.issparse(rows) else rows**2
    return np.asarray(squared.sum(1)).ravel()


def _distinct(rows: Rows) -> np.ndarray:
    """The places of rows that none before them equals."""
    if not sp.issparse(rows):
        return np.sort(np.unique(rows, axis=0, return_index=True)[1])
    first: dict[bytes, int] = {}
    for row, (start, end) in enumerate(zip(rows.indptr[:-1], rows.indptr[1:], strict=True)):
        key = rows.indices[start:end].tobytes() + rows.data[start:end].tobytes()
        first.setdefault(key, row)
    return np.array(list(first.values()), np.int64)
