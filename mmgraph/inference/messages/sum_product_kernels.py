"""Sum-product messages along one edge, compiled, in logarithms.

As in ``min_sum_kernels`` a message is an energy for each state of the end that receives it, its
smallest entry subtracted: minus the logarithm of what the other end and the edge weigh together.
Potts and linear edges take a number of steps linear in the number of states, truncated quadratic
ones its product with the reach of the truncation.
"""

from __future__ import annotations

import math

import numpy as np

from mmgraph.inference.numerics.compiling import uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at, edge_energy
from mmgraph.inference.pairwise.graph import LINEAR, POTTS, QUADRATIC, SELECTS_FIRST, TABLE


@uncounted
def sum_product_message(edges, e, weight, potentials, towards_second, source, low, target, weights):
    """Write the message that ``source`` sends along an edge, and return what was subtracted.

    ``low`` is the least value of ``source``, ``weights`` scratch for as many numbers,
    ``potentials`` the exponentials of minus the tables. ``inf`` is returned, and the message left
    unfinished, where no state is possible.
    """
    if low == np.inf:
        return np.inf
    edge = edge_at(edges, e, weight)
    rows, columns = (edge.rows, edge.columns) if towards_second else (edge.columns, edge.rows)
    total = 0.0
    for j in range(rows):
        weights[j] = math.exp(low - source[j])
        total += weights[j]
    weigh(edge, edges.tables, potentials, towards_second, weights, total, target)
    least = np.inf
    for k in range(columns):
        if target[k] > 0:
            energy = low - math.log(target[k])
        else:
            energy = _log_weighed(edge, edges.tables, towards_second, source, rows, k)
        target[k] = energy
        least = min(least, energy)
    if least < np.inf:
        for k in range(columns):
            target[k] -= least
    return least


@uncounted
def _log_weighed(edge, tables, towards_second, source, rows, k):
    """The energy of one receiving state where the sum was too small for a double."""
    low, total = np.inf, 0.0
    for j in range(rows):
        if source[j] == np.inf:
            continue
        x, y = (j, k) if towards_second else (k, j)
        energy = source[j] + edge_energy(edge, tables, x, y)
        if energy == np.inf:
            continue
        if energy < low:
            total = total * math.exp(energy - low) + 1.0 if low < np.inf else 1.0
            low = energy
        else:
            total += math.exp(low - energy)
    return low - math.log(total) if low < np.inf else np.inf


@uncounted
def weigh(edge, tables, potentials, towards_second, weights, total, target):
    """Sum over the sender's states what they weigh together with the edge, for each receiving one.

    ``total`` is the sum of ``weights``. No logarithms are taken.
    """
    rows, columns = (edge.rows, edge.columns) if towards_second else (edge.columns, edge.rows)
    weight, place = edge.weight, edge.place
    if edge.kind == POTTS:
        agree = math.exp(-weight)
        for k in range(columns):
            target[k] = agree * total + (1 - agree) * weights[k]
    elif edge.kind == LINEAR:
        _linear(weight, edge.truncation, weights, total, rows, target)
    elif edge.kind == QUADRATIC:
        _quadratic(weight, edge.truncation, weights, total, rows, target)
    elif edge.kind == TABLE:
        for k in range(columns):
            sum_ = 0.0
            for j in range(rows):
                cell = place + (j * columns + k if towards_second else k * rows + j)
                if weight == 1:
                    sum_ += weights[j] * potentials[cell]
                elif weights[j] > 0:
                    sum_ += weights[j] * math.exp(-weight * tables[cell])
            target[k] = sum_
    elif towards_second == (edge.kind == SELECTS_FIRST):
        for cell in range(columns):
            target[cell] = weights[(cell // place) % rows]
    else:
        for k in range(columns):
            target[k] = 0
        for cell in range(rows):
            target[(cell // place) % columns] += weights[cell]


@uncounted
def _linear(weight, truncation, weights, total, count, target):
    """A sum that decays with the distance, as two recursions over a window.

    Beyond the truncation each state weighs the same. What leaves the window is subtracted; the
    rounding of that is small beside the part beyond, which no difference enters.
    """
    decay = math.exp(-weight)
    reach = math.ceil(truncation) if truncation < count else count
    beyond = math.exp(-weight * truncation) if truncation < count else 0.0
    leaving = math.exp(-weight * reach)
    window = near = 0.0
    for k in range(count):
        window = window * decay + weights[k]
        near += weights[k]
        if k >= reach:
            window -= leaving * weights[k - reach]
            near -= weights[k - reach]
        target[k] = window - beyond * near
    leaving = math.exp(-weight * (reach - 1))
    window = near = 0.0
    for i in range(count):
        k = count - 1 - i
        target[k] += decay * window + beyond * (total - near)
        window = decay * window + weights[k]
        near += weights[k]
        if i + 1 >= reach:
            window -= leaving * weights[k + reach - 1]
            near -= weights[k + reach - 1]


@uncounted
def _quadratic(weight, truncation, weights, total, count, target):
    """A sum over the states within the reach of the truncation; the others weigh the same."""
    reach = count
    if truncation < count * count:
        reach = min(math.ceil(math.sqrt(truncation)), count)
    beyond = math.exp(-weight * truncation) if truncation < count * count else 0.0
    for k in range(count):
        target[k] = beyond * total
    for step in range(reach):
        gain = math.exp(-weight * step * step) - beyond
        for k in range(count - step):
            target[k + step] += gain * weights[k]
        if step > 0:
            for k in range(count - step):
                target[k] += gain * weights[k + step]
