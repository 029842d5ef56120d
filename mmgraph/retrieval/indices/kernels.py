"""Compiled loops of the exact search: products of bytes, what may be among the best, scores."""

from __future__ import annotations

import heapq

import numpy as np
from jaxtyping import Float, Float32, Int8, Int64

from mmgraph.inference.numerics.compiling import compiled

_LEAST = 1e-30
"""Below it numbers of single precision lose digits: errors are larger than relative ones."""
_LARGEST_CODE = np.float32(127)
Vectors = Float32[np.ndarray, "items width"]
Vector = Float32[np.ndarray, " width"]


@compiled
def as_bytes(vectors: Vectors) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Round vectors to bytes (items, width) times a scale (items,), which are the first results.

    The others, (items,), are the lengths of what was rounded off, and of the vectors. By Cauchy and
    Schwarz, a product with a query of length one is off by the former at most.
    """
    items, width = vectors.shape
    codes, scales = np.empty((items, width), np.int8), np.zeros(items, np.float32)
    rests, lengths = np.empty(items), np.empty(items)
    for j in range(items):
        largest = np.float32(0)
        for i in range(width):
            largest = max(largest, abs(vectors[j, i]))
        factor = np.float32(0)
        if largest > _LEAST:
            scales[j] = largest / _LARGEST_CODE
            factor = np.float32(1) / scales[j]
        squares = rest = 0.0
        for i in range(width):
            codes[j, i] = np.int8(np.rint(vectors[j, i] * factor))
            squares += np.float64(vectors[j, i]) ** 2
            rest += (np.float64(vectors[j, i]) - np.float64(scales[j]) * codes[j, i]) ** 2
        rests[j], lengths[j] = np.sqrt(rest), np.sqrt(squares)
    return codes, scales, rests, lengths


@compiled
def products_of_bytes(
    codes: Int8[np.ndarray, "items width"], scales: Float32[np.ndarray, " items"], query: Vector
) -> Float32[np.ndarray, " items"]:
    """Return the products of rounded vectors with a query, in single precision."""
    products = np.empty(len(codes), np.float32)
    for j in range(codes.shape[0]):
        total = np.float32(0)
        for i in range(codes.shape[1]):
            total += np.float32(codes[j, i]) * query[i]
        products[j] = total * scales[j]
    return products


@compiled
def candidates(
    products: Float32[np.ndarray, " items"],
    margins: Float[np.ndarray, " items"],
    length: float,
    k: int,
) -> Int64[np.ndarray, " candidates"]:
    """Return in rising order all positions that may be among the k with the largest products.

    A product is off by its margin times the query's length at most. At least k items reach the k-th
    largest of the lower bounds, so that none whose upper bound is below it is among the best.
    """
    lowest = [-np.inf for _ in range(k)]
    found, count = np.empty(len(products), np.int64), 0
    for j in range(len(products)):
        margin = margins[j] * length + _LEAST
        if products[j] + margin >= lowest[0]:
            found[count] = j
            count += 1
            if products[j] - margin > lowest[0]:
                heapq.heapreplace(lowest, products[j] - margin)
    return found[:count]


@compiled
def scores_at(
    vectors: Vectors, query: Vector, positions: Int64[np.ndarray, " hits"]
) -> Float32[np.ndarray, " hits"]:
    """Return products with a query in double precision, rounded: equal vectors score alike."""
    scores = np.empty(len(positions), np.float32)
    for place, j in enumerate(positions):
        total = 0.0
        for i in range(vectors.shape[1]):
            total += np.float64(vectors[j, i]) * np.float64(query[i])
        scores[place] = total
    return scores
