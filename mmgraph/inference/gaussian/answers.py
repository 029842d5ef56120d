"""Answers to many rows: densities, means, covariances and draws, one missing pattern at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.inference.gaussian.elimination import Density, eliminated
from mmgraph.inference.gaussian.fronts import fronts_of
from mmgraph.inference.numerics.compiling import compiled

ROWS_AT_ONCE = 256
"""More rows of one pattern are worked through in blocks, which stay in the cache."""


class Groups(NamedTuple):
    """Rows that lack the same elements, next to each other, and the configurations to try.

    Attributes
    ----------
    observed : array of shape (groups, elements)
    rows : array of shape (groups + 1,)
        Where the rows of each group begin.
    configurations : array of shape (groups, 2)
        The first configuration that is worked through, and the one after the last.
    """

    observed: Bool[np.ndarray, "groups elements"]
    rows: Int64[np.ndarray, "..."]
    configurations: Int64[np.ndarray, "groups 2"]


class Answers(NamedTuple):
    """What :func:`answer_groups` writes; arrays without entries are not asked for.

    Attributes
    ----------
    log_density : array of shape (configurations, rows)
    repeated : array of shape (configurations, rows)
        See :class:`~mmgraph.inference.gaussian.elimination.Density`.
    means : array of shape (configurations, wanted elements, rows)
    variances : array of shape (configurations, wanted elements, groups)
    covariances : array of shape (configurations, groups, wanted elements, wanted elements)
    """

    log_density: Float64[np.ndarray, "configurations rows"]
    repeated: Int64[np.ndarray, "configurations rows"]
    means: Float64[np.ndarray, "configurations wanted rows"]
    variances: Float64[np.ndarray, "configurations wanted groups"]
    covariances: Float64[np.ndarray, "configurations groups wanted wanted"]


@compiled
def answer_groups(  # type: ignore[no-untyped-def]
    equations, members, ranked, configurations, groups, values, wanted, noise, exact, answers
):
    """Write the answers to all groups of rows.

    Parameters
    ----------
    equations : Equations
    members : array of int
        The equations that count.
    ranked : array of int
        Their elements in the order of elimination.
    configurations : array of shape (configurations, factors)
        Which of its own configurations each factor is in.
    groups : Groups
    values : array of shape (elements, rows)
        What is observed of each element.
    wanted : array of int
        The elements whose means (variances, covariances) are asked for.
    noise : array of shape (elements, rows)
        Standard normal numbers, if the means are to be draws; else without entries.
    exact : bool
        Whether an equation may be without noise.
    answers : Answers
        Written. Configurations are counted from the first of each group.
    """
    position = np.full(len(values), -1, np.int64)
    for g in range(len(groups.observed)):
        fronts = fronts_of(equations, members, ranked, groups.observed[g], position)
        begun = groups.configurations[g, 0]
        for c in range(begun, groups.configurations[g, 1]):
            first = groups.rows[g]
            while first < groups.rows[g + 1]:
                last = min(first + ROWS_AT_ONCE, groups.rows[g + 1])
                density = Density(
                    answers.log_density[c - begun, first:last],
                    answers.repeated[c - begun, first:last],
                )
                made = eliminated(
                    equations,
                    fronts,
                    position,
                    configurations[c],
                    values[:, first:last],
                    exact,
                    density,
                )
                if density.repeated[0] < 0:
                    return
                if len(answers.means):
                    known = values[:, first:last]
                    _substitute_back(fronts, made, noise[:, first:last])
                    for w in range(len(wanted)):
                        p = position[wanted[w]]
                        target = answers.means[c - begun, w, first:last]
                        target[:] = made.constants[p] if p >= 0 else known[wanted[w]]
                if first == groups.rows[g] and len(answers.variances):
                    _write_variances(
                        fronts, made, position, wanted, answers.variances[c - begun, :, g]
                    )
                if first == groups.rows[g] and len(answers.covariances):
                    _write_covariances(
                        fronts, made, position, wanted, answers.covariances[c - begun, g]
                    )
                first = last


@compiled
def _substitute_back(fronts, made, noise):  # type: ignore[no-untyped-def]
    """Put the values of later elements into the conditionals: constants become means, or draws."""
    for front in range(len(fronts.elements) - 1, -1, -1):
        mine = made.constants[front]
        if len(noise):
            drawn = noise[fronts.elements[front]]
            for b in range(len(mine)):
                mine[b] += made.deviations[front] * drawn[b]
        for j in range(fronts.first[front], fronts.first[front + 1]):
            later = made.constants[fronts.columns[j]]
            gain = made.gains[j]
            for b in range(len(mine)):
                mine[b] -= gain * later[b]


@compiled
def _write_variances(fronts, made, position, wanted, variances):  # type: ignore[no-untyped-def]
    """The variances of elements: from the last front to the first, covariances of each front.

    Those of the columns stand in the front of the first column, which has all others (the sparse
    inverse of Takahashi, Fagan and Chin 1973, in a form that adds what is positive).
    """
    count = len(fronts.elements)
    offset = np.zeros(count + 1, np.int64)
    for front in range(count):
        width = fronts.first[front + 1] - fronts.first[front] + 1
        offset[front + 1] = offset[front] + width * width
    blocks = np.empty(offset[count])
    place = np.empty(count, np.int64)
    for front in range(count - 1, -1, -1):
        begin, end = fronts.first[front], fronts.first[front + 1]
        width = end - begin + 1
        block = blocks[offset[front] : offset[front + 1]].reshape((width, width))
        block[0, 0] = made.deviations[front] ** 2
        if width == 1:
            continue
        parent = fronts.columns[begin]
        wide = fronts.first[parent + 1] - fronts.first[parent] + 1
        above = blocks[offset[parent] : offset[parent + 1]].reshape((wide, wide))
        place[parent] = 0
        for j in range(fronts.first[parent], fronts.first[parent + 1]):
            place[fronts.columns[j]] = j - fronts.first[parent] + 1
        for i in range(1, width):
            row = place[fronts.columns[begin + i - 1]]
            total = 0.0
            for j in range(1, width):
                entry = above[row, place[fronts.columns[begin + j - 1]]]
                block[i, j] = entry
                total -= entry * made.gains[begin + j - 1]
            block[i, 0] = total
            block[0, i] = total
        for i in range(1, width):
            block[0, 0] -= made.gains[begin + i - 1] * block[0, i]
    for w in range(len(wanted)):
        p = position[wanted[w]]
        variances[w] = blocks[offset[p]] if p >= 0 else 0.0


@compiled
def _write_covariances(fronts, made, position, wanted, covariances):  # type: ignore[no-untyped-def]
    """The covariances of wanted elements: each as a combination of the noises of all fronts."""
    count, size = len(fronts.elements), len(wanted)
    shares = np.zeros((count, size))
    for w in range(size):
        if position[wanted[w]] >= 0:
            shares[position[wanted[w]], w] = 1.0
    covariances[:] = 0.0
    for front in range(count):
        mine = shares[front]
        some = False
        for w in range(size):
            some |= mine[w] != 0.0
        if not some:
            continue
        for j in range(fronts.first[front], fronts.first[front + 1]):
            later = shares[fronts.columns[j]]
            gain = made.gains[j]
            for w in range(size):
                later[w] -= gain * mine[w]
        variance = made.deviations[front] ** 2
        if variance > 0.0:
            for v in range(size):
                share = variance * mine[v]
                if share != 0.0:
                    for w in range(size):
                        covariances[v, w] += share * mine[w]
