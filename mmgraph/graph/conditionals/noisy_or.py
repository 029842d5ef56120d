"""The noisy-OR: any active parent can bring a binary child about, each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.conditionals.hidden_maximum import HiddenMaximum, chain_of_maxima
from mmgraph.graph.conditionals.noisy_max import absent_codes, absent_labels
from mmgraph.graph.conditionals.parametric_table import (
    check_family,
    real_parameter,
)
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Parts
from mmgraph.graph.factors.table import TableFactor, check_scalar_discrete
from mmgraph.graph.variable import Variable


class NoisyOr(HiddenMaximum):
    """A binary child that any active parent can bring about, each with its own probability.

    ``P(child absent | x) = (1 - leak) · Π_{i active} (1 - probabilities[i])``.

    Parameters
    ----------
    child : Variable
        With two states.
    parents : sequence of Variable
        All scalar and with two states.
    probabilities : array-like, shape (parents,)
        ``P(child present | only parent i present)`` without the leak.
    leak : float or Tensor, default 0
        ``P(child present | no parent present)``.
    absent : mapping of str to label, optional
        The state of a parent or of the child that means "absent", for example ``{"smoke":
        "no"}``; by default the first one.

    Raises
    ------
    GraphError
        If a variable is not binary, a probability is not between 0 and 1 (whose), or the table
        would be too large; :meth:`chain` then helps.

    References
    ----------
    Pearl, *Probabilistic Reasoning in Intelligent Systems* (1988), section 4.3.2; the leak:
    Henrion (1989).
    """

    kind = "noisy-or"
    tensor_names = ("probabilities", "leak")

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        probabilities: object,
        leak: object = 0.0,
        absent: Mapping[str, object] | None = None,
    ) -> None:
        check_family(type(self).__name__, child, parents)
        self._absent = _binary_absent(child, parents, absent)
        self.descending = self._absent[-1] == 1
        self.probabilities, self.leak = _checked_probabilities(child, parents, probabilities, leak)
        super().__init__(child, parents)

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        child, parents = parts.of_distribution()
        probabilities, leak = parts.parameter("probabilities"), parts.parameter("leak")
        absent = absent_labels((*parents, child), parts.settings)
        return cls(child, parents, probabilities, leak, absent)

    def _by_rank(self) -> tuple[list[Tensor], Tensor]:
        return _binary_effects(self.probabilities, self.leak, self._absent)

    def _of_effects(self, effects: Sequence[Tensor], leak: Tensor) -> Self:
        present = [e[1 - a, 1] for e, a in zip(effects, self._absent, strict=False)]
        probabilities = torch.stack(present) if present else self.probabilities
        return type(self)(self.child, self.parents, probabilities, leak[1], self.absent)

    @classmethod
    def chain(
        cls,
        child: Variable,
        parents: Sequence[Variable],
        probabilities: object,
        leak: object = 0.0,
        absent: Mapping[str, object] | None = None,
    ) -> tuple[TableFactor, ...]:
        """Return small tables that together say the same, see
        :meth:`NoisyMax.chain <mmgraph.graph.conditionals.noisy_max.NoisyMax.chain>`.
        """
        codes = _binary_absent(child, parents, absent)
        checked = _checked_probabilities(child, parents, probabilities, leak)
        return chain_of_maxima(child, parents, *_binary_effects(*checked, codes), codes[-1] == 1)


def _binary_absent(
    child: Variable, parents: Sequence[Variable], absent: Mapping[str, object] | None
) -> tuple[int, ...]:
    check_scalar_discrete(f"NoisyOr of '{child.name}'", (*parents, child), child)
    for v in (*parents, child):
        if v.cardinality != 2:
            raise GraphError(f"NoisyOr of '{child.name}': '{v.name}' is not binary")
    return absent_codes("NoisyOr", (*parents, child), absent)


def _checked_probabilities(
    child: Variable, parents: Sequence[Variable], probabilities: object, leak: object
) -> tuple[Float[Tensor, " parents"], Float[Tensor, ""]]:
    owner = f"NoisyOr of '{child.name}'"
    checked = real_parameter(f"{owner}, probabilities", probabilities, (len(parents),))
    base = real_parameter(f"{owner}, leak", leak, ()).to(checked)
    names = [f"the probability of '{v.name}'" for v in parents]
    for name, p in zip((*names, "the leak"), (*checked.tolist(), base.item()), strict=True):
        if not 0 <= p <= 1:
            raise GraphError(f"{owner}: {name} is {p}, not between 0 and 1")
    return checked, base


def _binary_effects(
    probabilities: Float[Tensor, " parents"], leak: Float[Tensor, ""], absent: Sequence[int]
) -> tuple[list[Float[Tensor, "2 2"]], Float[Tensor, "2"]]:
    """A noisy-OR's parameters as the effects and the leak of a noisy-MAX."""
    none = torch.stack((torch.ones_like(probabilities), torch.zeros_like(probabilities)), -1)
    active = torch.stack((1 - probabilities, probabilities), -1)
    effects = [
        torch.stack((a, n) if code == 1 else (n, a))
        for n, a, code in zip(none, active, absent, strict=False)
    ]
    return effects, torch.stack((1 - leak, leak))
