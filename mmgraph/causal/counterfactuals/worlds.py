"""Copies of variables in parallel worlds, and the one network that holds them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from mmgraph.graph.errors import (
    CausalError,
    EvidenceError,
    UnknownVariableError,
    ZeroProbabilityError,
    suggestion,
)
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.state_labels import MISSING, index
from mmgraph.graph.variable import Variable, unused_name
from mmgraph.inference.possible_rows import named_rows
from mmgraph.networks.bayesian_network import BayesianNetwork

Source = int | str
"""What stands for a variable in a world: the state that it is set to, or the name of a copy."""

Do = Mapping[str, Any]
"""What is set, by variable: a state, or a world (another such mapping) whose value it takes."""

Event = Any
"""A mapping of variables to cells or columns of cells, or a data frame."""

World = tuple[Do, Event]


class Copy(NamedTuple):
    """A variable in those worlds in which its parents are the same; ``state`` where it is set."""

    variable: str
    inputs: tuple[Source, ...] = ()
    state: int | None = None


class Observations(NamedTuple):
    """What events say of copies, row by row.

    Attributes
    ----------
    codes : dict of str to ndarray, shape (rows,)
        State indices by copy; ``MISSING`` where an event is silent.
    contradictory : ndarray of bool, shape (rows,)
        Whether two events give one copy two states.
    clash : str
        The first copy of which that is so, or nothing.
    has_rows : bool
        Whether an event came with columns, so that answers have an axis of rows.
    """

    codes: dict[str, Int64[np.ndarray, " rows"]]
    contradictory: Bool[np.ndarray, " rows"]
    clash: str
    has_rows: bool

    def check_possible(self) -> None:
        """Raise ZeroProbabilityError if rows contradict themselves: which, and at which copy."""
        rows = tuple(map(int, self.contradictory.nonzero()[0]))
        if rows:
            raise ZeroProbabilityError(
                f"the worlds contradict one another in {named_rows(rows)}: '{self.clash}' is the "
                "same in several, and is given two states",
                rows,
                (self.clash,),
            )

    def cells(self, network: BayesianNetwork) -> Evidence:
        """Return the evidence of a network that holds the copies."""
        rows = len(self.contradictory)
        if not self.codes:
            return Evidence(network.variables, rows, codes=np.empty((rows, 0), np.int64))
        return Evidence.of({n: index(c) for n, c in self.codes.items()}, network.variables)


class ParallelWorlds:
    """The copies that worlds need: a variable is shared where its parents are (Shpitser 2007).

    Parameters
    ----------
    parents : mapping of str to sequence of str
        Of each variable in the order of its table's axes; causes stand before effects.
    variables : mapping of str to Variable
    exogenous : collection of str
        The variables that are the same in all worlds, and that nothing sets.
    """

    def __init__(
        self,
        parents: Mapping[str, Sequence[str]],
        variables: Mapping[str, Variable],
        exogenous: Collection[str] = (),
    ) -> None:
        self.parents, self.variables, self.exogenous = parents, variables, exogenous
        self.copies: dict[str, Copy] = {}
        self._names: dict[Copy, str] = {}
        self._worlds: dict[tuple[tuple[str, Source], ...], dict[str, Source]] = {}
        self.sources({})

    def sources(self, do: Do) -> dict[str, Source]:
        """Return what stands for each variable in a world.

        Raises
        ------
        UnknownVariableError, UnknownStateError
            With the nearest name.
        CausalError
            If the world is no mapping, or sets an exogenous variable.
        """
        if not isinstance(do, Mapping):
            raise CausalError(f"a world is a mapping of variables to what they are set to: {do!r}")
        settings = {name: self._setting(name, value) for name, value in do.items()}
        key = tuple(sorted(settings.items()))
        if key not in self._worlds:
            self._worlds[key] = self._copied(settings)
        return self._worlds[key]

    def _setting(self, name: object, value: object) -> Source:
        variable = self._variable(name, "do")
        if name in self.exogenous:
            raise CausalError(f"do({name}=…): '{name}' is exogenous, and nothing sets it")
        if isinstance(value, Mapping):
            return self.sources(value)[variable.name]
        return variable.code(value)

    def _variable(self, name: object, where: str) -> Variable:
        if name not in self.variables:
            hint = suggestion(name, self.variables)
            raise UnknownVariableError(f"{where} names {name!r}, which the model lacks{hint}")
        return self.variables[str(name)]

    def _copied(self, settings: Mapping[str, Source]) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        touched: dict[str, frozenset[str]] = {}  # the settings that reach a variable
        for name, parents in self.parents.items():
            if name in settings:
                sources[name], touched[name] = settings[name], frozenset((name,))
                continue
            touched[name] = frozenset().union(*(touched[p] for p in parents))
            copy = Copy(name, tuple(sources[p] for p in parents))
            shown = [self._shown(s, settings[s]) for s in settings if s in touched[name]]
            sources[name] = self._named(copy, name + (f"({', '.join(shown)})" if shown else ""))
        return sources

    def _shown(self, name: str, source: Source) -> str:
        label = source if isinstance(source, str) else self.variables[name].labels[source]
        return f"{name}={label}"

    def _named(self, copy: Copy, name: str) -> str:
        """The name of a copy, which is new unless another world has the same one."""
        if copy not in self._names:
            self._names[copy] = name = unused_name(name, self.copies)
            self.copies[name] = copy
        return self._names[copy]

    def copy_of(self, name: str, do: Do) -> str:
        """Return the copy of a variable in a world; of one that is set, a constant."""
        variable = self._variable(name, "a world")
        source = self.sources(do)[variable.name]
        if isinstance(source, str):
            return source
        label = f"{name}({self._shown(name, source)})"
        return self._named(Copy(name, state=source), label)

    def read(self, worlds: Sequence[World], what: str) -> Observations:
        """Return what worlds say; ``what`` names them in messages.

        Raises
        ------
        CausalError
            If a world is no pair (do, event).
        EvidenceError
            If an event is soft, or numbers of rows differ.
        UnknownVariableError, UnknownStateError
            With the nearest name.
        """
        events = [(self._pair(world, what)) for world in worlds]
        evidence = [Evidence.of(event, self.variables) for _, event in events]
        rows = max((e.batch for e in evidence), default=1)
        parts: list[tuple[str, np.ndarray]] = []
        for (do, _), told in zip(events, evidence, strict=True):
            if told.soft:
                raise EvidenceError(f"{what}: '{next(iter(told.soft))}' has soft evidence")
            if told.batch not in (1, rows):
                raise EvidenceError(f"{what}: worlds of {told.batch} and of {rows} rows")
            parts += [(self.copy_of(n, do), told.codes[:, i]) for i, n in enumerate(told.columns)]
        return _merged(parts, rows, any(_has_rows(event) for _, event in events))

    def _pair(self, world: object, what: str) -> World:
        if not isinstance(world, tuple | list) or len(world) != 2:
            raise CausalError(f"{what}: a world is a pair (do, event) of mappings, not {world!r}")
        return world[0], world[1]

    def needed(self, names: Iterable[str]) -> list[str]:
        """Return some copies and those that they are functions of, causes first."""
        needed, waiting = set[str](), list(names)
        while waiting:
            if (name := waiting.pop()) not in needed:
                needed.add(name)
                waiting += [s for s in self.copies[name].inputs if isinstance(s, str)]
        rank = {name: i for i, name in enumerate(self.parents)}
        return sorted(needed, key=lambda name: (rank[self.copies[name].variable], name))

    def copies_of(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return, by variable, those of its copies that some copies are functions of.

        Left out are constants: of a variable that is set, nothing is open.
        """
        copies: dict[str, list[str]] = {}
        for name in self.needed(names):
            if self.copies[name].state is None:
                copies.setdefault(self.copies[name].variable, []).append(name)
        return copies

    def network(
        self,
        names: Iterable[str],
        distribution: Callable[[Copy, Variable, list[Variable]], Factor],
        roots: Iterable[Factor] = (),
    ) -> BayesianNetwork:
        """Return the network of some copies and their ancestors.

        ``distribution`` makes that of a copy from it, its variable, and the variables of those of
        its inputs that are not set; ``roots`` are distributions of variables beside them.
        """
        made: dict[str, Variable] = {}
        factors = list(roots)
        made |= {f.child.name: f.child for f in factors if f.child is not None}
        for name in self.needed(names):
            copy = self.copies[name]
            made[name] = renamed(self.variables[copy.variable], name)
            inputs = [made[s] for s in copy.inputs if isinstance(s, str)]
            factors.append(distribution(copy, made[name], inputs))
        return BayesianNetwork(made.values(), factors)


def renamed(variable: Variable, name: str) -> Variable:
    """Return a scalar discrete variable under another name."""
    if variable.name == name:
        return variable
    return Variable(name, variable.states, modality=variable.modality, family=variable.family)


def at_inputs(copy: Copy) -> tuple[int | slice, ...]:
    """Return the index by which a table, axes first the parents, is one of the copy's inputs."""
    return tuple(slice(None) if isinstance(s, str) else s for s in copy.inputs)


def _merged(
    parts: Iterable[tuple[str, Int64[np.ndarray, " batch"]]], rows: int, has_rows: bool
) -> Observations:
    codes: dict[str, np.ndarray] = {}
    contradictory, clash = np.zeros(rows, bool), ""
    for name, column in parts:
        before = codes.setdefault(name, np.full(rows, MISSING, np.int64))
        differs = (before != MISSING) & (column != MISSING) & (before != column)
        clash = clash or (name if differs.any() else "")
        contradictory |= differs
        codes[name] = np.where(before == MISSING, column, before)
    return Observations(codes, contradictory, clash, has_rows)


def both(first: Observations, second: Observations) -> Observations:
    """Return what two sets of worlds say together.

    Raises
    ------
    EvidenceError
        If both have rows, and not as many.
    """
    sizes = {len(o.contradictory) for o in (first, second)} - {1}
    if len(sizes) > 1:
        raise EvidenceError(f"query and evidence have {min(sizes)} and {max(sizes)} rows")
    parts = [*first.codes.items(), *second.codes.items()]
    merged = _merged(parts, max(sizes, default=1), first.has_rows or second.has_rows)
    contradictory = merged.contradictory | first.contradictory | second.contradictory
    return merged._replace(contradictory=contradictory, clash=merged.clash or second.clash)


def _has_rows(event: Event) -> bool:
    if isinstance(event, Mapping):
        cells: Iterable[Any] = (getattr(cell, "codes", cell) for cell in event.values())
        return any(np.ndim(cell) > 0 for cell in cells)
    return event is not None
