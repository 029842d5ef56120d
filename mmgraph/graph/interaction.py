"""How much two neighbouring states cost: the pairwise energies that spatial models are made of.

An interaction knows states, not places; a :class:`PairwiseFactor` or a :class:`GridFactor` says
which elements are neighbours and with which weight. Minus weight times energy is a log-potential.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError
from mmgraph.graph.storage.copying import DeepCopied


class Interaction(DeepCopied, abc.ABC):
    """The energy of a pair of states, before the weight of the edge.

    Attributes
    ----------
    kind : str or None
        The name of the class in files; a class without one is not written.
    table : Tensor or None
        The energies where a table gives them, ``(first, second)`` or one for each edge.
    """

    kind: ClassVar[str | None] = None
    table: Float[Tensor, "*edges first second"] | None = None

    @abc.abstractmethod
    def energies(self, first: int, second: int) -> Float[Tensor, "first second"]:
        """Return the table of energies between ``first`` and ``second`` states."""

    def pair_energy(
        self, first: Int64[Tensor, "*shape"], second: Int64[Tensor, "*shape"], states: int
    ) -> Float[Tensor, "*shape"]:
        """Return the energy of each pair of state indices below ``states``."""
        return self.energies(states, states).to(first.device)[first, second]

    def expected(
        self, statistics: Float[Tensor, "*batch edges states"]
    ) -> Float[Tensor, "*batch edges states"]:
        """Return the mean energy of each state of one end given a distribution of the other."""
        states = statistics.shape[-1]
        return statistics @ self.energies(states, states).to(statistics)

    def settings(self) -> dict[str, Any]:
        """Return what JSON says of the interaction; a table is a parameter.

        Raises
        ------
        GraphError
            If the interaction is of a class of the user's own.
        """
        kind = type(self).__dict__.get("kind")
        if kind is None:
            raise GraphError(f"{self!r} is of a kind that cannot be written")
        return {"interaction": kind}

    def parameters(self) -> dict[str, Tensor]:
        """Return the table of energies, if there is one."""
        return {} if self.table is None else {"energies": self.table}


@dataclass(frozen=True)
class Potts(Interaction):
    """No energy for equal states, one for different ones."""

    kind = "Potts"

    def energies(self, first: int, second: int) -> Float[Tensor, "first second"]:
        """Return one minus the identity, see :meth:`Interaction.energies`."""
        return 1 - torch.eye(first, second, dtype=torch.float64)

    def pair_energy(
        self, first: Int64[Tensor, "*shape"], second: Int64[Tensor, "*shape"], states: int
    ) -> Float[Tensor, "*shape"]:
        """Compare the states, see :meth:`Interaction.pair_energy`."""
        return (first != second).to(torch.float64)

    def expected(
        self, statistics: Float[Tensor, "*batch edges states"]
    ) -> Float[Tensor, "*batch edges states"]:
        """Return the probability of every other state, see :meth:`Interaction.expected`."""
        return statistics.sum(-1, keepdim=True) - statistics


@dataclass(frozen=True)
class _Truncated(Interaction):
    """A power of the distance of the states' indices, at most ``truncation``."""

    power: ClassVar[int]
    truncation: float = math.inf

    def __post_init__(self) -> None:
        if not self.truncation > 0:
            raise GraphError(f"{self!r}: the truncation must be positive")

    def energies(self, first: int, second: int) -> Float[Tensor, "first second"]:
        """Tabulate the energy, see :meth:`Interaction.energies`."""
        a, b = torch.arange(first)[:, None], torch.arange(second)[None, :]
        return self.pair_energy(a, b, max(first, second))

    def pair_energy(
        self, first: Int64[Tensor, "*shape"], second: Int64[Tensor, "*shape"], states: int
    ) -> Float[Tensor, "*shape"]:
        """Measure the distance of the states, see :meth:`Interaction.pair_energy`."""
        distance = (first - second).abs().to(torch.float64)
        return distance.pow(self.power).clamp(max=self.truncation)

    def settings(self) -> dict[str, Any]:
        """As :meth:`Interaction.settings`."""
        limit = {} if math.isinf(self.truncation) else {"truncation": self.truncation}
        return {**super().settings(), **limit}


@dataclass(frozen=True)
class TruncatedLinear(_Truncated):
    """The distance of the states' indices, at most ``truncation``.

    Parameters
    ----------
    truncation : float, default infinity
        Positive. The largest energy.
    """

    kind = "truncated linear"
    power = 1


@dataclass(frozen=True)
class TruncatedQuadratic(_Truncated):
    """The squared distance of the states' indices, at most ``truncation``.

    Parameters
    ----------
    truncation : float, default infinity
        Positive. The largest energy.
    """

    kind = "truncated quadratic"
    power = 2


class Tabulated(Interaction):
    """Any table of energies, one for all edges or one for each.

    Parameters
    ----------
    energies : array-like
        Shape ``(first, second)``, or ``(edges, first, second)``; ``inf`` forbids a pair of states.

    Raises
    ------
    GraphError
        If the table is no matrix of numbers, or an energy is NaN or minus infinity.
    """

    kind = "table"
    table: Float[Tensor, "*edges first second"]

    def __init__(self, energies: object) -> None:
        table = float_tensor(energies, "the energies of pairs of states")
        if table.ndim not in (2, 3) or not table.numel():
            raise GraphError(
                f"energies of shape {tuple(table.shape)}; (first, second) or (edges, first, second)"
                " was expected"
            )
        bad = ~(table.detach() > -torch.inf)
        if bool(bad.any()):
            where = tuple(bad.nonzero()[0].tolist())
            raise GraphError(f"the energy at {where} is {float(table[where])}; inf forbids a pair")
        self.table = table

    @property
    def is_shared(self) -> bool:
        """Whether one table serves every edge."""
        return self.table.ndim == 2

    def energies(self, first: int, second: int) -> Float[Tensor, "... first second"]:
        """Return the table itself, see :meth:`Interaction.energies`."""
        if tuple(self.table.shape[-2:]) != (first, second):
            raise GraphError(f"{self!r} does not fit {first} and {second} states")
        return self.table

    def pair_energy(
        self, first: Int64[Tensor, "*shape"], second: Int64[Tensor, "*shape"], states: int
    ) -> Float[Tensor, "*shape"]:
        """Look the pairs up; the last axis counts edges, see :meth:`Interaction.pair_energy`."""
        if self.is_shared:
            return self.table[first, second]
        return self.table[torch.arange(len(self.table)), first, second]

    def expected(
        self, statistics: Float[Tensor, "*batch edges states"], transposed: bool = False
    ) -> Float[Tensor, "*batch edges states"]:
        """Average over the second end (the first if ``transposed``).

        A forbidden pair counts where its probability is not zero: zero times infinity is zero.
        """
        table = self.table.to(statistics)
        table = table if transposed else table.mT
        forbidden = torch.isinf(table)
        rows = statistics.unsqueeze(-2)
        finite = (rows @ table.masked_fill(forbidden, 0.0)).squeeze(-2)
        mass = (rows @ forbidden.to(table.dtype)).squeeze(-2)
        return finite.masked_fill(mass > 0, torch.inf)

    def __repr__(self) -> str:
        return f"Tabulated(energies of shape {tuple(self.table.shape)})"


def as_interaction(energy: object) -> Interaction:
    """Return an interaction as it is, Potts for None, and a table of energies as ``Tabulated``."""
    if energy is None:
        return Potts()
    return energy if isinstance(energy, Interaction) else Tabulated(energy)


def restored_interaction(
    settings: Mapping[str, Any], parameters: Mapping[str, Tensor]
) -> Interaction:
    """Return the interaction that its settings and parameters describe, or raise GraphError."""
    name = settings.get("interaction")
    if name == Potts.kind:
        return Potts()
    if name == Tabulated.kind:
        if "energies" not in parameters:
            raise GraphError("expected the parameter energies, found none")
        return Tabulated(parameters["energies"])
    for truncated in (TruncatedLinear, TruncatedQuadratic):
        if name == truncated.kind:
            truncation = settings.get("truncation", math.inf)
            if isinstance(truncation, bool) or not isinstance(truncation, int | float):
                raise GraphError(f"expected a truncation, found {truncation!r}"[:80])
            return truncated(float(truncation))
    raise GraphError(f"the interaction {name!r} is not known"[:80])
