"""Structural causal models: functions of their causes, and independent exogenous variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float64, Int64

from mmgraph.causal.counterfactuals import answers
from mmgraph.causal.counterfactuals.couplings import check_coupling, coupled
from mmgraph.causal.counterfactuals.mediation import MediationEffects
from mmgraph.causal.counterfactuals.nested import mediated, numeric_states
from mmgraph.causal.counterfactuals.worlds import Copy, Do, ParallelWorlds, World, at_inputs
from mmgraph.graph.arrays import whole_numbers
from mmgraph.graph.conditionals.deterministic_and_softmax import Deterministic
from mmgraph.graph.errors import CausalError, GraphError, UnknownVariableError, suggestion
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable, unused_name
from mmgraph.inference.query import sample
from mmgraph.inference.samples import Samples
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.networks.conditional_tables import as_table, check_acyclic

Mechanism = tuple[Sequence[str], Any]
"""The parents of a variable, and its states by theirs: a table or a function of their labels."""


class NecessitySufficiency(NamedTuple):
    """Probabilities of causation (Pearl 1999); None where their condition is impossible.

    Attributes
    ----------
    necessity : float or None
        PN: that the outcome would be absent without the cause, where both are there.
    sufficiency : float or None
        PS: that the cause would bring the outcome, where both are absent.
    both : float
        PNS: that the outcome is there with the cause and absent without it.
    """

    necessity: float | None
    sufficiency: float | None
    both: float


class StructuralModel:
    """A structural causal model with finitely many states, asked what would have been.

    Every question is exact inference on one network of the worlds that it names: they share the
    exogenous variables, and all variables of which nothing that is set is a cause (the twin network
    of Balke and Pearl 1994; several worlds, Shpitser and Pearl 2007).

    Parameters
    ----------
    exogenous : mapping of str to sequence of float
        The distribution of each exogenous variable; they are independent. One that is a parent of
        several variables is their hidden common cause.
    endogenous : mapping of str to (parents, table)
        The table holds the child's state indices, an axis a parent (endogenous or exogenous); or it
        is a function of the parents' labels that returns the child's.
    states : mapping of str to int or sequence of labels, optional
        The number of states or their labels; by default as many as the distribution has, or as the
        table's largest index asks for.
    modalities : mapping of str to str, optional
        The modality of some variables.

    Raises
    ------
    GraphError
        If a table has another shape or an index out of range, a distribution does not sum to one, a
        name is given twice, or the functions form a cycle (which one).
    UnknownVariableError
        If a parent, or a name in ``states`` or ``modalities``, is no variable; with the nearest
        name.

    Examples
    --------
    >>> model = StructuralModel({"u": [0.5, 0.5]}, {"x": (["u"], [0, 1]), "y": (["x"], [0, 1])})
    >>> model.probability([({"x": 1}, {"y": 1})], given=[({}, {"x": 0, "y": 0})])
    1.0
    """

    def __init__(
        self,
        exogenous: Mapping[str, object],
        endogenous: Mapping[str, Mechanism],
        states: Mapping[str, int | Sequence[Any]] | None = None,
        modalities: Mapping[str, str] | None = None,
    ) -> None:
        for name in exogenous:
            if name in endogenous:
                raise GraphError(f"'{name}' is both exogenous and endogenous")
        names = (*exogenous, *endogenous)
        states, modalities = states or {}, modalities or {}
        parents = {name: _parents(name, endogenous[name]) for name in endogenous}
        for where, listed in (
            *((f"the parents of '{n}'", p) for n, p in parents.items()),
            ("states", tuple(states)),
            ("modalities", tuple(modalities)),
        ):
            for name in listed:
                if name not in names:
                    hint = suggestion(name, names)
                    raise UnknownVariableError(f"{where}: '{name}' is no variable{hint}")
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(names)
        graph.add_edges_from((p, child) for child in endogenous for p in parents[child])
        check_acyclic(graph)
        priors = {n: torch.as_tensor(as_table(n, p)).detach() for n, p in exogenous.items()}
        tables = {n: table for n, (_, table) in endogenous.items()}
        self.variables: dict[str, Variable] = {}
        for name in names:
            size = priors[name].shape[-1] if name in priors else _count(name, tables[name], states)
            labels: Any = states.get(name, size)
            self.variables[name] = Variable(name, labels, modality=modalities.get(name))
        self._priors = priors
        self._tables: dict[str, Int64[torch.Tensor, "*parents"]] = {}
        self.parents = {n: parents.get(n, ()) for n in nx.topological_sort(graph)}
        self.exogenous = tuple(exogenous)
        for child, its in parents.items():
            scope = [self.variables[p] for p in its]
            self._tables[child] = Deterministic(self.variables[child], scope, tables[child]).index
        self.network()  # whose distributions are checked

    @classmethod
    def from_network(cls, network: BayesianNetwork, coupling: str) -> StructuralModel:
        """Return one structural model that has a network's tables; others have them, too.

        Tables say how a variable is distributed given its parents, not what it would have been had
        they been others; the coupling says that. What all models agree on is
        :func:`mmgraph.counterfactual_bounds`.

        Parameters
        ----------
        network : BayesianNetwork
            Of scalar discrete variables; labels and modalities are kept.
        coupling : {"monotone", "gumbel_max"}
            ``monotone``: a unit keeps its quantile, states taken in their order. ``gumbel_max``:
            the states of a unit compete with noise of their own, so that a state whose odds rise is
            not left for one whose odds fall (Oberst and Sontag 2019); for two states both agree.

        Raises
        ------
        CausalError
            If there is no such coupling.
        GraphError
            If a variable has no table.
        MemoryBudgetError
            If the response functions of a variable would be too many; nothing has been made.
        """
        check_coupling(coupling)
        exogenous, endogenous = {}, {}
        for name in network.topological_order():
            table = answers.table_of(network, name)
            prior, functions = coupled(name, table, coupling)
            noise = unused_name(f"noise({name})", network.variables)
            exogenous[noise] = prior
            endogenous[name] = ((noise, *network.parents(name)), functions)
        kept = {n: v.states if v.states is not None else () for n, v in network.variables.items()}
        modalities = {n: v.modality for n, v in network.variables.items() if v.modality}
        return cls(exogenous, endogenous, kept, modalities)

    def __repr__(self) -> str:
        counts = len(self.exogenous), len(self._tables)
        return f"StructuralModel({counts[0]} exogenous, {counts[1]} endogenous variables)"

    def _distribution(self, copy: Copy, child: Variable, inputs: list[Variable]) -> Factor:
        if copy.state is not None:
            return answers.constant(child, copy.state)
        if copy.variable in self.exogenous:
            return TableFactor((child,), self._priors[copy.variable], child=child)
        index = self._tables[copy.variable][at_inputs(copy)]
        return Deterministic(child, inputs, index)

    def _worlds(self) -> ParallelWorlds:
        return ParallelWorlds(self.parents, self.variables, self.exogenous)

    def network(self, *worlds: Do) -> BayesianNetwork:
        """Return the network of all variables in some worlds; by default as things are.

        Copies are called as ``y(x=1)``, by the settings that reach them.

        Raises
        ------
        UnknownVariableError, UnknownStateError, CausalError
            If a world sets what cannot be set.
        """
        copies = self._worlds()
        names = {copies.copy_of(n, do): None for do in worlds or ({},) for n in self.variables}
        return copies.network(names, self._distribution)

    def probability(
        self, query: Sequence[World], given: Sequence[World] = ()
    ) -> float | Float64[np.ndarray, " rows"]:
        """Return the probability of events in some worlds, given events in others, all jointly.

        Parameters
        ----------
        query, given : sequence of (do, event)
            ``do`` sets variables, by state, or by a world of its own whose value they take:
            ``{"x": 1, "m": {"x": 0}}`` sets ``m`` to what it would be were ``x`` 0. The event maps
            variables, exogenous ones too, to cells or columns of cells; or is a data frame.

        Returns
        -------
        float, or ndarray of shape (rows,) where an event has rows

        Raises
        ------
        ZeroProbabilityError
            If ``given`` is impossible: which copies clash, in which rows.
        CausalError
            If a world sets an exogenous variable, or is no pair.
        UnknownVariableError, UnknownStateError, EvidenceError
            If an event does not fit the model.
        """
        return answers.probability(self._worlds(), self._distribution, query, given)

    def distribution(
        self, variables: Sequence[str | tuple[str, Do]], given: Sequence[World] = ()
    ) -> Float64[np.ndarray, "*rows *states"]:
        """Return the joint distribution of variables in their worlds, an axis each.

        Parameters
        ----------
        variables : sequence of str or (str, do)
            ``("y", {"x": 1})`` is ``y`` in the world where ``x`` is set to 1.
        given : sequence of (do, event)
            As for :meth:`probability`, whose errors are raised.
        """
        pairs = [(v, {}) if isinstance(v, str) else (v[0], v[1]) for v in variables]
        return answers.distribution_over(self._worlds(), self._distribution, pairs, given)

    def sample(
        self,
        draws: int,
        generator: torch.Generator | None = None,
        worlds: Sequence[Do] = ({},),
        given: Sequence[World] = (),
    ) -> Samples:
        """Return draws of all variables in some worlds, jointly, named as in :meth:`network`.

        Raises
        ------
        ZeroProbabilityError
            If ``given`` is impossible.
        """
        copies = self._worlds()
        condition = copies.read(given, "given")
        condition.check_possible()
        asked = {copies.copy_of(n, do): None for do in worlds for n in self.variables}
        network = copies.network((*asked, *condition.codes), self._distribution)
        return sample(network, draws, condition.cells(network), generator)

    def effect_on_treated(
        self,
        treatment: str,
        outcome: str,
        control: object = 0,
        treated: object = 1,
        state: object = None,
    ) -> float:
        """Return E[Y(treated) - Y(control) | treated]: what treatment does to those who have it.

        Parameters
        ----------
        treatment, outcome : str
        control, treated : state of the treatment
        state : state of the outcome, optional
            The effect on its probability; by default on the mean of the outcome's numeric labels.

        Raises
        ------
        CausalError
            If treatment and outcome are the same, or labels are no numbers and no state is asked.
        ZeroProbabilityError
            If nobody is treated.
        """
        _check_distinct(treatment, outcome)
        worlds = [(outcome, {treatment: t}) for t in (treated, control)]
        with_and_without = self.distribution(worlds, given=[({}, {treatment: treated})])
        values = numeric_states(self.variables[outcome], state)
        return float(values @ (with_and_without.sum(1) - with_and_without.sum(0)))

    def necessity_sufficiency(
        self,
        cause: str,
        outcome: str,
        control: object = 0,
        treated: object = 1,
        state: object = 1,
    ) -> NecessitySufficiency:
        """Return how far a cause is necessary, sufficient, and both for a state of the outcome.

        Raises
        ------
        CausalError
            If cause and outcome are the same.
        """
        _check_distinct(cause, outcome)
        with_and_without = [(outcome, {cause: t}) for t in (treated, control)]
        joint = self.distribution([cause, outcome, *with_and_without])
        x, y = self.variables[cause], self.variables[outcome]
        is_state = np.arange(y.cardinality) == y.code(state)
        # Axes: the cause; the outcome as it is, under treatment and under control, 1 the state.
        sides = np.stack([~is_state, is_state])
        joint = np.einsum("xabc,ia,jb,kc->xijk", joint, sides, sides, sides)
        with_cause, without = joint[x.code(treated), 1], joint[x.code(control), 0]

        def share(part: float, whole: float) -> float | None:
            return part / whole if whole > 0 else None

        return NecessitySufficiency(
            share(float(with_cause[:, 0].sum()), float(with_cause.sum())),
            share(float(without[1].sum()), float(without.sum())),
            float(joint[:, :, 1, 0].sum()),
        )

    def natural_effects(
        self,
        treatment: str,
        outcome: str,
        mediators: Sequence[str] | str,
        control: object = 0,
        treated: object = 1,
        state: object = None,
        given: Sequence[World] = (),
    ) -> MediationEffects:
        """Return the effects through mediators and past them, by nested worlds; nothing is assumed.

        Parameters and errors are those of :func:`mmgraph.effect_through`, but that a structural
        model says every nested probability.
        """

        def outcome_given(do: Do) -> Float64[np.ndarray, " states"]:
            return self.distribution([(outcome, do)], given)

        check = self._worlds()
        return mediated(
            check, outcome_given, (treatment, outcome, mediators), (control, treated), state
        )


def _parents(name: str, mechanism: object) -> tuple[str, ...]:
    pair = isinstance(mechanism, tuple | list) and len(mechanism) == 2
    if not pair or isinstance(mechanism[0], str):  # type: ignore[index]
        raise GraphError(f"'{name}' takes a pair (parents, table), not {mechanism!r}")
    return tuple(mechanism[0])  # type: ignore[index]


def _count(name: str, table: object, states: Mapping[str, Any]) -> int:
    """The number of states of an endogenous variable of which only the table is told."""
    if name in states:
        return 1  # which the labels replace
    if isinstance(table, Callable):  # type: ignore[arg-type]
        raise GraphError(f"'{name}' is a function of labels: states= must list its states")
    index = whole_numbers(table, f"the table of '{name}'")
    return max(int(index.max()) if index.numel() else 0, 0) + 1


def _check_distinct(cause: str, outcome: str) -> None:
    if cause == outcome:
        raise CausalError(f"the effect of '{cause}' on itself has no meaning")
