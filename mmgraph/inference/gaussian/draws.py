"""Exact draws of continuous variables given the discrete ones and what is observed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.gaussian.answers import Answers, Groups, answer_groups
from mmgraph.inference.gaussian.mixtures import clusters_with
from mmgraph.inference.gaussian.model import GaussianModel, gaussian_model
from mmgraph.inference.gaussian.overflow import refuse_overflow
from mmgraph.inference.gaussian.patterns import values_of
from mmgraph.inference.gaussian.tensors import answered


def gaussian_draws(
    graph: FactorGraph,
    evidence: Evidence,
    codes: Mapping[str, Tensor],
    draws: int,
    generator: torch.Generator | None,
) -> dict[str, Tensor]:
    """Return draws of the linear Gaussian variables, ``(batch, draws, *shape)``.

    Parameters
    ----------
    codes : mapping of str to Tensor
        Draws of the discrete variables given the same evidence, ``(batch, draws)``.
    """
    model = gaussian_model(graph)
    if model is None:
        return {}
    count = evidence.batch * draws
    values = np.repeat(values_of(evidence, model.variables), draws, axis=0)
    configurations = state_numbers(model, {n: t.reshape(-1) for n, t in codes.items()}, count)
    if any(form.log_weights is not None for form in model.forms):
        _draw_components(model, evidence, codes, configurations, draws, generator)
    noise = torch.randn(count, model.elements, generator=generator, dtype=torch.float64).numpy()
    elements = np.arange(model.elements)
    drawn = configuration_answers(model, values, configurations, elements, noise)[0]
    return by_variable(model, drawn, evidence.batch)


def by_variable(
    model: GaussianModel, values: Float64[np.ndarray, "rows elements"], batch: int
) -> dict[str, Tensor]:
    """Return values of all elements by variable, ``(batch, draws, *shape)``."""
    made, at = {}, 0
    for v in model.variables:
        part = torch.from_numpy(values[:, at : at + v.size].copy())
        made[v.name] = part.reshape(batch, -1, *v.shape)
        at += v.size
    return made


def state_numbers(
    model: GaussianModel, codes: Mapping[str, Tensor], rows: int
) -> Int64[np.ndarray, "rows factors"]:
    """Return which joint state the discrete parents of each factor are in."""
    numbers = np.zeros((rows, len(model.forms)), np.int64)
    for i, form in enumerate(model.forms):
        for v in form.discrete:
            numbers[:, i] = numbers[:, i] * v.cardinality + codes[v.name].cpu().numpy()
    return numbers


def configuration_answers(
    model: GaussianModel,
    values: Float64[np.ndarray, "rows elements"],
    configurations: Int64[np.ndarray, "rows factors"],
    wanted: Int64[np.ndarray, " wanted"],
    noise: Float64[np.ndarray, "rows elements"] | None = None,
) -> tuple[Float64[np.ndarray, "rows wanted"], Float64[np.ndarray, "rows wanted"]]:
    """Return means and variances of elements in rows whose configurations are known.

    Parameters
    ----------
    values : array
        What is observed; NaN where missing.
    noise : array, optional
        Standard normal numbers that make the means draws, without variances.
    """
    keys = np.concatenate([~np.isnan(values), configurations], axis=1)
    distinct, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.ravel()
    order = np.argsort(group, kind="stable")
    number = np.arange(len(distinct))
    groups = Groups(
        distinct[:, : model.elements].astype(np.bool_),
        np.concatenate([[0], np.cumsum(np.bincount(group))]),
        np.stack([number, number + 1], 1),
    )
    rows, spread = len(values), noise is None
    answers = Answers(
        np.empty((1, rows)),
        np.zeros((1, rows), np.int64),
        np.empty((1, len(wanted), rows)),
        np.empty((1 if spread else 0, len(wanted), len(distinct))),
        np.empty((0, 0, 0, 0)),
    )
    answer_groups(
        model.equations,
        np.arange(len(model.equations.factor)),
        model.order,
        np.ascontiguousarray(distinct[:, model.elements :]),
        groups,
        np.ascontiguousarray(values[order].T),
        wanted,
        np.empty((0, rows)) if noise is None else np.ascontiguousarray(noise[order].T),
        bool(model.equations.may_be_exact.any()),
        answers,
    )
    refuse_overflow(model, answers, wanted)
    means = np.empty((rows, len(wanted)))
    means[order] = answers.means[0].T
    return means, answers.variances[0].T[group] if spread else np.zeros((rows, 0))


def _draw_components(
    model: GaussianModel,
    evidence: Evidence,
    codes: Mapping[str, Tensor],
    configurations: Int64[np.ndarray, "rows factors"],
    draws: int,
    generator: torch.Generator | None,
) -> None:
    """Draw the components of mixtures given the states, and number them into configurations."""
    for patterns, clusters in clusters_with(model, evidence, list(model.place)):
        for cluster in clusters:
            mixtures = [f for f in cluster.forms if f.log_weights is not None]
            if not mixtures:
                continue
            logs = answered(cluster, patterns, evidence).log_weights
            components = cluster.sizes[len(cluster.scope) :]
            by_state = logs.T.reshape(len(patterns.order), -1, math.prod(components))
            state = torch.zeros(len(patterns.order), draws, dtype=torch.int64)
            for v in cluster.scope:
                state = state * v.cardinality + codes[v.name].cpu()[patterns.order]
            shares = by_state.gather(1, state.unsqueeze(-1).expand(-1, -1, by_state.shape[-1]))
            drawn = torch.multinomial(shares.flatten(0, 1).softmax(-1), 1, generator=generator)
            numbers = np.unravel_index(drawn.squeeze(1).numpy(), components)
            rows = (patterns.order[:, None] * draws + np.arange(draws)).ravel()
            for form, number, size in zip(mixtures, numbers, components, strict=True):
                column = configurations[:, model.number[form.child.name]]
                column[rows] = column[rows] * size + number
