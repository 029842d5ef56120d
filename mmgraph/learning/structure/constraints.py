"""What a learned graph may and must hold: tiers, required and forbidden edges, most parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Bool

from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion

Edge = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Constraints:
    """The edges that a graph may and must have; made by :meth:`of`.

    Attributes
    ----------
    names : tuple of str
        The variables, in the order of the arrays' axes.
    allowed, required : array of bool, shape (parents, children)
        What may be an edge (never from a variable to itself), and what must be, a part of it.
    max_parents : int
        How many parents a variable has at most.
    """

    names: tuple[str, ...]
    allowed: Bool[np.ndarray, "parents children"]
    required: Bool[np.ndarray, "parents children"]
    max_parents: int

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        modalities: Mapping[str, str | None] | None = None,
        *,
        tiers: Iterable[Iterable[str]] = (),
        required: Iterable[Edge] = (),
        forbidden: Iterable[Edge] = (),
        max_parents: int | None = None,
        roots: Iterable[str] = (),
        leaves: Iterable[str] = (),
    ) -> Constraints:
        """Return the constraints that variables and whole modalities are named in.

        Wherever a variable may be named, a modality may, and means each of its variables.

        Parameters
        ----------
        names : sequence of str
            The variables.
        modalities : mapping of str to str, optional
            The modality of each variable.
        tiers : iterable of iterables of str, optional
            Causes first: no edge runs from a later tier to an earlier one. Within a tier edges are
            free, and so are those of variables in no tier.
        required : iterable of (cause, effect), optional
            Edges that must be there. A modality is refused here unless it has a single variable:
            it would be unclear which of its edges are meant.
        forbidden : iterable of (cause, effect), optional
            Edges that must not; of two modalities, every edge from one to the other.
        max_parents : int, optional
            By default as many as there are other variables.
        roots, leaves : iterable of str, optional
            Variables without parents, and without children.

        Raises
        ------
        UnknownVariableError
            If a name is neither a variable nor a modality; with the nearest one.
        LearningError
            If constraints contradict each other, a name is both a variable and a modality of
            others, or the number of parents is none.
        """
        reader = _Names(tuple(names), modalities or {})
        bars = [
            ("the tiers", reader.against_tiers(tiers)),
            ("a forbidden edge", reader.forbidden(forbidden)),
            ("a root, which has no parents", reader.mask(roots, "roots")[None, :]),
            ("a leaf, which has no children", reader.mask(leaves, "leaves")[:, None]),
        ]
        allowed = ~np.eye(len(reader.names), dtype=bool)
        for _, bar in bars:
            allowed &= ~bar
        must = reader.required(required)
        for cause, effect in zip(*np.nonzero(must & ~allowed), strict=True):
            why = next(w for w, bar in bars if np.broadcast_to(bar, must.shape)[cause, effect])
            edge = f"{reader.names[cause]} -> {reader.names[effect]}"
            raise LearningError(f"the required edge {edge} contradicts {why}")
        if cycle := cycle_in_words(must, reader.names):
            raise LearningError(f"the required edges have a cycle: {cycle}")
        return cls(reader.names, allowed, must, _most_parents(reader.names, must, max_parents))

    def __post_init__(self) -> None:
        shape = (len(self.names),) * 2
        assert self.allowed.shape == self.required.shape == shape
        assert not (self.required & ~self.allowed).any()

    @property
    def free(self) -> bool:
        """Whether every edge is allowed and none required; ``max_parents`` may still bind."""
        return not self.required.any() and int(self.allowed.sum()) == self.allowed.size - len(
            self.names
        )

    def check(self, adjacency: Bool[np.ndarray, "parents children"], what: str) -> None:
        """Raise LearningError if a graph breaks a constraint; ``what`` is its name in messages."""
        for broken, says in (
            (adjacency & ~self.allowed, "has the edge {}, which the constraints forbid"),
            (self.required & ~adjacency, "lacks the edge {}, which the constraints require"),
        ):
            if broken.any():
                cause, effect = np.argwhere(broken)[0]
                edge = f"{self.names[cause]} -> {self.names[effect]}"
                raise LearningError(f"{what} {says.format(edge)}")
        numbers = adjacency.sum(0)
        if (numbers > self.max_parents).any():
            most = int(numbers.argmax())
            raise LearningError(
                f"{what} gives '{self.names[most]}' {numbers[most]} parents, "
                f"of which at most {self.max_parents} are allowed"
            )


class _Names:
    """Reads names of variables and modalities as the variables that they mean."""

    def __init__(self, names: tuple[str, ...], modalities: Mapping[str, str | None]) -> None:
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise LearningError(f"the variable '{twice}' is given twice")
        self.names = names
        self._places = {name: i for i, name in enumerate(names)}
        self._members: dict[str, list[int]] = {}
        for name, place in self._places.items():
            modality = modalities.get(name)
            if modality is not None:
                self._members.setdefault(modality, []).append(place)

    def places(self, name: str, where: str) -> list[int]:
        """Return the variables that a name means; ``where`` it stands is said in messages."""
        variable, members = self._places.get(name), self._members.get(name)
        if variable is None and members is None:
            hint = suggestion(name, [*self.names, *self._members])
            raise UnknownVariableError(
                f"{where} names '{name}', which is neither a variable nor a modality{hint}"
            )
        if variable is None:
            return members or []
        if members is not None and members != [variable]:
            raise LearningError(
                f"{where} names '{name}', which is both a variable and a modality of others; "
                "rename one of them"
            )
        return [variable]

    def mask(self, entries: Iterable[str], where: str) -> Bool[np.ndarray, "variables"]:
        """Mark the variables that are named."""
        marked = np.zeros(len(self.names), dtype=bool)
        for name in _several(entries):
            marked[self.places(name, where)] = True
        return marked

    def against_tiers(self, tiers: Iterable[Iterable[str]]) -> Bool[np.ndarray, "parents children"]:
        """Mark what runs from a later tier to an earlier one."""
        tier = np.full(len(self.names), -1)
        for number, entries in enumerate(_several(tiers)):
            for name in _several(entries):
                for place in self.places(name, f"tier {number + 1}"):
                    if tier[place] not in (-1, number):
                        raise LearningError(
                            f"the tiers are cyclic: '{self.names[place]}' stands in "
                            f"tier {tier[place] + 1} and in tier {number + 1}"
                        )
                    tier[place] = number
        return (tier[:, None] > tier[None, :]) & (tier >= 0)[None, :]

    def forbidden(self, edges: Iterable[Edge]) -> Bool[np.ndarray, "parents children"]:
        """Mark the edges that are forbidden, one by one or from modality to modality."""
        mask = np.zeros((len(self.names),) * 2, dtype=bool)
        for cause, effect in self._pairs(edges, "forbidden"):
            mask[np.ix_(cause, effect)] = True
        return mask

    def required(self, edges: Iterable[Edge]) -> Bool[np.ndarray, "parents children"]:
        """Mark the edges that are required."""
        mask = np.zeros((len(self.names),) * 2, dtype=bool)
        for cause, effect in self._pairs(edges, "required"):
            if len(cause) + len(effect) > 2:
                several = cause if len(cause) > 1 else effect
                raise LearningError(
                    "a required edge joins two variables, not modalities of several "
                    f"({', '.join(self.names[i] for i in several)}): name the variables"
                )
            mask[cause[0], effect[0]] = True
        return mask

    def _pairs(self, edges: Iterable[Edge], kind: str) -> Iterator[tuple[list[int], list[int]]]:
        for edge in edges:
            if isinstance(edge, str) or len(edge) != 2:
                raise LearningError(f"the {kind} edge {edge!r} is not a pair of names")
            where = f"the {kind} edge {edge[0]} -> {edge[1]}"
            cause, effect = (self.places(name, where) for name in edge)
            if cause == effect and len(cause) == 1:
                raise LearningError(f"{where} joins a variable to itself")
            yield cause, effect


def _several(entries: Iterable[Any] | str) -> Iterable[Any]:
    """Take a text for a list of one."""
    return (entries,) if isinstance(entries, str) else entries


def cycle_in_words(adjacency: Bool[np.ndarray, "parents children"], names: Sequence[str]) -> str:
    """Return a cycle such as ``"a -> b -> a"``, and an empty text where there is none."""
    try:
        edges = nx.find_cycle(nx.from_numpy_array(adjacency, create_using=nx.DiGraph))
    except nx.NetworkXNoCycle:
        return ""
    return " -> ".join(names[a] for a, _ in [*edges, edges[0]])


def _most_parents(
    names: Sequence[str], required: Bool[np.ndarray, "parents children"], most: int | None
) -> int:
    """Check a number of parents against the edges that are required."""
    if most is None:
        return max(len(names) - 1, 0)
    if isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 0:
        raise LearningError(f"max_parents is a number from 0 on, not {most!r}")
    for name, number in zip(names, required.sum(0), strict=True):
        if number > most:
            raise LearningError(
                f"'{name}' has {number} required parents, and max_parents allows {most}"
            )
    return int(most)
