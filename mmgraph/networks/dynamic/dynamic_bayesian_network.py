"""Dynamic Bayesian networks: a first slice, and a transition that is the same at every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError, LearningError, MemoryBudgetError, MmgraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Variable
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.exact.slices import answers
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph, present
from mmgraph.inference.exact.slices.sequences import sequence_evidence
from mmgraph.inference.options import check_known
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.samples import Samples
from mmgraph.inference.sampling.particles.slice_particles import (
    METHOD,
    particle_log_evidence,
    particle_marginals,
    particle_samples,
)
from mmgraph.inference.sequence_model import SequenceModel
from mmgraph.learning.conditionals.em_records import EMReport
from mmgraph.learning.dynamic.climbing import Ascent, ClimbOptions, Progress, climb
from mmgraph.learning.dynamic.slice_families import (
    expected_statistics,
    family_keys,
    log_prior,
    updated_family,
)
from mmgraph.learning.kept_steps import digest
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.networks.dynamic.filters.slice_filter import SliceFilter

_EXACT = ("length", "memory_budget")
_PARTICLES = {
    "query": ("length", "particles", "paths", "random_state"),
    "sample": ("length", "particles"),
    "log_partition": ("length", "particles", "random_state"),
}


class DynamicBayesianNetwork(DynamicGraph, SequenceModel):
    """A Bayesian network that repeats over time.

    Questions are asked by :func:`mmgraph.query` and its sisters; evidence and answers have an axis
    of time, and there is no object for a step. Answers are exact (``chain``); where the tables of
    a slice do not fit, ``auto`` estimates marginals by ``particle_filter``, and the posterior says
    so; draws and log-partition functions are estimated only where that method is named. Its options
    are ``particles`` (1,000), ``paths`` drawn back from them (250, which is how finely marginals
    are told) and ``random_state``.

    Parameters
    ----------
    first_slice : BayesianNetwork
        The variables of the first step.
    transition : BayesianNetwork
        Those of every later step given the step before, whose variables end in ``[-1]`` (or
        ``[-2]``, two before). These need a distribution, as all variables of a network do, but
        which is passed over.
    second_slice : BayesianNetwork, optional
        The second step, which must be given where the transition reaches two back.
    inputs : iterable of str
        Variables that are observed at every step and not modelled: their distributions do not
        count.

    Raises
    ------
    GraphError
        If slices differ in their variables or states, or reach further back than there are slices.

    Attributes
    ----------
    fit_report : EMReport or None
        How the last fit went.

    References
    ----------
    Dean & Kanazawa (1989), "A model for reasoning about persistence and causation"; Murphy (2002),
    "Dynamic Bayesian networks: representation, inference and learning".
    """

    methods = ("chain", METHOD)
    question_options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "map_query": _EXACT,
        **{question: (*_EXACT, *names[1:]) for question, names in _PARTICLES.items()},
    }

    def __init__(
        self,
        first_slice: BayesianNetwork,
        transition: BayesianNetwork,
        second_slice: BayesianNetwork | None = None,
        inputs: Iterable[str] = (),
    ) -> None:
        for name, net in (("first_slice", first_slice), ("transition", transition)):
            if not isinstance(net, BayesianNetwork):
                raise GraphError(f"{name} is a Bayesian network, not {type(net).__name__}")
        middle = [second_slice] if second_slice is not None else []
        super().__init__([first_slice, *middle, transition], inputs)
        self.fit_report: EMReport | None = None

    @property
    def first_slice(self) -> BayesianNetwork:
        """The network of the first step."""
        return self._network(0)

    @property
    def transition(self) -> BayesianNetwork:
        """The network of every later step given those before."""
        return self._network(-1)

    def _network(self, number: int) -> BayesianNetwork:
        net = self.slices[number]
        assert isinstance(net, BayesianNetwork)
        return net

    def unrolled(self, length: int) -> BayesianNetwork:
        """Return the Bayesian network of so many steps, its variables called ``x@0``, ``x@1``, ….

        What other methods answer: ``mm.query(net.unrolled(20), …, method="gibbs")``.
        """
        if length < 1:
            raise GraphError(f"a network is unrolled over at least one step, not {length}")
        made: dict[str, Variable] = {}
        for step in range(length):
            for name, v in self.variables.items():
                made[f"{name}@{step}"] = Variable(
                    f"{name}@{step}", v.states, v.shape, v.modality, v.family
                )
        factors = []
        for step in range(length):
            for factor in self.distributions(step).values():

                def there(variable: Variable, step: int = step) -> Variable:
                    name, lag = present(variable.name)
                    return made[f"{name}@{step - lag}"]

                scope = tuple(there(v) for v in factor.scope)
                assert factor.child is not None
                child = there(factor.child)
                factors.append(factor.restore(scope, child, factor.parameters(), factor.settings()))
        return BayesianNetwork(made.values(), factors)

    def filter(self, lag: int = 0, state: Path | str | None = None) -> SliceFilter:
        """Return a filter that takes steps one by one, perhaps from where ``state`` left off."""
        made = SliceFilter(self, lag)
        return made if state is None else made.load(state)

    def answer_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> Posterior:
        """As :func:`mmgraph.query`; by particles, as the answer says, where tables do not fit."""
        exact, sampled = _by_method("query", method, options)
        if method != METHOD:
            try:
                return answers.marginals(self, evidence, variables, **exact)
            except MemoryBudgetError:
                if method == "chain":
                    raise
        return particle_marginals(self, evidence, variables, **sampled)

    def answer_map_query(
        self, evidence: object, variables: Sequence[str] | None, method: str, **options: Any
    ) -> Assignment:
        """As :func:`mmgraph.map_query`, exactly."""
        if method == METHOD:
            raise MmgraphError("the best path is found exactly, not by particles")
        return answers.best_paths(self, evidence, variables, **options)

    def answer_sample(
        self,
        draws: int,
        evidence: object,
        generator: torch.Generator | None,
        method: str,
        **options: Any,
    ) -> Samples:
        """As :func:`mmgraph.sample`, exactly unless particles are asked for."""
        exact, sampled = _by_method("sample", method, options)
        if method == METHOD:
            return particle_samples(self, draws, evidence, generator, **sampled)
        return answers.samples(self, draws, evidence, generator, **exact)

    def answer_log_partition(
        self, evidence: object, method: str, **options: Any
    ) -> Float[Tensor, " rows"]:
        """As :func:`mmgraph.log_partition`, exactly unless particles are asked for."""
        exact, sampled = _by_method("log_partition", method, options)
        if method == METHOD:
            return particle_log_evidence(self, evidence, **sampled)
        return answers.log_evidence(self, evidence, **exact)

    def with_distributions(self, slices: Sequence[Mapping[str, Factor]]) -> Self:
        """Return the network with the distributions of some children exchanged, slice by slice."""
        made = []
        for graph, exchanged in zip(self.slices, slices, strict=True):
            factors = [
                exchanged.get(f.child.name, f) if f.child is not None else f for f in graph.factors
            ]
            made.append(BayesianNetwork(graph.variables.values(), factors))
        middle = made[1] if len(made) > 2 else None
        return type(self)(made[0], made[-1], middle, self.inputs)

    def fit(
        self,
        data: object,
        *,
        iterations: int = 100,
        tolerance: float = 1e-6,
        pseudo_counts: float = 0.0,
        floor: float = 1e-6,
        checkpoint: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn all distributions by expectation maximisation, from the present ones, in place.

        Families whose parents are of the same step in all slices are learned as one. What is
        observed throughout is counted; hidden variables keep the roles that their first
        distributions give them.

        Parameters
        ----------
        data : mapping of str to cells
            As evidence.
        iterations, tolerance, checkpoint, progress
            See :class:`~mmgraph.learning.dynamic.climbing.ClimbOptions`.
        pseudo_counts : float
            Added to every count that is possible (MAP).
        floor : float
            The least variance of real variables, as a share of their overall one.

        Warns
        -----
        ConvergenceWarning
            If it ended before it converged, or the objective fell: at which iteration.

        Raises
        ------
        LearningError
            If a distribution is of a kind that does not learn.
        ZeroProbabilityError
            If a sequence is impossible under the present distributions.
        """
        if pseudo_counts < 0:
            raise LearningError(f"pseudo-counts are not negative, as {pseudo_counts} is")
        given = sequence_evidence(self, data)
        keys = family_keys(self)

        def ascend(net: DynamicBayesianNetwork) -> Ascent[DynamicBayesianNetwork]:
            expected = expected_statistics(net, given, keys)
            prior, slices = 0.0, []
            done: dict[Any, Factor] = {}
            for number, by_child in enumerate(keys):
                here = {}
                for child, key in by_child.items():
                    factor = net.distributions(number)[child]
                    if child in self.inputs:
                        continue
                    if key not in done:
                        prior += log_prior(factor, pseudo_counts)
                        statistics = expected.statistics.get(key)
                        done[key] = updated_family(factor, statistics, pseudo_counts, floor)
                    here[child] = _in_scope(done[key], factor)
                slices.append(here)
            total = expected.log_likelihood
            return Ascent(total, total + prior, net.with_distributions(slices))

        belongs_to = {
            "settings": {"pseudo_counts": pseudo_counts, "floor": floor},
            "data": digest(given.steps.lengths.tolist(), given.arrays()),
            "first distributions": digest(list(self.arrays()), self.arrays().values()),
        }
        options = ClimbOptions(iterations, tolerance, 1, checkpoint, belongs_to, progress)

        firsts: list[DynamicBayesianNetwork] = [self]
        fitted, self.fit_report = climb(
            lambda restart: firsts[restart],
            ascend,
            options,
            lambda net: net.arrays(),
            self._restored,
            given.steps.total,
        )
        self.__dict__.update({k: v for k, v in fitted.__dict__.items() if k != "fit_report"})
        return self

    def _restored(self, arrays: Mapping[str, np.ndarray]) -> DynamicBayesianNetwork:
        slices = []
        for number in range(len(self.slices)):
            here = {}
            for child, factor in self.distributions(number).items():
                tensors = {
                    name: torch.from_numpy(np.array(arrays[f"{number}/{child}/{name}"]))
                    for name in factor.parameters()
                }
                here[child] = factor.restore(factor.scope, factor.child, tensors, factor.settings())
            slices.append(here)
        return self.with_distributions(slices)

    def __repr__(self) -> str:
        return (
            f"DynamicBayesianNetwork({len(self.variables)} variables a slice, order {self.order})"
        )


def _by_method(
    question: str, method: str, options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the exact method, and those of particles; MmgraphError if they do not go."""
    known = {"chain": _EXACT, METHOD: _PARTICLES[question]}
    if method in known:
        check_known(options, known[method], f"{question} by method={method!r}")
    exact, sampled = ({n: options[n] for n in names if n in options} for names in known.values())
    return exact, sampled


def _in_scope(learned: Factor, of: Factor) -> Factor:
    """A learned distribution, over the variables of another slice."""
    if learned.scope == of.scope:
        return learned
    return learned.restore(of.scope, of.child, learned.parameters(), learned.settings())
