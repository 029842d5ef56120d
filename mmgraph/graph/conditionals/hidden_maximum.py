"""The maximum of independent hidden effects: its distribution, as a chain, and learned by EM."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.conditionals.parametric_table import ParametricTable
from mmgraph.graph.errors import LearningError
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable, named_states

Pair = tuple[Tensor, Tensor]
"""Of an effect, in each counted family: P(lower than the outcome), P(equal to it)."""


class HiddenMaximum(ParametricTable):
    """A child that takes the greatest of its parents' independent hidden effects.

    Attributes
    ----------
    descending : bool
        Whether the child's states are listed from the greatest to the one without effect.
    """

    descending: bool
    _absent: tuple[int, ...]

    def __init__(self, child: Variable, parents: Sequence[Variable]) -> None:
        effects, table = self._by_rank()
        for effect in effects:
            table = maximum(table.unsqueeze(-2), effect)
        super().__init__(
            (*parents, child), table.flip(-1) if self.descending else table, child=child
        )

    @abc.abstractmethod
    def _by_rank(self) -> tuple[Sequence[Tensor], Tensor]:
        """The effect of each parent and the leak, the child's states in ascending order."""

    @abc.abstractmethod
    def _of_effects(self, effects: Sequence[Tensor], leak: Tensor) -> Self:
        """The distribution of the same kind with other effects and another leak, by rank."""

    @property
    def absent(self) -> dict[str, object]:
        """The label of the state that means "absent", by variable."""
        variables = zip((*self.parents, self.child), self._absent, strict=False)
        return {v.name: v.labels[code] for v, code in variables}

    def settings(self) -> dict[str, Any]:
        """Return the indices of the absent states: the parents', then the child's if it has one."""
        return {"absent": list(self._absent)}

    def updated(
        self,
        counts: Float[Tensor, "*parents child"],
        max_iterations: int = 500,
        tolerance: float = 1e-9,
    ) -> Self:
        """Return the distribution that fits expected family counts best, by EM.

        The effect of each parent is hidden; EM fills in its distribution given the family.
        Parameters of zero stay zero (no leak remains no leak), and states of a parent that never
        occur keep their effects.

        Parameters
        ----------
        counts : Tensor, shape (*parent states, child states)
            Non-negative and finite.
        max_iterations : int, default 500
        tolerance : float, default 1e-9
            EM ends when the mean log-likelihood rises by less.

        Raises
        ------
        LearningError
            If the counts have another shape, or are negative or not finite, or tell of a child
            state to which these parameters give probability zero (which, and for which parents).
        """
        counts = self._checked_counts(counts)
        counts = counts.flip(-1) if self.descending else counts
        effects, leak = self._by_rank()
        *fitted, base = fitted_effects(
            self.scope,
            [*effects, leak.unsqueeze(0)],
            counts,
            max_iterations,
            tolerance,
            self.descending,
        )
        return self._of_effects(fitted, base[0])

    def decomposed(self) -> tuple[TableFactor, ...]:
        """Return the chain of small tables, one for each parent, that is equivalent to this one."""
        return chain_of_maxima(self.child, self.parents, *self._by_rank(), self.descending)


def maximum(
    first: Float[Tensor, "*batch states"], second: Float[Tensor, "*batch states"]
) -> Float[Tensor, "*batch states"]:
    """Return the distribution of the greater of two independent ordered variables.

    Sums of products of probabilities only: no digit is lost to a difference of cumulative ones.
    """
    lower = torch.nn.functional.pad(first.cumsum(-1)[..., :-1], (1, 0))
    return first * second.cumsum(-1) + lower * second


def chain_of_maxima(
    child: Variable,
    parents: Sequence[Variable],
    effects: Sequence[Float[Tensor, "parent states"]],
    leak: Float[Tensor, " states"],
    descending: bool = False,
) -> tuple[TableFactor, ...]:
    """Return the tables of ``Y_i = max(Y_{i-1}, Z_i)``, the last of them the child's.

    ``descending`` says that the child's own states come in the reverse order.
    """

    def in_order(table: Tensor) -> Tensor:
        return table.flip(-1) if descending else table

    if not parents:
        return (TableFactor((child,), in_order(leak), child=child),)
    tables: list[TableFactor] = []
    previous: tuple[Variable, ...] = ()
    so_far = leak
    for i, (parent, effect) in enumerate(zip(parents, effects, strict=True), start=1):
        here = child
        if i < len(parents):
            here = Variable(f"{child.name}~{i}", child.states, modality=child.modality)
        table = in_order(maximum(so_far.unsqueeze(-2), effect))
        tables.append(TableFactor((*previous, parent, here), table, child=here))
        previous = (here,)
        so_far = in_order(torch.eye(child.cardinality, dtype=leak.dtype, device=leak.device))
    return tuple(tables)


@torch.no_grad()
def fitted_effects(
    scope: Sequence[Variable],
    effects: Sequence[Float[Tensor, "parent states"]],
    counts: Float[Tensor, "*parents states"],
    max_iterations: int,
    tolerance: float,
    descending: bool = False,
) -> list[Float[Tensor, "parent states"]]:
    """Return the effects ``P(Z_i | x_i)`` that fit the counts of ``Y = max Z_i`` best, by EM.

    It starts from one array a parent, and one of a single row for the leak, last; counts have the
    child's states in ascending order. Scope and ``descending`` (whether the child's own states come
    in the reverse order) are for messages: a family that is counted has no probability zero.
    """
    dtype, current = effects[0].dtype, [e.double() for e in effects]
    cells = counts.nonzero()
    if not len(cells):
        return list(effects)
    weight = counts[tuple(cells.T)]
    outcome = cells[:, -1]
    rows = [*cells[:, :-1].T, torch.zeros_like(outcome)]
    last, previous = -torch.inf, current
    for _ in range(max_iterations):
        lower, exact = zip(
            *(_at(e, x, outcome) for e, x in zip(current, rows, strict=True)), strict=True
        )
        others = _maxima_of_others(lower, exact)
        probability = _combined((lower[0], exact[0]), others[0])[1]
        if last == -torch.inf and bool((probability <= 0).any()):
            _raise_impossible(scope, cells[int((probability <= 0).nonzero()[0])], descending)
        fit = float((weight * probability.log()).sum() / weight.sum())
        if not fit >= last:  # rounding: keep what was better
            current = previous
            break
        if fit - last < tolerance:
            break
        last, previous = fit, current
        share = weight / probability
        current = [
            _maximised(e, x, o, outcome, share)
            for e, x, o in zip(current, rows, others, strict=True)
        ]
    return [e.to(dtype) for e in current]


def _at(
    effect: Float[Tensor, "parent states"],
    rows: Int64[Tensor, " cells"],
    outcome: Int64[Tensor, " cells"],
) -> Pair:
    """Probability that an effect is lower than the outcome, and that it is the outcome."""
    lower = torch.nn.functional.pad(effect.cumsum(-1)[:, :-1], (1, 0))
    return lower[rows, outcome], effect[rows, outcome]


def _combined(first: Pair, second: Pair) -> Pair:
    """The same probabilities for the maximum of two effects."""
    return first[0] * second[0], first[1] * (second[0] + second[1]) + first[0] * second[1]


def _maxima_of_others(lower: Sequence[Tensor], exact: Sequence[Tensor]) -> list[Pair]:
    """For each effect the maximum of all others, from both ends: nothing is divided out."""
    pairs = list(zip(lower, exact, strict=True))
    none = (torch.ones_like(lower[0]), torch.zeros_like(lower[0]))  # lower than any outcome
    before, after = [none], [none]
    for pair in pairs[:-1]:
        before.append(_combined(before[-1], pair))
    for pair in reversed(pairs[1:]):
        after.append(_combined(after[-1], pair))
    return [_combined(b, a) for b, a in zip(before, reversed(after), strict=True)]


def _maximised(
    effect: Float[Tensor, "parent states"],
    rows: Int64[Tensor, " cells"],
    others: Pair,
    outcome: Int64[Tensor, " cells"],
    share: Float[Tensor, " cells"],
) -> Float[Tensor, "parent states"]:
    """One parent's new effects: expected counts of its hidden effect, normalised.

    An effect below the outcome needs that the maximum of the others is the outcome, one equal to
    it that the others do not exceed it, and one above it is impossible.
    """
    states = torch.arange(effect.shape[1], device=effect.device)
    exactly, lower = states == outcome.unsqueeze(1), states < outcome.unsqueeze(1)
    chance = exactly * (others[0] + others[1]).unsqueeze(1) + lower * others[1].unsqueeze(1)
    expected = torch.zeros_like(effect)
    expected.index_add_(0, rows, share.unsqueeze(1) * chance * effect[rows])
    total = expected.sum(-1, keepdim=True)
    return torch.where(total > 0, expected / torch.where(total > 0, total, 1.0), effect)


def _raise_impossible(
    scope: Sequence[Variable], cell: Int64[Tensor, " scope"], descending: bool
) -> None:
    codes = cell.tolist()
    if descending:
        codes[-1] = scope[-1].cardinality - 1 - codes[-1]
    raise LearningError(
        f"the data tell of {named_states(scope, codes)}, to which the distribution of "
        f"'{scope[-1].name}' gives probability zero: start with a leak above zero, and with "
        "effects above zero"
    )
