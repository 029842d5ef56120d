"""Scores of continuous families: a regression on continuous parents in each state of discrete ones.

Everything is read off moments: sums over rows of products of (1, *values), one matrix for each
configuration of the discrete parents. BGe is the marginal likelihood under a normal-Wishart prior
(Geiger and Heckerman 2002, with the corrections of Kuipers, Moffa and Heckerman 2014).
"""

from __future__ import annotations

import math

import numpy as np

from mmgraph.learning.structure.scores.records import BGE, BIC, HELD_OUT, MAX_CELLS
from mmgraph.learning.structure.scores.tables import compiled

_COLLINEAR = 1e-10
"""A variable of which others leave a smaller share of the squares than this adds nothing."""


@compiled
def continuous_family(rows, child, parents, gains):
    """The score of a continuous child, and what it gains by changes, as ``discrete_family``.

    ``parents`` are numbers of variables of both kinds.
    """
    members, configuration, configurations = _split(rows, child, parents)
    size = rows.moments.shape[1]
    if configurations * size * size > MAX_CELLS * 4 or configurations > MAX_CELLS:
        return -np.inf
    y = rows.place[child] + 1
    moments, held = _moments_by_configuration(rows, child, configuration, configurations)
    score = _score(rows, child, moments, held, members, y)
    if len(gains):
        _gains_of_leaving(rows, child, parents, moments, held, members, score, gains)
        if rows.kind == HELD_OUT:
            _gains_one_by_one(rows, child, moments, held, members, score, gains)
        else:
            _gains_of_continuous(rows, child, moments, members, score, gains)
        for v in range(len(rows.states)):
            if rows.allowed[v, child] and rows.states[v] > 0 and v not in parents:
                more = configurations * rows.states[v]
                if more * size * size <= MAX_CELLS * 4:
                    codes = rows.codes[rows.place[v]]
                    finer = configuration * np.int32(rows.states[v]) + codes
                    gains[v] = _score_of_finer(rows, child, finer, more, members) - score
    return score


@compiled
def _split(rows, child, parents):
    """Places of (1, continuous parents) among the moments, and the configuration of each row."""
    members = np.zeros(len(parents) + 1, np.int64)
    count = 1
    configuration = np.zeros(rows.codes.shape[1], np.int32)
    configurations = 1
    for parent in parents:
        if rows.states[parent] == 0:
            members[count] = rows.place[parent] + 1
            count += 1
        elif configurations <= MAX_CELLS:
            configurations *= rows.states[parent]
            codes = rows.codes[rows.place[parent]]
            states = np.int32(rows.states[parent])
            for i in range(len(configuration)):
                configuration[i] = configuration[i] * states + codes[i]
    return members[:count], configuration, configurations


@compiled
def _moments_by_configuration(rows, child, configuration, configurations):
    """Moments of all continuous variables, of the rows scored on and of those held out."""
    here = rows.rows_of[child]
    held_out = rows.kind == HELD_OUT
    if configurations == 1:
        moments = rows.moments[here : here + 1]
        return moments, rows.held_out_moments[here : here + 1] if held_out else moments
    every = np.arange(rows.moments.shape[1])
    moments = _moments(rows, rows.weights[here], configuration, configurations, every)
    if not held_out:
        return moments, moments
    return moments, _moments(rows, rows.held_out[here], configuration, configurations, every)


@compiled
def _moments(rows, weights, configuration, configurations, members):
    """Sums of products of some of (1, *values) over the rows of each configuration."""
    size = len(members)
    moments = np.zeros((configurations, size, size))
    row = np.empty(size)
    for i in range(len(weights)):
        if weights[i] == 0:
            continue
        for a in range(size):
            row[a] = 1.0 if members[a] == 0 else rows.values[members[a] - 1, i]
        into = moments[configuration[i]]
        for a in range(size):
            scaled = weights[i] * row[a]
            for b in range(a + 1):
                into[a, b] += scaled * row[b]
    for q in range(configurations):
        for a in range(size):
            for b in range(a):
                moments[q, b, a] = moments[q, a, b]
    return moments


@compiled
def _score(rows, child, moments, held, members, y):
    """The score of the regression of ``y`` on ``members``, over all configurations."""
    score, total = 0.0, rows.totals[rows.rows_of[child]]
    pooled = len(moments) == 1
    for q in range(len(moments)):
        factor, residual, log_det = _eliminate(moments[q], members, y)
        if rows.kind == BGE:
            score += _marginal(rows, child, len(members) - 1, log_det, residual)
        elif rows.kind == HELD_OUT:
            score += _held_out(moments[q], held[q], members, y, factor, residual, rows.strength)
        else:
            score += _likelihood(moments[q][0, 0], residual, moments[q][y, y], pooled)
    # The rows' values were divided by their scale, which takes from every density.
    counted = total
    if rows.kind == HELD_OUT:
        counted = 0.0
        for q in range(len(held)):
            counted += held[q][0, 0]
    elif rows.kind != BGE:
        score -= _price(rows, child) * len(moments) * (len(members) + 1)
    return score - counted * rows.log_scale[child]


@compiled
def _price(rows, child):
    """What a parameter costs."""
    return 0.5 * math.log(rows.totals[rows.rows_of[child]]) if rows.kind == BIC else 1.0


@compiled
def _eliminate(moments, members, y):
    """Cholesky rows of ``members`` and what they leave of the squares of ``y``.

    Returns the factor's rows over all variables (those of collinear members are zero), the rest,
    and the logarithm of the determinant of the members' moments but the intercept's.
    """
    size = len(members)
    factor = np.zeros((size, moments.shape[0]))
    log_det = 0.0
    for k in range(size):
        m = members[k]
        row = factor[k]
        for v in range(moments.shape[0]):
            row[v] = moments[m, v]
        for j in range(k):
            share = factor[j, m]
            for v in range(moments.shape[0]):
                row[v] -= share * factor[j, v]
        pivot = row[m]
        if pivot <= _COLLINEAR * moments[m, m]:
            row[:] = 0.0
            continue
        scale = 1.0 / math.sqrt(pivot)
        for v in range(moments.shape[0]):
            row[v] *= scale
        if k > 0:
            log_det += math.log(pivot)
    residual = moments[y, y]
    for k in range(size):
        residual -= factor[k, y] ** 2
    return factor, max(residual, 0.0), log_det


@compiled
def _likelihood(count, residual, squares, pooled):
    """Log-likelihood of a regression's rows, at the variance that fits them best.

    In one of several configurations a row of the child's own variance (1: values are standardised)
    is added to those that estimate it, since few rows leave none.
    """
    if count <= 0:
        return 0.0
    if pooled:
        variance = max(residual, 1e-12 * squares, 1e-300) / count
        return -0.5 * count * (math.log(2 * math.pi * variance) + 1.0)
    variance = (residual + 1.0) / (count + 1.0)
    return -0.5 * (count * math.log(2 * math.pi * variance) + residual / variance)


@compiled
def _marginal(rows, child, parents, log_det, residual):
    """BGe of one family, from the posterior's scatter matrix."""
    total, strength = rows.totals[rows.rows_of[child]], rows.strength
    variables = float(len(rows.states))
    freedom = variables + strength + 1.0
    prior = strength * (freedom - variables - 1.0) / (strength + 1.0)
    half = 0.5 * (freedom - variables + parents + 1.0)
    score = math.lgamma(0.5 * total + half) - math.lgamma(half)
    score += 0.5 * (math.log(strength / (total + strength)) - total * math.log(math.pi))
    score += 0.5 * (freedom - variables + 2.0 * parents + 1.0) * math.log(prior)
    score -= 0.5 * log_det
    return score - (0.5 * total + half) * math.log(max(residual, 1e-300))


@compiled
def _held_out(moments, held, members, y, factor, residual, strength):
    """Log-likelihood of held-out rows at the regression of the others."""
    count = held[0, 0]
    if count <= 0:
        return 0.0
    variance = (residual + strength) / (moments[0, 0] + strength)
    size = len(members)
    slopes = np.zeros(size)
    for k in range(size - 1, -1, -1):
        if factor[k, members[k]] > 0:
            rest = factor[k, y]
            for j in range(k + 1, size):
                rest -= factor[k, members[j]] * slopes[j]
            slopes[k] = rest / factor[k, members[k]]
    squares = held[y, y]
    for a in range(size):
        squares -= 2.0 * slopes[a] * held[members[a], y]
        for b in range(size):
            squares += slopes[a] * slopes[b] * held[members[a], members[b]]
    return -0.5 * (count * math.log(2 * math.pi * variance) + squares / variance)


@compiled
def _gains_of_continuous(rows, child, moments, members, score, gains):
    """What each continuous variable gains by joining, from partial covariances of all at once."""
    y = rows.place[child] + 1
    gains_by_place = np.zeros(moments.shape[1])
    pooled = len(moments) == 1
    for q in range(len(moments)):
        table = moments[q]
        factor, residual, log_det = _eliminate(table, members, y)
        before = 0.0
        if rows.kind == BGE:
            before = _marginal(rows, child, len(members) - 1, log_det, residual)
        else:
            before = _likelihood(table[0, 0], residual, table[y, y], pooled)
        for x in range(1, table.shape[0]):
            square, product = table[x, x], table[x, y]
            for k in range(len(members)):
                square -= factor[k, x] ** 2
                product -= factor[k, x] * factor[k, y]
            if square <= _COLLINEAR * table[x, x]:
                if pooled:
                    gains_by_place[x] = -np.inf
                continue
            left = max(residual - product**2 / square, 0.0)
            if rows.kind == BGE:
                grown = log_det + math.log(square)
                after = _marginal(rows, child, len(members), grown, left)
            else:
                after = _likelihood(table[0, 0], left, table[y, y], pooled)
            gains_by_place[x] += after - before
    price = 0.0 if rows.kind == BGE else _price(rows, child) * len(moments)
    for v in range(len(rows.states)):
        if rows.states[v] == 0 and rows.allowed[v, child]:
            x = rows.place[v] + 1
            if x not in members:
                gains[v] = gains_by_place[x] - price


@compiled
def _gains_one_by_one(rows, child, moments, held, members, score, gains):
    """As ``_gains_of_continuous``, each by a regression of its own."""
    for v in range(len(rows.states)):
        if rows.states[v] == 0 and rows.allowed[v, child]:
            x = rows.place[v] + 1
            if x not in members:
                more = np.append(members, x)
                y = rows.place[child] + 1
                gains[v] = _score(rows, child, moments, held, more, y) - score


@compiled
def _gains_of_leaving(rows, child, parents, moments, held, members, score, gains):
    """What the score gains by each parent's leaving; a discrete one's states are summed out."""
    y = rows.place[child] + 1
    inner = 1
    for at in range(len(parents) - 1, -1, -1):
        v = parents[at]
        if rows.states[v] == 0:
            fewer = members[members != rows.place[v] + 1]
            gains[v] = _score(rows, child, moments, held, fewer, y) - score
        else:
            summed = _summed(moments, rows.states[v], inner)
            summed_held = _summed(held, rows.states[v], inner) if rows.kind == HELD_OUT else summed
            gains[v] = _score(rows, child, summed, summed_held, members, y) - score
            inner *= rows.states[v]


@compiled
def _summed(moments, states, inner):
    """Moments summed over the states of one discrete parent."""
    fewer = np.zeros((len(moments) // states, moments.shape[1], moments.shape[2]))
    for outer in range(len(moments) // (states * inner)):
        for s in range(states):
            for j in range(inner):
                fewer[outer * inner + j] += moments[(outer * states + s) * inner + j]
    return fewer


@compiled
def _score_of_finer(rows, child, configuration, configurations, members):
    """The score where one more discrete parent splits the configurations."""
    here = rows.rows_of[child]
    places = np.append(members, rows.place[child] + 1)
    moments = _moments(rows, rows.weights[here], configuration, configurations, places)
    held = moments
    if rows.kind == HELD_OUT:
        held = _moments(rows, rows.held_out[here], configuration, configurations, places)
    return _score(rows, child, moments, held, np.arange(len(members)), len(members))
