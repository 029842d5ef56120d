"""Causal independence: each parent acts on the child by itself, the strongest effect shows.

A noisy-MAX says ``Y = max(Z_1, …, Z_n, Z_leak)`` with a hidden effect ``Z_i`` of each parent, so
that ``P(Y ≤ y | x) = P(Z_leak ≤ y) · Π_i P(Z_i ≤ y | x_i)``. A noisy-OR is one with two states
and has a module of its own, :mod:`mmgraph.graph.conditionals.noisy_or`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.conditionals.hidden_maximum import HiddenMaximum, chain_of_maxima
from mmgraph.graph.conditionals.parametric_table import (
    check_family,
    real_parameter,
)
from mmgraph.graph.errors import GraphError, suggestion
from mmgraph.graph.factor import Parts
from mmgraph.graph.factors.table import TableFactor, check_scalar_discrete
from mmgraph.graph.variable import Variable

ROW_SUM_TOLERANCE = 1e-6
"""How far the sum of a distribution may be from one."""


class NoisyMax(HiddenMaximum):
    """A graded child that takes the greatest of its parents' independent effects.

    Parameters
    ----------
    child : Variable
        Its states in ascending order; the first means that there is no effect (in descending
        order, the last: see ``descending``).
    parents : sequence of Variable
        All scalar and discrete.
    effects : sequence of array-like
        One for each parent, shape ``(parent states, child states)``: the distribution of the child
        if this parent alone were active. The row of the parent's absent state is ``(1, 0, …)``.
    leak : array-like, optional
        Distribution of the child when all parents are absent, shape ``(child states,)``; by
        default no effect at all.
    absent : mapping of str to label, optional
        The state of a parent that has no effect; by default the first.
    descending : bool, default False
        Whether the child's states are listed from the greatest to the one without effect, as GeNIe
        lists them; rows of the effects and the leak are in the child's own order all the same.

    Raises
    ------
    GraphError
        If a shape does not fit, a row is not a distribution or the absent state has an effect
        (whose), or the table would be too large; :meth:`chain` then helps.

    References
    ----------
    Henrion, "Some practical issues in constructing belief networks", UAI (1989). Díez, "Parameter
    adjustment in Bayes networks. The generalized noisy OR-gate", UAI (1993).
    """

    kind = "noisy-max"

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        effects: Sequence[object],
        leak: object = None,
        absent: Mapping[str, object] | None = None,
        descending: bool = False,
    ) -> None:
        check_family(type(self).__name__, child, parents)
        self.descending = descending
        self._absent = absent_codes(type(self).__name__, parents, absent)
        self.effects, self.leak = _checked_effects(
            child, parents, effects, leak, self._absent, descending
        )
        super().__init__(child, parents)

    def parameters(self) -> dict[str, Tensor]:
        """Return the leak and one array of effects for each parent."""
        return {"leak": self.leak, **{f"effects_{i}": e for i, e in enumerate(self.effects)}}

    def settings(self) -> dict[str, Any]:
        """Return the index of each parent's absent state, and the order if it is descending."""
        return {**super().settings(), **({"descending": True} if self.descending else {})}

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        child, parents = parts.of_distribution()
        effects = [parts.parameter(f"effects_{i}") for i in range(len(parents))]
        absent, descending = (
            absent_labels(parents, parts.settings),
            parts.settings.get("descending"),
        )
        return cls(child, parents, effects, parts.parameter("leak"), absent, descending is True)

    def _by_rank(self) -> tuple[tuple[Tensor, ...], Tensor]:
        return _by_rank(self.effects, self.leak, self.descending)

    def _of_effects(self, effects: Sequence[Tensor], leak: Tensor) -> Self:
        ordered, base = _by_rank(effects, leak, self.descending)
        return type(self)(self.child, self.parents, ordered, base, self.absent, self.descending)

    @classmethod
    def chain(
        cls,
        child: Variable,
        parents: Sequence[Variable],
        effects: Sequence[object],
        leak: object = None,
        absent: Mapping[str, object] | None = None,
        descending: bool = False,
    ) -> tuple[TableFactor, ...]:
        """Return small tables that together say the same; no large one is ever built.

        Takes what the class takes. Auxiliary variables hold the maximum so far:
        ``Y_i = max(Y_{i-1}, Z_i)``, so that the tables grow with the number of parents and not
        exponentially (Heckerman & Breese 1996, "Causal independence for probability assessment
        and inference using Bayesian networks").

        Returns
        -------
        tuple of TableFactor
            One for each parent, each the conditional distribution of its ``child``; the last
            is that of the child itself, the others of auxiliary variables, which belong into the
            network as well.
        """
        check_scalar_discrete(f"{cls.__name__} of '{child.name}'", (*parents, child), child)
        codes = absent_codes(cls.__name__, parents, absent)
        checked, base = _checked_effects(child, parents, effects, leak, codes, descending)
        return chain_of_maxima(child, parents, *_by_rank(checked, base, descending), descending)


def _by_rank(
    effects: Sequence[Tensor], leak: Tensor, descending: bool
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Turn effects from the child's own order into ascending order, or back."""
    if not descending:
        return tuple(effects), leak
    return tuple(effect.flip(-1) for effect in effects), leak.flip(-1)


def absent_codes(
    kind: str, variables: Sequence[Variable], absent: Mapping[str, object] | None
) -> tuple[int, ...]:
    """The index of the state of each variable that means "absent"."""
    absent = absent or {}
    names = [v.name for v in variables]
    for name in absent:
        if name not in names:
            raise GraphError(f"{kind}: 'absent' names {name!r}{suggestion(name, names)}")
    return tuple(v.code(absent[v.name]) if v.name in absent else 0 for v in variables)


def absent_labels(variables: Sequence[Variable], settings: Mapping[str, Any]) -> dict[str, object]:
    """The labels of the absent states whose indices the settings keep."""
    codes = settings.get("absent", [0] * len(variables))
    fits = isinstance(codes, list) and len(codes) == len(variables)
    if not fits or any(
        type(c) is not int or not 0 <= c < v.cardinality
        for v, c in zip(variables, codes, strict=True)
    ):
        raise GraphError(f"the absent states {codes!r} do not fit {[v.name for v in variables]}")
    return {v.name: v.labels[c] for v, c in zip(variables, codes, strict=True)}


def _checked_effects(
    child: Variable,
    parents: Sequence[Variable],
    effects: Sequence[object],
    leak: object,
    absent: Sequence[int],
    descending: bool,
) -> tuple[tuple[Tensor, ...], Float[Tensor, " states"]]:
    owner = f"NoisyMax of '{child.name}'"
    if len(effects) != len(parents):
        raise GraphError(f"{owner}: {len(effects)} arrays of effects, {len(parents)} parents")
    states = child.cardinality
    none = states - 1 if descending else 0
    if leak is None:
        leak = torch.eye(states, dtype=torch.float64)[none]
    base = real_parameter(f"{owner}, leak", leak, (states,))
    _check_distributions(f"{owner}, leak", base.unsqueeze(0), None)
    checked = []
    for v, rows, code in zip(parents, effects, absent, strict=True):
        name = f"{owner}, effects of '{v.name}'"
        effect = real_parameter(name, rows, (v.cardinality, states)).to(base)
        _check_distributions(name, effect, v)
        if float(effect[code, none].detach()) < 1 - ROW_SUM_TOLERANCE:
            wanted = "(…, 0, 1)" if descending else "(1, 0, …)"
            raise GraphError(
                f"{name}: the absent state {v.labels[code]!r} has the effect "
                f"{effect[code].tolist()}; it must be {wanted}"
            )
        checked.append(effect)
    return tuple(checked), base


def _check_distributions(owner: str, rows: Tensor, variable: Variable | None) -> None:
    flat = rows.detach()
    good = (flat >= 0).all(-1) & ((flat.sum(-1) - 1).abs() <= ROW_SUM_TOLERANCE)
    if not bool(good.all()):
        row = int((~good).nonzero()[0])
        where = f" at {variable.name}={variable.labels[row]}" if variable is not None else ""
        raise GraphError(f"{owner}: {flat[row].tolist()}{where} is not a distribution")
