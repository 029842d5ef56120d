"""Structured mean field of hidden chains whose contributions to a normal row add up.

Each chain is an exact hidden Markov model of its own, in which the others stand at their means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.inference.exact.chain.factorial_chain import FactorialChain


class AdditiveRows(NamedTuple):
    """Rows, and the normal density of each given the contributions of chains.

    Attributes
    ----------
    rows : array of shape (steps, features)
        Zero in missing cells.
    precisions : array of shape (kinds, features, features)
        Inverse covariances of the cells a row has, zero in rows and columns of missing ones.
    kinds : array of int of shape (steps,)
        Which of these a row has.
    constants : array of shape (kinds,)
        Log-densities of rows at their means.
    contributions : sequence of arrays of shape (states, features)
        Of each chain.
    """

    rows: Float64[np.ndarray, "steps features"]
    precisions: Float64[np.ndarray, "kinds features features"]
    kinds: Int64[np.ndarray, " steps"]
    constants: Float64[np.ndarray, " kinds"]
    contributions: Sequence[Float64[np.ndarray, "states features"]]


class FactoredPosterior(NamedTuple):
    """Independent chains that are as near to the posterior as coordinate ascent has found.

    Attributes
    ----------
    marginals : list of arrays of shape (steps, states)
    transitions : list of arrays of shape (states, states)
        Expected numbers of transitions.
    fields : list of arrays of shape (steps, states)
        The log-density of each step's states that each chain runs on.
    bounds : list of float
        The lower bound of the log-likelihood after each sweep; it never falls.
    converged : bool
    method : str
    exact : bool
    """

    marginals: list[Float64[np.ndarray, "steps states"]]
    transitions: list[Float64[np.ndarray, "states states"]]
    fields: list[Float64[np.ndarray, "steps states"]]
    bounds: list[float]
    converged: bool
    method: str = "structured mean field"
    exact: bool = False


def factorial_mean_field(
    chains: Sequence[FactorialChain],
    observed: AdditiveRows,
    marginals: Sequence[Float64[np.ndarray, "steps states"]] | None = None,
    sweeps: int = 200,
    tolerance: float = 1e-8,
) -> FactoredPosterior:
    """Ascend the lower bound, one chain after the other.

    Parameters
    ----------
    chains : sequence of FactorialChain
        One chain each.
    marginals : sequence of arrays of shape (steps, states), optional
        Where to start; by default all states of a chain are as probable.
    sweeps, tolerance
        Sweeps end after so many, or where the bound rises by less than this part of itself.

    References
    ----------
    Ghahramani and Jordan (1997), "Factorial hidden Markov models", section 3.5 and appendix D.
    """
    rows, precisions, kinds, constants, tables = observed
    # Of each chain, the precision-weighted contributions of its states, and half their squares.
    weighed = [np.einsum("kf,pfg->pkg", table, precisions) for table in tables]
    halves = [0.5 * (w * table).sum(-1) for w, table in zip(weighed, tables, strict=True)]
    if marginals is None:
        shares = [np.full((len(rows), len(table)), 1 / len(table)) for table in tables]
    else:
        shares = [np.array(m) for m in marginals]
    means = [share @ table for share, table in zip(shares, tables, strict=True)]
    total, bounds, converged = sum(means, np.zeros_like(rows)), list[float](), False
    fields, counts = [np.empty_like(share) for share in shares], [np.empty(0)] * len(tables)
    entropies = np.zeros(len(tables))  # of each chain, with its expected log-probability
    while len(bounds) < sweeps and not converged:
        for m, chain in enumerate(chains):
            rest = rows - total + means[m]
            fields[m] = np.einsum("tkf,tf->tk", weighed[m][kinds], rest) - halves[m][kinds]
            shares[m], (counts[m],), log_norm = chain.smoothed(fields[m])
            entropies[m] = log_norm - (shares[m] * fields[m]).sum()
            total = total - means[m]
            means[m] = shares[m] @ tables[m]
            total = total + means[m]
        bounds.append(float(entropies.sum() + constants[kinds].sum()))
        distance = rows - total
        bounds[-1] -= 0.5 * _squares(distance, precisions, kinds)
        for m in range(len(tables)):
            bounds[-1] -= (shares[m] * halves[m][kinds]).sum()
            bounds[-1] += 0.5 * _squares(means[m], precisions, kinds)
        rise = bounds[-1] - bounds[-2] if len(bounds) > 1 else np.inf
        converged = len(tables) == 1 or rise <= tolerance * abs(bounds[-1])
    return FactoredPosterior(shares, counts, fields, bounds, bool(converged))


def _squares(values: np.ndarray, precisions: np.ndarray, kinds: np.ndarray) -> float:
    return float(np.einsum("tf,tfg,tg->", values, precisions[kinds], values, optimize=True))
