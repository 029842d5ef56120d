"""Mean field: the best approximation by independent elements, and a lower bound on log Z.

The distribution of every element is set to what the others' distributions make it on average;
elements that share no factor are set together, so that the bound never falls.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.backend import Backend, backend_of
from mmgraph.inference.field.coordinate_ascent import Ascent, ascend, observed_last
from mmgraph.inference.field.moments import joined_moments, moments, second_moments
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.mean_field.pairwise_ascent import ascend_pairwise, is_pairwise
from mmgraph.inference.mean_field.start import Start, starting_means
from mmgraph.inference.mean_field.structured import improved_by_forests
from mmgraph.inference.model_variables import (
    default_precision,
    named_variables,
    tables_device,
)
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.options import keyword_options
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.inference.posterior import Moments, Posterior

Marginals = dict[str, Float[Tensor, "batch *shape states"]]
_STRUCTURES = ("naive", "chains")
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class MeanFieldOptions:
    """Options of :func:`mean_field`."""

    structure: Literal["naive", "chains"] = "naive"
    iterations: int = 200
    tolerance: float | None = 1e-6
    damping: float = 0.0
    initial: Start = None
    device: torch.device | str = "auto"
    dtype: torch.dtype | None = None
    generator: torch.Generator | None = None


@keyword_options(MeanFieldOptions)
def mean_field(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    *,
    options: MeanFieldOptions,
) -> Posterior:
    """Approximate the marginals by a product, with a lower bound on log P(evidence).

    Parameters
    ----------
    graph : FactorGraph
        Discrete variables, arrays or scalars, with factors of any kind; observed continuous leaves.
    evidence : Evidence
        Hard, soft and missing. All rows are updated at once.
    variables : str or sequence of str, optional
        Whose marginals to return; by default those of all discrete variables.
    structure : {"naive", "chains"}
        ``naive`` makes all elements independent. ``chains`` goes on from there with a product of
        chains (the rows of an image; in other graphs of trees), each of them exact given the
        others: a bound that is at least as tight, at more work, on the CPU.
    iterations : int, default 200
        The most passes over all elements; of each structure.
    tolerance : float, default 1e-6
        Converged when no probability changes by more. None makes all iterations, and calls for no
        convergence: what a machine does that was trained to answer with so many.
    damping : float in [0, 1), default 0
        The share of the old distribution that an update keeps. The bound rises without it too.
    initial : "random" or mapping of str to array-like, optional
        Distributions to start from, ``(*shape, states)`` or ``(batch, *shape, states)``. By default
        what the factors of each element alone say; where hard zeros exclude that, an assignment
        that they allow; of layers of units what they say while the others lean to no value.
    device : str or torch.device
        ``"auto"``: where the tables are.
    dtype : torch.dtype, optional
        By default double, or single where the unary factors of all arrays are kept in it.
    generator : torch.Generator, optional
        Draws the random start.

    Returns
    -------
    Posterior
        ``log_partition`` and ``bound`` are the lower bound.

    Raises
    ------
    ZeroProbabilityError
        If the evidence leaves an element no state, or no assignment has positive probability.
    EvidenceError
        If the start gives positive probability to what hard zeros exclude.
    MmgraphError
        If an option is out of its range.

    References
    ----------
    Wainwright and Jordan (2008), "Graphical models, exponential families, and variational
    inference", sections 5.3 (naive) and 5.5 (structured); Saul and Jordan (1996), "Exploiting
    tractable substructures in intractable networks".
    """
    began = time.perf_counter()
    structure, tolerance = options.structure, options.tolerance
    if structure not in _STRUCTURES:
        hint = suggestion(structure, _STRUCTURES)
        raise MmgraphError(f"unknown structure {structure!r}{hint} (known: naive, chains)")
    ascent = Ascent.checked(options.iterations, tolerance, options.damping)
    names = named_variables(graph, variables)
    with torch.no_grad():
        solved = _solved(graph, evidence, names, ascent, options)
    marginals, bound, done, residual = solved
    wanted = torch.inf if tolerance is None else tolerance
    return Posterior(
        graph.variables,
        marginals,
        bound,
        method="mean_field" if structure == "naive" else "structured_mean_field",
        is_normalised=graph.is_normalised,
        approximation="lower bound",
        converged=residual <= wanted,
        shortfall=shortfall("mean_field", "residual", residual, wanted, done),
        iterations=done,
        residual=residual,
        bound=bound,
        seconds=time.perf_counter() - began,
    )


class _Solved(NamedTuple):
    moments: Moments
    bound: Float[Tensor, " batch"]
    iterations: int
    residual: float


def _solved(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    ascent: Ascent,
    options: MeanFieldOptions,
) -> _Solved:
    """Solve blocks of rows; tell how far the slowest of them came."""
    backend = backend_of(graph, options.device)
    moved, precision = graph, options.dtype or default_precision(graph)
    if options.device != "auto" or options.dtype is not None:
        # Factors answer in their own precision and place, so they are moved where asked to.
        factors = (f.to(backend.place, precision) for f in graph.factors)
        moved = FactorGraph(graph.variables.values(), factors)
    # Changes are looked at for their own sake, too: zero asks for all passes.
    watched = ascent._replace(tolerance=max(ascent.tolerance, torch.finfo(precision).tiny))
    blocks = []
    for rows in _row_blocks(evidence, backend, options):
        view = FieldView(moved, rows, backend.place, precision)
        marginals = starting_means(graph, rows, view, options.initial, options.generator)
        done, residual = _ascended(graph, rows, view, marginals, watched)
        bound = view.expected_log_weight(marginals) + view.entropy(marginals)
        if options.structure == "chains":
            marginals, bound, done, residual = improved_by_forests(graph, rows, marginals, ascent)
        squares = second_moments(view, marginals, names)
        blocks.append(_Solved(moments(view, marginals, squares, names), bound, done, residual))
    return _Solved(
        joined_moments([one.moments for one in blocks]),
        torch.cat([one.bound for one in blocks]),
        max(one.iterations for one in blocks),
        max(one.residual for one in blocks),
    )


def _row_blocks(
    evidence: Evidence, backend: Backend, options: MeanFieldOptions
) -> Iterator[Evidence]:
    """Yield rows of layers of units in blocks whose statistics stay in a processor's caches."""
    whole = options.structure == "chains" or isinstance(options.initial, Mapping)
    step = evidence.batch if whole or not backend.layers else _ROWS_AT_ONCE
    if step >= evidence.batch:
        yield evidence
        return
    for first in range(0, evidence.batch, step):
        yield evidence.rows(slice(first, first + step))


def mean_field_marginals(
    graph: FactorGraph,
    evidence: Evidence,
    iterations: int = 20,
    damping: float = 0.5,
    initial: Mapping[str, Tensor] | None = None,
) -> Marginals:
    """Return the logarithms of mean-field marginals after a fixed number of parallel updates.

    Every operation is differentiable, with respect to the potentials, the weights and soft
    evidence: what learning unrolls. All elements are updated at once, and the natural parameters
    damped, which keeps neighbours from swinging to and fro.

    Parameters
    ----------
    iterations : int, default 20
        The number of updates.
    damping : float in [0, 1), default 0.5
        The share of the old natural parameters that an update keeps.
    initial : mapping of str to Tensor, optional
        Distributions to start from; by default what the factors of each element alone say.

    Returns
    -------
    dict of str to Tensor
        Log-probabilities of all discrete variables, ``(batch, *shape, states)``.

    Raises
    ------
    EvidenceError
        If hard zeros leave an element no state on the way; they need :func:`mean_field`, which
        updates in turn.
    MmgraphError
        If an option is out of its range.

    References
    ----------
    Krähenbühl and Koltun (2013), "Parameter learning and convergent inference for dense random
    fields"; Baqué et al. (2016), "Principled parallel mean-field inference for discrete random
    fields", section 3 (the damping).
    """
    Ascent.checked(iterations, 0.0, damping)
    view = FieldView(graph, evidence, tables_device(graph), default_precision(graph))
    if view.compact:
        raise MmgraphError(
            "layers of units are updated by 'ascend', which is differentiable as well"
        )
    fields = dict(view.unary)
    statistics = {name: field.softmax(-1) for name, field in fields.items()}
    statistics.update(initial or {})
    for step in range(iterations):
        keep = damping if step else 0.0
        logarithms = {name: view.log_conditional(name, statistics) for name in fields}
        fields = {n: _damped(fields[n], logarithms[n], keep) for n in fields}
        statistics = {name: field.softmax(-1) for name, field in fields.items()}
    return {name: field.log_softmax(-1) for name, field in fields.items()}


def _damped(old: Tensor, new: Tensor, keep: float) -> Tensor:
    """Mix natural parameters; where one is minus infinity the new one counts."""
    if keep == 0.0:
        return new
    excluded = torch.isneginf(old) | torch.isneginf(new)
    mixed = keep * old.masked_fill(excluded, 0.0) + (1 - keep) * new.masked_fill(excluded, 0.0)
    return torch.where(excluded, new, mixed)


def _ascended(
    graph: FactorGraph, evidence: Evidence, view: FieldView, marginals: Marginals, ascent: Ascent
) -> tuple[int, float]:
    """Update the marginals in place: compiled where edges join elements, and on the CPU."""
    if view.device.type == "cpu" and any(f.edge_terms for f in graph.factors):
        pairwise = pairwise_graph(graph, view.dtype)
        if is_pairwise(pairwise):
            return ascend_pairwise(pairwise, evidence, marginals, ascent)
    colours = colour_masks(graph)
    if view.compact:  # in the order in which they are trained
        observed = [name for name in evidence.observed() if evidence.tells(name)]
        colours = observed_last(colours, observed)
    return ascend(view, colours, marginals, *ascent)
