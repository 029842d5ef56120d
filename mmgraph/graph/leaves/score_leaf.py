"""A leaf for what a classifier says: scores over a variable's states, as a tempered likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor, LogTable, Parts
from mmgraph.graph.variable import Variable


class ScoreLeaf(Factor):
    """How a trained encoder speaks to the graph: its log-probabilities for the parent's states.

    By Bayes' rule a classifier's posterior divided by the class frequencies that it was trained
    with is, up to a constant, the likelihood of what it saw (Bourlard and Morgan 1994, "scaled
    likelihood"). The weight tempers it, since classifiers are rarely calibrated.

    Parameters
    ----------
    child : Variable
        The scores: family ``"gaussian"``, shape ``(states of the parent,)``.
    parent : Variable
        Scalar and discrete.
    log_prior : array-like, shape (states,)
        The logarithms of the class frequencies in the encoder's training data.
    weight : float
        A power on the likelihood.

    Raises
    ------
    GraphError
        If shapes do not fit or a number is not finite.
    """

    kind = "encoder scores"
    tensor_names = ("log_prior",)
    setting_names = ("weight",)

    def __init__(
        self, child: Variable, parent: Variable, log_prior: object, weight: float = 1.0
    ) -> None:
        self.scope: tuple[Variable, ...] = (parent, child)
        self.child: Variable = child
        if child.family != "gaussian" or child.shape != (parent.cardinality,):
            raise GraphError(
                f"{self!r}: '{child.name}' must be a gaussian variable of shape "
                f"({parent.cardinality},), a score for each state of '{parent.name}'"
            )
        self.log_prior = float_tensor(log_prior, f"log_prior of {self!r}").double()
        if tuple(self.log_prior.shape) != child.shape or not bool(self.log_prior.isfinite().all()):
            raise GraphError(f"{self!r}: log_prior needs {parent.cardinality} finite numbers")
        if not 0 <= weight < float("inf"):
            raise GraphError(f"{self!r}: the weight must be finite and at least 0, not {weight}")
        self.weight = float(weight)

    @property
    def is_tabular(self) -> bool:
        """False: the scores are real numbers."""
        return False

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the tempered log-likelihood, see :meth:`Factor.energy`."""
        parent, child = self.scope
        scores = self._log_likelihood(assignment[child.name])
        return -scores.gather(1, assignment[parent.name].long().unsqueeze(1)).squeeze(1)

    def likelihood(self, evidence: Evidence) -> LogTable | None:
        """Return the tempered log-likelihood of rows whose scores are all there."""
        parent, child = self.scope
        scores = evidence.values.get(child.name)
        if scores is None:
            return None
        table = self._log_likelihood(scores)
        missing = scores.isnan().any(1, keepdim=True)
        return LogTable((parent,), torch.where(missing, 0.0, table))

    def _log_likelihood(self, scores: Tensor) -> Float[Tensor, "batch states"]:
        return self.weight * (scores.to(self.log_prior) - self.log_prior)

    def reweighted(self, weight: float) -> Self:
        """Return the leaf with another power on its likelihood."""
        return type(self)(self.child, self.scope[0], self.log_prior, weight)

    def sample(self, *_: Any, **__: Any) -> Tensor:
        """Refuse: a classifier's scores have no distribution to draw from.

        Raises
        ------
        GraphError
            Always.
        """
        raise GraphError(f"{self!r}: scores of an encoder cannot be sampled; observe or leave them")

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        child, (parent,) = parts.of_distribution()
        return cls(child, parent, parts.parameter("log_prior"), parts.settings["weight"])

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """As :meth:`Factor.to`."""
        moved = copy(self)
        moved.log_prior = self.log_prior.to(device=device, dtype=dtype)
        return moved
