"""The noisy-OR: any active parent can bring a binary child about, each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.conditionals.hidden_maximum import (
    chain_of_maxima,
    fitted_effects,
    table_of_maximum,
)
from mmgraph.graph.conditionals.noisy_max import absent_codes, absent_labels
from mmgraph.graph.conditionals.parametric_table import (
    ParametricTable,
    check_family,
    parents_of,
    real_parameter,
    stored,
)
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable


class NoisyOr(ParametricTable):
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
        self.probabilities, self.leak = _checked_probabilities(child, parents, probabilities, leak)
        effects = _binary_effects(self.probabilities, self._absent)
        table = table_of_maximum(effects, torch.stack((1 - self.leak, self.leak)))
        table = _by_rank(table, self._absent[-1])
        super().__init__((*parents, child), table, child=child)

    def parameters(self) -> dict[str, Tensor]:
        """Return the probabilities and the leak."""
        return {"probabilities": self.probabilities, "leak": self.leak}

    def settings(self) -> dict[str, Any]:
        """Return the index of each variable's absent state, the child's last."""
        return {"absent": list(self._absent)}

    @classmethod
    def restore(
        cls,
        scope: Sequence[Variable],
        child: Variable,
        parameters: Mapping[str, Tensor],
        settings: Mapping[str, Any],
    ) -> Self:
        """Rebuild a distribution from its parameters and settings."""
        parents = parents_of(scope, child)
        probabilities = stored(cls, child, parameters, "probabilities")
        leak = stored(cls, child, parameters, "leak")
        absent = absent_labels((*parents, child), settings)
        return cls(child, parents, probabilities, leak, absent)

    def updated(
        self,
        counts: Float[Tensor, "*parents child"],
        max_iterations: int = 500,
        tolerance: float = 1e-9,
    ) -> Self:
        """Return the distribution that fits expected family counts best, by EM.

        Options and errors are those of :meth:`NoisyMax.updated
        <mmgraph.graph.conditionals.noisy_max.NoisyMax.updated>`.
        """
        counts = _by_rank(self._checked_counts(counts), self._absent[-1])
        ranked = _binary_effects(self.probabilities, self._absent)
        effects = [*ranked, torch.stack((1 - self.leak, self.leak)).unsqueeze(0)]
        found = fitted_effects(
            self.scope, effects, counts, max_iterations, tolerance, self._absent[-1] == 1
        )
        present = [e[1 - a, 1] for e, a in zip(found[:-1], self._absent, strict=False)]
        probabilities = torch.stack(present) if present else self.probabilities
        absent = absent_labels(self.scope, self.settings())
        parents = parents_of(self.scope, self.child)
        return type(self)(self.child, parents, probabilities, found[-1][0, 1], absent)

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
        checked, base = _checked_probabilities(child, parents, probabilities, leak)
        effects = _binary_effects(checked, codes)
        base_effect = torch.stack((1 - base, base))
        return chain_of_maxima(child, parents, effects, base_effect, descending=codes[-1] == 1)

    def decomposed(self) -> tuple[TableFactor, ...]:
        """Return the :meth:`chain` of small tables that is equivalent to this one."""
        absent = absent_labels(self.scope, self.settings())
        parents = parents_of(self.scope, self.child)
        return self.chain(self.child, parents, self.probabilities, self.leak, absent)


def _by_rank(table: Tensor, absent: int) -> Tensor:
    """Swap the two states of the last axis where the second one means "absent"."""
    return table.flip(-1) if absent == 1 else table


def _binary_absent(
    child: Variable, parents: Sequence[Variable], absent: Mapping[str, object] | None
) -> tuple[int, ...]:
    for v in (*parents, child):
        if v.shape or v.cardinality != 2:
            raise GraphError(f"NoisyOr of '{child.name}': '{v.name}' is not binary")
    return absent_codes("NoisyOr", (*parents, child), absent)


def _checked_probabilities(
    child: Variable, parents: Sequence[Variable], probabilities: object, leak: object
) -> tuple[Float[Tensor, " parents"], Float[Tensor, ""]]:
    owner = f"NoisyOr of '{child.name}'"
    found = real_parameter(f"{owner}, probabilities", probabilities, (len(parents),))
    base = real_parameter(f"{owner}, leak", leak, ()).to(found)
    names = [f"the probability of '{v.name}'" for v in parents]
    for name, p in zip((*names, "the leak"), (*found.tolist(), base.item()), strict=True):
        if not 0 <= p <= 1:
            raise GraphError(f"{owner}: {name} is {p}, not between 0 and 1")
    return found, base


def _binary_effects(
    probabilities: Float[Tensor, " parents"], absent: Sequence[int]
) -> list[Float[Tensor, "2 2"]]:
    """A noisy-OR's parameters as those of a noisy-MAX."""
    none = torch.stack((torch.ones_like(probabilities), torch.zeros_like(probabilities)), -1)
    active = torch.stack((1 - probabilities, probabilities), -1)
    return [
        torch.stack((a, n) if code == 1 else (n, a))
        for n, a, code in zip(none, active, absent, strict=False)
    ]
