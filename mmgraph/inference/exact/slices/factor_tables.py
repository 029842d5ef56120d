"""Factors as tables: the same for all steps, or one a step of what is observed."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.graph.variable import Variable


def static_table(factor: Factor) -> Float64[np.ndarray, "*states"]:
    """Return the logarithms of a factor over discrete variables, in the order of its scope."""
    table = factor.conditional_table()
    with np.errstate(divide="ignore"):
        if table is not None:
            return np.log(table.detach().cpu().double().numpy())
    states = [range(v.cardinality) for v in factor.scope]
    grid = torch.tensor(list(itertools.product(*states)))
    assignment = {v.name: grid[:, i] for i, v in enumerate(factor.scope)}
    energy = factor.energy(assignment).detach().cpu().double().numpy()
    shape = tuple(v.cardinality for v in factor.scope)
    logs: np.ndarray = -energy.reshape(shape)
    return logs


def is_static(factor: Factor) -> bool:
    """Whether a factor is over discrete variables alone."""
    return all(v.is_discrete for v in factor.scope)


def is_normal_given_states(factor: Factor) -> bool:
    """Whether a factor is a density that is normal, or a mixture of normals, given states alone."""
    if isinstance(factor, LinearGaussian):
        return not factor.continuous_parents
    return isinstance(factor, ContinuousLeaf)


def table_by_energy(factor: Factor, cells: Evidence) -> Float64[np.ndarray, "rows *states"]:
    """The table of each row over a factor's discrete variables; its real ones are observed."""
    discrete = [v for v in factor.scope if v.is_discrete]
    real = [v for v in factor.scope if not v.is_discrete]
    rows = cells.batch
    missing = np.zeros(rows, bool)
    for variable in real:
        gone = _gone(variable, cells)
        if variable is not factor.child and gone.any():
            raise EvidenceError(
                f"'{variable.name}' is to be observed at every step, since '"
                f"{factor.child.name if factor.child else factor!r}' depends on it"
            )
        missing |= gone
    logs = np.zeros((rows, *(v.cardinality for v in discrete)))
    if missing.all():
        return logs
    grid = torch.tensor(list(itertools.product(*(range(v.cardinality) for v in discrete))))
    count = len(grid)
    there = np.flatnonzero(~missing)
    index = torch.from_numpy(np.repeat(there, count))
    assignment = {v.name: grid[:, i].repeat(len(there)) for i, v in enumerate(discrete)}
    assignment |= {v.name: cells.values[v.name][index] for v in real}
    energy = factor.energy(assignment).detach().cpu().double().numpy()
    logs[there] = -energy.reshape(len(there), *logs.shape[1:])
    return logs


def _gone(variable: Variable, cells: Evidence) -> np.ndarray:
    values = cells.values.get(variable.name)
    if values is None:
        return np.ones(cells.batch, bool)
    gone = values.reshape(cells.batch, -1).isnan()
    partly = gone.any(1) & ~gone.all(1)
    if bool(partly.any()):
        raise EvidenceError(
            f"'{variable.name}' lacks some of a step's cells: of a linear Gaussian vector all are "
            "observed or none; a GaussianLeaf takes any"
        )
    whole: np.ndarray = gone.all(1).numpy()
    return whole
