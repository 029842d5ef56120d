"""Networks that repeat, whose tables do not fit: particles of the hidden variables of a slice."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.inference.exact.chain.pieces import padded
from mmgraph.inference.exact.slices.answers import (
    lagged,
    samples_of_paths,
    sequence_posterior,
    slice_tables,
)
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph, former
from mmgraph.inference.exact.slices.real_variables import SliceMixtures
from mmgraph.inference.exact.slices.tables import SliceTables, Source
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.options import check_count
from mmgraph.inference.samples import Samples
from mmgraph.inference.sampling.particles.particle_filter import (
    HiddenProcess,
    ParticlePosterior,
    drawn_indices,
    particle_filter,
)
from mmgraph.inference.sequence_model import SequencePosterior

METHOD = "particle_filter"
PARTICLES, PATHS = 1000, 250
"""How many particles filter by default, and how many paths are drawn back from them."""

_CODES = torch.int32


class _Term(NamedTuple):
    """A table of one step: where its cells begin in an array of logarithms."""

    source: Source
    logs: Float[Tensor, " cells"]
    begin: int


class SliceProcess:
    """The hidden variables of one sequence, as a process that particles follow.

    A particle is ``(order + 1, hidden)`` states: of this slice, and of those before. A variable is
    drawn given its parents and what is said of itself; what its children say weighs it.

    Parameters
    ----------
    tables : SliceTables
    which : array of int, shape (steps,)
        As :meth:`SliceTables.which` returns it, of all sequences.
    sequence : int
    """

    def __init__(
        self, tables: SliceTables, which: Int64[np.ndarray, " steps"], sequence: int
    ) -> None:
        self.tables, self.depth = tables, tables.model.order + 1
        steps = tables.given.steps
        part = slice(int(steps.first[sequence]), int(steps.ends[sequence]))
        self.which = which[part]
        self.offsets, rows = tables.of_piece(part, which)
        self.static, self.rows = torch.from_numpy(tables.log_static), torch.from_numpy(rows)

    def process(self) -> HiddenProcess:
        """Return the functions that :func:`particle_filter` takes."""
        return HiddenProcess(self._initial, self._transition, self._weight, self._moves)

    def _terms(self, step: int) -> list[_Term]:
        tables, number = self.tables, int(self.which[step])
        places = tables.statics_by_slice[number]
        begins = [int(tables.base[place] + self.offsets[step, place]) for place in places]
        found = [
            _Term(tables.static_sources[place], self.static, begin)
            for place, begin in zip(places, begins, strict=True)
        ]
        for place, source in tables.rows_by_slice[number].items():
            found.append(_Term(source, self.rows[step], int(tables.column[place])))
        return found

    def _families(self, terms: Sequence[_Term]) -> Iterator[_Term]:
        """Those of hidden variables, parents before children."""
        waiting = {t.source.child: t for t in terms if self._is_family(t)}
        while waiting:
            for child, term in list(waiting.items()):
                if not set(term.source.hidden) & (waiting.keys() - {child}):
                    yield waiting.pop(child)

    def _is_family(self, term: _Term) -> bool:
        return not term.source.is_evidence and term.source.child in self.tables.hidden

    def _codes(self, states: Tensor, lag: int = 0) -> dict[str, Tensor]:
        """States of particles, as the slice ``lag`` steps later calls them."""
        return {
            former(name, back + lag): states[..., back, i].long()
            for back in range(self.depth - lag)
            for i, name in enumerate(self.tables.hidden)
        }

    def _logs(self, term: _Term, codes: Mapping[str, Tensor], free: str = "") -> Tensor:
        """The cells of a term at some states; of the variable ``free`` at all, in a last axis."""
        stride, ahead = 1, torch.zeros(1, dtype=torch.int64)
        places: dict[torch.Size, Tensor] = {}  # summed by shape: pairs of particles come last
        for name in reversed(term.source.hidden):
            count = self.tables.sizes[name]
            if name == free:
                ahead = stride * torch.arange(count)
            else:
                shape = codes[name].shape
                places[shape] = stride * codes[name] + places.get(shape, 0)
            stride *= count
        place = sum(places.values(), torch.tensor(term.begin))
        return term.logs[place[..., None] + ahead] if free else term.logs[place]

    def _options(
        self, terms: Sequence[_Term], family: _Term, codes: Mapping[str, Tensor]
    ) -> Float[Tensor, "*shape states"]:
        """Log-weights of a variable's states: given its parents, and what is said of it."""
        child = family.source.child
        logs = self._logs(family, codes, child)
        for term in _said(terms, child):
            logs = logs + self._logs(term, codes, child)
        return logs

    def _drawn(
        self,
        codes: dict[str, Tensor],
        step: int,
        shape: tuple[int, ...],
        generator: torch.Generator,
    ) -> Tensor:
        """Draw the variables of a step given those before: ``(*shape, hidden)``."""
        terms = self._terms(step)
        drawn = torch.empty((*shape, len(self.tables.hidden)), dtype=_CODES)
        for family in self._families(terms):
            child = family.source.child
            logs = self._options(terms, family, codes)
            logs = logs.expand(*shape, logs.shape[-1])
            chances = (logs - logs.amax(-1, keepdim=True)).exp().nan_to_num(1.0)
            uniform = torch.rand((*shape, 1), generator=generator, dtype=chances.dtype)
            codes[child] = drawn_indices(chances, uniform)[..., 0]
            drawn[..., self.tables.hidden.index(child)] = codes[child]
        return drawn

    def _initial(self, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        drawn = self._drawn({}, 0, shape, generator)
        before = drawn.new_zeros(*shape, self.depth - 1, drawn.shape[-1])
        return torch.cat([drawn.unsqueeze(-2), before], -2)

    def _transition(self, states: Tensor, step: int, generator: torch.Generator) -> Tensor:
        drawn = self._drawn(self._codes(states, 1), step, states.shape[:2], generator)
        return torch.cat([drawn.unsqueeze(-2), states[..., :-1, :]], -2)

    def _weight(self, row: Tensor, states: Tensor, step: int) -> Tensor:
        """What a step's rows say, and of drawn variables what could have been drawn at all."""
        codes, terms = self._codes(states), self._terms(step)
        total = torch.zeros(states.shape[:2], dtype=torch.float64)
        for term in terms:
            if self._is_family(term):
                if _said(terms, term.source.child):
                    total = total + self._options(terms, term, codes).logsumexp(-1)
            elif not term.source.is_evidence:
                total = total + self._logs(term, codes)
        return total

    def _moves(self, before: Tensor, after: Tensor, step: int) -> Tensor:
        """The log-density of a step and its rows given the steps before, which may not differ."""
        codes = self._codes(after) | self._codes(before, 1)
        total = torch.zeros((), dtype=torch.float64)
        for term in self._terms(step):
            total = total + self._logs(term, codes)
        shared = slice(1, self.depth - 1), slice(0, self.depth - 2)
        same = (after[..., shared[0], :] == before[..., shared[1], :]).all(-1).all(-1)
        return torch.where(same, total, -torch.inf)


def _said(terms: Sequence[_Term], name: str) -> list[_Term]:
    """The terms of what was observed of a hidden variable."""
    return [term for term in terms if term.source.is_evidence and term.source.child == name]


def _filtered(
    tables: SliceTables, particles: int, generator: torch.Generator
) -> Iterator[ParticlePosterior | ZeroProbabilityError]:
    """Yield the particles of each sequence, or why there are none."""
    which = tables.which()
    for number, length in enumerate(tables.given.steps.lengths.tolist()):
        process = SliceProcess(tables, which, number).process()
        rows = torch.zeros((1, length, 1), dtype=torch.float64)
        try:
            yield particle_filter(process, rows, particles, generator)
        except ZeroProbabilityError as error:
            text = str(error).replace("sequence 0", f"sequence {number}")
            yield ZeroProbabilityError(text, (number,), ())


def _paths(
    tables: SliceTables,
    filtered: Sequence[ParticlePosterior],
    paths: int,
    generator: torch.Generator,
) -> dict[str, Int64[np.ndarray, "steps paths"]]:
    """States of hidden variables along paths given all evidence."""
    drawn = [one.sample_paths(paths, generator)[:, 0, :, 0].numpy() for one in filtered]
    whole = np.concatenate(drawn).astype(np.int64)
    return {name: whole[..., i] for i, name in enumerate(tables.hidden)}


def _possible(
    filtered: Iterator[ParticlePosterior | ZeroProbabilityError],
) -> list[ParticlePosterior]:
    found = []
    for one in filtered:
        if isinstance(one, ZeroProbabilityError):
            raise one
        found.append(one)
    return found


def _beliefs(
    tables: SliceTables,
    states: Mapping[str, Int64[np.ndarray, "steps paths"]],
    children: Collection[str],
) -> Float[np.ndarray, "steps columns"]:
    """How often paths pass through the cells of the tables that some variables have of rows."""
    beliefs = np.zeros((tables.given.steps.total, tables.width))
    which = tables.which()
    for number, sources in enumerate(tables.rows_by_slice):
        places = np.flatnonzero(which == number)
        for place, source in sources.items():
            if source.is_evidence or source.child not in children:
                continue
            cells = np.zeros((len(places), 1), np.int64)
            for name in source.hidden:
                cells = cells * tables.sizes[name] + lagged(states, name, places)
            begin, end = tables.column[place : place + 2].tolist()
            for cell in range(end - begin):
                beliefs[places, begin + cell] = (cells == cell).mean(1)
    return beliefs


def particle_marginals(
    model: DynamicGraph,
    evidence: object,
    variables: Sequence[str] | None,
    length: int | None = None,
    particles: int = PARTICLES,
    paths: int = PATHS,
    random_state: int = 0,
) -> SequencePosterior:
    """Return estimated marginals of variables at every step given all evidence.

    Of particles that filter, paths are drawn backwards. ``diagnostics["effective_sample_size"]``
    says of each step how many equal particles its weighted ones are worth.

    Parameters
    ----------
    evidence, variables, length
        As :func:`~mmgraph.inference.exact.slices.answers.marginals` takes them.
    particles, paths : int
        Of each sequence.
    random_state : int
        The seed.

    Raises
    ------
    ZeroProbabilityError
        If no particle gets through the evidence: of which sequence, from which step on.
    MemoryBudgetError
        If the particles of all steps do not fit.

    References
    ----------
    Godsill, Doucet and West (2004), "Monte Carlo smoothing for nonlinear time series".
    """
    began = time.perf_counter()
    check_count(particles, "particles")
    check_count(paths, "paths")
    tables, names = slice_tables(model, evidence, variables, length)
    generator = torch.Generator().manual_seed(random_state)
    filtered = _possible(_filtered(tables, particles, generator))
    states = _paths(tables, filtered, paths, generator)
    found = {
        n: np.stack([(states[n] == k).mean(1) for k in range(tables.sizes[n])], 1)
        for n in names
        if n in states
    }
    mixtures = SliceMixtures(tables, [n for n in names if n not in tables.sizes])
    if mixtures.names:
        mixtures.take(slice(0, tables.given.steps.total), _beliefs(tables, states, mixtures.names))
    totals = torch.cat([one.log_likelihood for one in filtered])
    sizes = np.concatenate([one.effective_sample_sizes[:, 0].numpy() for one in filtered])
    by_step = padded(tables.given.steps, sizes)
    return replace(
        sequence_posterior(tables, names, found, mixtures, totals),
        method=METHOD,
        exact=False,
        seconds=time.perf_counter() - began,
        diagnostics={"effective_sample_size": dict.fromkeys(names, by_step)},
    )


def particle_samples(
    model: DynamicGraph,
    draws: int,
    evidence: object,
    generator: torch.Generator | None,
    length: int | None = None,
    particles: int = PARTICLES,
) -> Samples:
    """Return draws given the evidence, nearly independent ones while they are few beside particles.

    Otherwise as :func:`~mmgraph.inference.exact.slices.answers.samples`.
    """
    check_count(particles, "particles")
    tables, _ = slice_tables(model, evidence, None, length)
    placed = device_generator(generator, torch.device("cpu"))
    filtered = _possible(_filtered(tables, particles, placed))
    return samples_of_paths(tables, _paths(tables, filtered, draws, placed), draws, generator)


def particle_log_evidence(
    model: DynamicGraph,
    evidence: object,
    length: int | None = None,
    particles: int = PARTICLES,
    random_state: int = 0,
) -> Float[Tensor, " rows"]:
    """Return estimates of log P of each sequence, the exponentials of which are unbiased.

    ``-inf`` where no particle gets through the evidence.
    """
    check_count(particles, "particles")
    tables, _ = slice_tables(model, evidence, (), length)
    filtered = _filtered(tables, particles, torch.Generator().manual_seed(random_state))
    return torch.tensor(
        [
            -torch.inf if isinstance(one, ZeroProbabilityError) else float(one.log_likelihood[0])
            for one in filtered
        ],
        dtype=torch.float64,
    )
