"""What tables alone say of parallel worlds: bounds by a linear programme over responses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from scipy import sparse
from scipy.optimize import linprog

from mmgraph.causal.counterfactuals import answers
from mmgraph.causal.counterfactuals.worlds import (
    Copy,
    Observations,
    ParallelWorlds,
    Source,
    World,
    both,
)
from mmgraph.graph.conditionals.deterministic_and_softmax import Deterministic
from mmgraph.graph.errors import CausalError, MmgraphError, ZeroProbabilityError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.memory_budget import check_required
from mmgraph.graph.variable import Variable, unused_name
from mmgraph.inference.query import joint, log_partition
from mmgraph.networks.bayesian_network import BayesianNetwork


class CounterfactualBounds(NamedTuple):
    """Bounds of a counterfactual probability over all structural models that have given tables.

    Attributes
    ----------
    lower, upper : float
        Equal, up to rounding, where the tables say the probability.
    sharp : bool
        Whether both are reached by models with independent noise; always so where at most one
        variable is open.
    open_variables : tuple of str
        Those whose response in several worlds at once matters, and which tables leave open.
    """

    lower: float
    upper: float
    sharp: bool
    open_variables: tuple[str, ...]


class _Response(NamedTuple):
    """A variable in several worlds: its state in each configuration of the parents that differ."""

    variable: Variable
    copies: tuple[str, ...]
    shared: tuple[Source | None, ...]  # inputs of all copies; None at axes where they differ
    configurations: list[tuple[int, ...]]
    functions: Int64[np.ndarray, "functions configurations"]


def counterfactual_bounds(
    network: BayesianNetwork,
    query: Sequence[World],
    given: Sequence[World] = (),
    memory_budget: int = 1 << 24,
) -> CounterfactualBounds:
    """Return bounds of the probability of events in some worlds, given events in others.

    Tables say how a variable is distributed given its parents, but not how its states under
    different parents go together. A linear programme takes the best and the worst of all ways, with
    independent noise of each variable; where several variables are open, it knows that the response
    of each is independent of the others' up to single configurations, so that the bounds hold, and
    may not be reached.

    Parameters
    ----------
    network : BayesianNetwork
        Of scalar discrete variables, without hidden causes but those among its variables.
    query, given : sequence of (do, event)
        As for :meth:`StructuralModel.probability`, one row.
    memory_budget : int, default 16 MiB
        In bytes, of the programme. Its time is what grows: one of 100 MiB takes minutes.

    Raises
    ------
    MemoryBudgetError
        If the response functions would be too many; nothing has been made.
    ZeroProbabilityError
        If ``given`` is impossible.
    CausalError, UnknownVariableError, UnknownStateError
        If a world does not fit the network.

    References
    ----------
    Balke & Pearl (1994), "Counterfactual probabilities", UAI; Tian & Pearl (2000), "Probabilities
    of causation", Annals of Mathematics and Artificial Intelligence 28.
    """
    worlds = answers.worlds_of(network)
    condition = worlds.read(given, "given")
    whole = both(worlds.read(query, "query"), condition)
    if whole.has_rows:
        raise CausalError("bounds are of one row of events; ask for each row by itself")
    condition.check_possible()
    copies = worlds.copies_of(whole.codes)
    listed = {name: c for name, c in copies.items() if len(c) > 1}
    if not listed:
        p = answers.probability(worlds, answers.sliced_tables(network), query, given)
        return CounterfactualBounds(float(p), float(p), True, ())
    responses = [_response(worlds, names, memory_budget) for names in listed.values()]
    shared = list(dict.fromkeys(s for r in responses for s in r.shared if isinstance(s, str)))
    _check_size(worlds, responses, shared, memory_budget)
    program = _Program(network, worlds, responses, shared)
    lower, upper = program.bounds(condition, whole)
    return CounterfactualBounds(lower, upper, len(listed) == 1, tuple(listed))


def _response(worlds: ParallelWorlds, names: Sequence[str], budget: int) -> _Response:
    copies = [worlds.copies[n] for n in names]
    variable = worlds.variables[copies[0].variable]
    parents = worlds.parents[variable.name]
    inputs = zip(*(c.inputs for c in copies), strict=True)
    shared = tuple(s[0] if len(set(s)) == 1 else None for s in inputs)
    differing = [i for i, s in enumerate(shared) if s is None]
    reached: dict[tuple[int, ...], None] = {}
    count = 0
    for copy in copies:
        sets = [
            range(worlds.variables[parents[i]].cardinality) if isinstance(s, str) else (s,)
            for i in differing
            for s in (copy.inputs[i],)
        ]
        count += math.prod(map(len, sets))
        _check_functions(variable, count, budget)
        reached |= dict.fromkeys(itertools.product(*sets))
    functions = np.indices((variable.cardinality,) * len(reached)).reshape(len(reached), -1).T
    return _Response(variable, tuple(names), shared, list(reached), functions)


def _check_functions(variable: Variable, configurations: int, budget: int) -> None:
    check_required(
        f"the functions of {configurations:,} configurations into the states of '{variable.name}'",
        # Powers beyond any memory are not worked out.
        8 * variable.cardinality ** min(configurations, 64) * configurations,
        budget,
        "Ask about fewer worlds, or give it fewer parents.",
    )


def _check_size(
    worlds: ParallelWorlds, responses: Sequence[_Response], shared: Sequence[str], budget: int
) -> None:
    unknowns = math.prod(len(r.functions) for r in responses)
    unknowns *= math.prod(worlds.variables[worlds.copies[s].variable].cardinality for s in shared)
    entries = sum(len(r.configurations) * (r.variable.cardinality - 1) for r in responses)
    check_required(
        f"a linear programme of {unknowns:,} unknowns",
        64 * unknowns * (entries + 2),
        budget,
        "Ask about fewer worlds or variables.",
    )


class _Program:
    """The linear programme: unknown is how responses go together, given what the copies share."""

    def __init__(
        self,
        network: BayesianNetwork,
        worlds: ParallelWorlds,
        responses: Sequence[_Response],
        shared: Sequence[str],
    ) -> None:
        self.network, self.worlds, self.responses = network, worlds, responses
        self.shared = shared
        taken = worlds.copies
        self.axes = {unused_name(f"response({r.variable.name})", taken): r for r in responses}
        self.by_copy = {name: axis for axis, r in self.axes.items() for name in r.copies}
        self.sizes = [worlds.variables[worlds.copies[s].variable].cardinality for s in shared]

    def bounds(self, condition: Observations, whole: Observations) -> tuple[float, float]:
        """Return the least and the largest share of the whole in the condition."""
        denominator = self._coefficients(condition)
        if not denominator.any():
            raise self._impossible(condition)
        numerator = self._coefficients(whole)
        if whole.contradictory.any() or not numerator.any():
            return 0.0, 0.0
        ends = [self._solve(numerator, denominator, sign) for sign in (1.0, -1.0)]
        if None in ends:
            raise self._impossible(condition)
        return ends[0] or 0.0, ends[1] or 0.0

    @staticmethod
    def _impossible(condition: Observations) -> ZeroProbabilityError:
        copies = tuple(condition.codes)
        message = "the evidence has probability zero in every model with these tables: "
        return ZeroProbabilityError(message + ", ".join(copies), (0,), copies)

    def _coefficients(self, told: Observations) -> Float64[np.ndarray, " unknowns"]:
        """The probability of events for each response and state of what is shared.

        It is the joint with them, responses being uniform, times how many there are.
        """
        network = self._network(told)
        cells = told.cells(network)
        log_p = float(log_partition(network, cells)[0])
        shape = [*(len(r.functions) for r in self.responses), *self.sizes]
        if log_p == -math.inf:
            return np.zeros(math.prod(shape))
        table = joint(network, [*self.axes, *self.shared], cells)[0].numpy()
        functions = math.prod(len(r.functions) for r in self.responses)
        coefficients: np.ndarray = table.reshape(-1) * (math.exp(log_p) * functions)
        return coefficients

    def _network(self, told: Observations) -> BayesianNetwork:
        """The network in which copies of an open variable are functions of its response."""
        tables = answers.sliced_tables(self.network)
        roots = {a: Variable(a, len(r.functions)) for a, r in self.axes.items()}

        def distribution(copy: Copy, child: Variable, inputs: list[Variable]) -> Factor:
            axis = self.by_copy.get(child.name)
            if axis is None:
                return tables(copy, child, inputs)
            response = self.axes[axis]
            differing = [s for s, c in zip(copy.inputs, response.shared, strict=True) if c is None]
            open_inputs = [v for v in inputs if v.name in differing]
            place = np.empty([v.cardinality for v in open_inputs], np.int64)
            for states in np.ndindex(*place.shape):
                rest = iter(states)
                reached = tuple(next(rest) if isinstance(s, str) else s for s in differing)
                place[states] = response.configurations.index(reached)
            index = torch.from_numpy(response.functions[:, place])
            return Deterministic(child, [roots[axis], *open_inputs], index)

        uniform = [
            TableFactor((v,), np.full(v.cardinality, 1 / v.cardinality), child=v)
            for v in roots.values()
        ]
        names = [*told.codes, *(n for r in self.responses for n in r.copies)]
        return self.worlds.network(names, distribution, uniform)

    def _solve(
        self,
        numerator: Float64[np.ndarray, " unknowns"],
        denominator: Float64[np.ndarray, " unknowns"],
        sign: float,
    ) -> float | None:
        """Return an end of numerator / denominator, or None where that is zero throughout.

        By the programme of Charnes and Cooper: ``sign`` is 1 for the lower end, -1 for the upper.
        The last unknown is what all distributions are scaled by, so that the denominator is one.
        """
        rows, unknowns = self._constraints, len(numerator)
        scale = sparse.csr_array([[*denominator, 0.0]])
        matrix = sparse.vstack([rows, scale]).tocsr()
        right = np.zeros(matrix.shape[0])
        right[-1] = 1.0
        costs = np.append(sign * numerator, 0.0)
        solved = linprog(costs, A_eq=matrix, b_eq=right, bounds=(0, None), method="highs")
        if solved.status == 2:
            return None
        if solved.status != 0:
            raise MmgraphError(f"the programme of {unknowns:,} unknowns failed: {solved.message}")
        return min(max(sign * float(solved.fun), 0.0), 1.0)

    @cached_property
    def _constraints(self) -> sparse.csr_array:
        """What tables say, given the states of what is shared and the other responses.

        ``Σ y(r) [r(c) = k] = P(k | c) Σ y(r)`` over the responses ``r`` of each variable, at each
        configuration ``c``; and the distributions given what is shared have one scale.
        """
        shape = [*(len(r.functions) for r in self.responses), *self.sizes]
        unknowns, places = math.prod(shape), np.indices(shape).reshape(len(shape), -1)
        states = math.prod(self.sizes)
        at = places[len(self.responses) :]
        row_of = np.ravel_multi_index(tuple(at), self.sizes) if self.sizes else 0 * places[0]
        blocks = [
            sparse.hstack(
                [
                    sparse.coo_array(
                        (np.ones(unknowns), (row_of, np.arange(unknowns))), (states, unknowns)
                    ),
                    sparse.coo_array(np.full((states, 1), -1.0)),
                ]
            )
        ]
        for axis, response in enumerate(self.responses):
            others = [i for i in range(len(shape)) if i != axis]
            sizes = [shape[i] for i in others]
            group = np.ravel_multi_index(tuple(places[others]), sizes) if others else 0 * row_of
            chosen = response.functions[places[axis]]
            tables = self._rows_of(response, at)
            count = response.variable.cardinality - 1  # the last state follows from the others
            for c, k in itertools.product(range(chosen.shape[1]), range(count)):
                values = (chosen[:, c] == k) - tables[:, c, k]
                size = (math.prod(sizes), unknowns + 1)
                blocks.append(sparse.coo_array((values, (group, np.arange(unknowns))), size))
        return sparse.vstack(blocks).tocsr()

    def _rows_of(
        self, response: _Response, at: Int64[np.ndarray, "shared unknowns"]
    ) -> Float64[np.ndarray, "unknowns configurations states"]:
        """The conditional distributions of a variable, at what is shared in each unknown."""
        table = answers.table_of(self.network, response.variable.name).numpy()
        columns = []
        for reached in response.configurations:
            rest = iter(reached)
            index = [
                next(rest) if s is None else at[self.shared.index(s)] if isinstance(s, str) else s
                for s in response.shared
            ]
            rows = table[tuple(index)]
            count = at.shape[1] if at.size else 1
            columns.append(np.broadcast_to(rows, (count, rows.shape[-1])))
        return np.stack(columns, 1)
