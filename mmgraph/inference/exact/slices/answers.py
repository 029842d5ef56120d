"""The questions that networks which repeat are asked, answered exactly."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.variable import Variable
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.exact.chain.pieces import padded
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph, present
from mmgraph.inference.exact.slices.factor_tables import is_normal_given_states
from mmgraph.inference.exact.slices.real_variables import SliceMixtures, check_queried
from mmgraph.inference.exact.slices.run import SliceRun, beliefs_of
from mmgraph.inference.exact.slices.sequences import sequence_evidence
from mmgraph.inference.exact.slices.tables import SliceTables
from mmgraph.inference.posterior import Moments
from mmgraph.inference.samples import Samples, continuous_samples
from mmgraph.inference.sequence_model import SequencePosterior


def slice_tables(
    model: DynamicGraph,
    evidence: object,
    variables: Sequence[str] | None,
    length: int | None = None,
    memory_budget: int | None = None,
) -> tuple[SliceTables, list[str]]:
    """Read evidence; return the tables of a call, and the variables asked for: all by default.

    Raises
    ------
    EvidenceError, UnknownVariableError
        As :func:`~mmgraph.inference.exact.slices.sequences.sequence_evidence`.
    GraphError
        If a variable asked for is real and depends on others that are.
    """
    names = _discrete(model) if variables is None else list(variables)
    check_queried(model, names)
    given = sequence_evidence(model, evidence, length)
    return SliceTables(model, given, names, memory_budget), names


def _discrete(model: DynamicGraph) -> list[str]:
    return [name for name, variable in model.variables.items() if variable.is_discrete]


def marginals(
    model: DynamicGraph,
    evidence: object,
    variables: Sequence[str] | None,
    length: int | None = None,
    memory_budget: int | None = None,
) -> SequencePosterior:
    """Return the marginals of variables at every step, by default of all that are discrete.

    Of real variables there are means, variances, densities and quantiles. Steps at the end of which
    nothing is said are a forecast.

    Parameters
    ----------
    evidence : mapping of str to cells
        See :func:`~mmgraph.inference.exact.slices.sequences.sequence_evidence`.
    length : int, optional
        The number of steps, where the evidence does not say.
    memory_budget : int, optional
        In bytes.

    Raises
    ------
    ZeroProbabilityError
        If a sequence is impossible: which one, and from which step on.
    MemoryBudgetError
        If a table would not fit.
    """
    began = time.perf_counter()
    tables, names = slice_tables(model, evidence, variables, length, memory_budget)
    hidden = [n for n in names if n in tables.hidden]
    mixtures = SliceMixtures(tables, [n for n in names if n not in tables.sizes])
    found = {n: np.empty((tables.given.steps.total, tables.sizes[n])) for n in hidden}

    def visit(part: slice, beliefs: Float[np.ndarray, "steps columns"]) -> None:
        for name, marginal in beliefs_of(tables, hidden, beliefs).items():
            found[name][part] = marginal
        mixtures.take(part, beliefs)

    totals, _ = SliceRun(tables).smooth(visit)
    seconds = time.perf_counter() - began
    answer = sequence_posterior(tables, names, found, mixtures, torch.from_numpy(totals))
    return replace(answer, method="chain", exact=True, seconds=seconds)


def sequence_posterior(
    tables: SliceTables,
    names: Sequence[str],
    marginals: Mapping[str, Float[np.ndarray, "steps states"]],
    mixtures: SliceMixtures,
    totals: Float[Tensor, " rows"],
) -> SequencePosterior:
    """Return the answer of marginals of hidden variables; those of observed ones are certain."""
    steps = tables.given.steps
    whole = {
        n: marginals[n] if n in marginals else np.eye(tables.sizes[n])[tables.codes[n]]
        for n in names
        if n not in mixtures.names
    }
    longest = int(steps.lengths.max())
    moments = Moments(
        {name: padded(steps, values) for name, values in whole.items()},
        {name: mixtures.mean(name) for name in mixtures.names},
        {name: mixtures.variance(name) for name in mixtures.names},
    )
    return SequencePosterior(
        {n: _over_time(v, longest) for n, v in tables.model.variables.items()},
        moments,
        totals,
        method="",
        real=mixtures,
        lengths=tuple(int(n) for n in steps.lengths),
    )


def _over_time(variable: Variable, longest: int) -> Variable:
    if variable.is_discrete:
        return replace(variable, shape=(longest,))
    return replace(variable, shape=(longest, *variable.shape), columns=None)


def log_evidence(
    model: DynamicGraph,
    evidence: object,
    length: int | None = None,
    memory_budget: int | None = None,
) -> Float[Tensor, " rows"]:
    """Return log P of each sequence, ``-inf`` of impossible ones."""
    tables, _ = slice_tables(model, evidence, (), length, memory_budget)
    return torch.from_numpy(SliceRun(tables).log_likelihoods())


def best_paths(
    model: DynamicGraph,
    evidence: object,
    variables: Sequence[str] | None,
    length: int | None = None,
    memory_budget: int | None = None,
) -> Assignment:
    """Return the most probable states of all discrete variables at every step together.

    Beyond the end of a shorter sequence stands -1. Of variables that are left out only those that
    nothing depends on are summed out.

    Raises
    ------
    ZeroProbabilityError, MemoryBudgetError
        As :func:`marginals`.
    MmgraphError
        If some are to be summed out.
    """
    began = time.perf_counter()
    tables, names = slice_tables(model, evidence, variables, length, memory_budget)
    left_out = set(tables.hidden) - set(names)
    if left_out:
        raise MmgraphError(
            f"the best path is one of all variables together, {', '.join(sorted(left_out))} too; "
            "query gives the marginals of each"
        )
    steps = tables.given.steps
    states, weights = SliceRun(tables).best()
    whole = {n: states[n] if n in states else tables.codes[n] for n in names}
    longest = int(steps.lengths.max())
    return Assignment(
        {n: padded(steps, codes, -1) for n, codes in whole.items()},
        {n: _over_time(model.variables[n], longest) for n in names},
        torch.from_numpy(weights),
        method="chain",
        seconds=time.perf_counter() - began,
    )


def samples(
    model: DynamicGraph,
    draws: int,
    evidence: object,
    generator: torch.Generator | None,
    length: int | None = None,
    memory_budget: int | None = None,
) -> Samples:
    """Return independent draws of all variables at every step, given the evidence.

    ``(draws, length, *shape)``, or ``(rows, draws, longest, *shape)`` of several sequences; beyond
    the ends of shorter ones stand -1 and NaN. A real variable is drawn if it is normal given states
    alone.

    Raises
    ------
    ZeroProbabilityError, MemoryBudgetError
        As :func:`marginals`.
    MmgraphError
        If a real variable that is not observed depends on others that are real.
    """
    tables, _ = slice_tables(model, evidence, None, length, memory_budget)
    seed = torch.randint(2**62, (1,), generator=generator).item()
    paths = SliceRun(tables).draw(draws, np.random.default_rng(int(seed)))
    hidden = {n: np.stack([path[n] for path in paths], 1) for n in tables.hidden}
    return samples_of_paths(tables, hidden, draws, generator)


def samples_of_paths(
    tables: SliceTables,
    hidden: Mapping[str, Int64[np.ndarray, "steps draws"]],
    draws: int,
    generator: torch.Generator | None,
) -> Samples:
    """Return draws of all variables, those of hidden ones given; as :func:`samples`."""
    model, steps = tables.model, tables.given.steps
    drawn = {
        n: hidden[n] if n in hidden else np.repeat(tables.codes[n][:, None], draws, 1)
        for n in _discrete(model)
    }
    values: dict[str, np.ndarray] = dict(drawn)
    for name, variable in model.variables.items():
        if not variable.is_discrete:
            values[name] = _real_draws(tables, name, drawn, draws, generator)
    longest = int(steps.lengths.max())
    over_time = {n: _over_time(v, longest) for n, v in model.variables.items()}
    shaped = {}
    for name, array in values.items():
        beyond = -1 if model.variables[name].is_discrete else np.nan
        whole = padded(steps, array, beyond)
        shaped[name] = whole.transpose(1, 2).contiguous()
    if len(steps.lengths) == 1:
        return Samples(over_time, {n: t[0] for n, t in shaped.items()})
    return Samples(over_time, shaped, len(steps.lengths))


def _real_draws(
    tables: SliceTables,
    name: str,
    drawn: dict[str, Int64[np.ndarray, "steps draws"]],
    draws: int,
    generator: torch.Generator | None,
) -> np.ndarray:
    """Values of a real variable, ``(steps, draws, *shape)``: as observed, drawn where missing."""
    given, model = tables.given, tables.model
    which = tables.which()
    out: np.ndarray | None = None
    for number in range(len(model.slices)):
        places = np.flatnonzero(which == number)
        if not len(places):
            continue
        factor: Any = model.distributions(number)[name]
        cells = given.of_slice(model.slices[number], places)
        if not is_normal_given_states(factor):
            observed = cells.values.get(name)
            if observed is None or bool(observed.isnan().any()):
                raise MmgraphError(f"'{name}' depends on real variables: it is not drawn")
            here = observed.unsqueeze(1).repeat_interleave(draws, 1)
        else:
            parents = {
                v.name: torch.from_numpy(np.ascontiguousarray(lagged(drawn, v.name, places)))
                for v in factor.parents
            }
            flat = {n: codes.reshape(-1) for n, codes in parents.items()}
            here = continuous_samples(factor, cells, flat, draws, generator)
        array = here.detach().cpu().double().numpy()
        out = np.empty((given.steps.total, *array.shape[1:])) if out is None else out
        out[places] = array
    assert out is not None
    return out


def lagged(
    drawn: Mapping[str, Int64[np.ndarray, "steps draws"]], name: str, places: np.ndarray
) -> Int64[np.ndarray, "rows draws"]:
    """Return the states of a variable, of this slice or a former one, at some steps."""
    plain, lag = present(name)
    return drawn[plain][np.maximum(places - lag, 0)]
