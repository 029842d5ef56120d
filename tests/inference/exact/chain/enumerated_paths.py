"""Every path of a short chain of hidden states, one after the other: the referee of its answers."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp


class Enumerated(NamedTuple):
    paths: np.ndarray
    scores: np.ndarray
    log_likelihood: float
    probabilities: np.ndarray
    pairs: np.ndarray
    possible: np.ndarray


def enumerated(start, transition, log_densities) -> Enumerated:
    """Answer from all paths; ``transition`` is that of the joint states."""
    steps, states = log_densities.shape
    paths = np.array(list(itertools.product(range(states), repeat=steps)))
    with np.errstate(divide="ignore"):
        scores = np.log(start)[paths[:, 0]] + log_densities[np.arange(steps), paths].sum(1)
        scores = scores + np.log(transition)[paths[:, :-1], paths[:, 1:]].sum(1)
    total = logsumexp(scores)
    weights = np.exp(scores - total)
    possible = np.zeros((steps, states), bool)
    probabilities, pairs = np.zeros((steps, states)), np.zeros((states, states))
    for t in range(steps):
        np.add.at(probabilities[t], paths[:, t], weights)
        possible[t, paths[scores > -np.inf, t]] = True
        if t:
            np.add.at(pairs, (paths[:, t - 1], paths[:, t]), weights)
    return Enumerated(paths, scores, float(total), probabilities, pairs, possible)


def drawn_chains(generator, sizes, zeros=0.2):
    """Random starts and transitions of chains, some of them exact zeros."""

    def rows(*shape):
        table = generator.dirichlet(np.ones(shape[-1]), shape[:-1])
        table = np.where(generator.random(shape) < zeros, 0.0, table)
        table[..., 0] += 1e-3
        return table / table.sum(-1, keepdims=True)

    return [rows(k) for k in sizes], [rows(k, k) for k in sizes]


def joint(tables):
    """The Kronecker product: of independent chains, the last one fastest."""
    whole = np.ones((1,) * tables[0].ndim)
    for table in tables:
        whole = np.kron(whole, table)
    return whole
