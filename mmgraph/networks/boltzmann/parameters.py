"""The parameters of a machine: where they are, what they are called, how others are taken over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.layers import LayerFactor, layer_factors
from mmgraph.networks.boltzmann.inputs.scikit_learn import not_fitted
from mmgraph.networks.boltzmann.layers import adopted


class MachineParameters(FactorGraph):
    """A graph of biases, precisions and weights, on one device and in one precision."""

    _arguments: dict[str, Any]
    _fitted = False
    online: Any = None  # what partial_fit goes on with; new numbers end it

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        if not self.factors:
            return torch.device("cpu")
        return self.layer_factors()[0].tensors()[0].device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the parameters: double where data that lie far from zero call for it."""
        if not self.factors:
            return self._arguments["dtype"] or torch.float32
        return self.layer_factors()[0].tensors()[0].dtype

    @property
    def asked_dtype(self) -> torch.dtype:
        """The precision that the machine was made for, in which it is trained."""
        return self._arguments.get("dtype") or torch.float32

    def keep_in(self, dtype: torch.dtype) -> None:
        """Keep the numbers in another precision; that makes no machine a fitted one."""
        if self.dtype != dtype:
            self.exchange_factors(factor.to(dtype=dtype) for factor in self.layer_factors())

    def place_on(self, device: torch.device | str | None) -> None:
        """Move the numbers to a device, in place; None and ``"auto"`` leave them where they are."""
        if device is None or str(device) == "auto" or not self.factors:
            return
        moved = tuple(factor.to(device) for factor in self.layer_factors())
        if moved[0].tensors()[0].device != self.device:
            self.exchange_factors(moved)
            self.online = None

    @property
    def parameters_count(self) -> int:
        """How many numbers the machine has: weights, biases and precisions."""
        return sum(t.numel() for f in self.layer_factors() for t in f.tensors())

    def parameters(self) -> dict[str, Tensor]:
        """Return the natural parameters by name.

        ``"bias:NAME"`` and ``"precision:NAME"`` of each variable, and ``"weights:FIRST:SECOND"`` of
        each two that are joined.
        """
        return {
            ":".join((name, *(v.name for v in factor.scope))): tensor
            for factor in self.layer_factors()
            for name, tensor in factor.parameters().items()
        }

    @property
    def is_fitted(self) -> bool:
        """Whether the numbers were learned from data, or given."""
        return self._fitted

    def check_fitted(self) -> None:
        """Check that the machine has learned from data, or was given its numbers.

        It was given them by :func:`mmgraph.read` or :meth:`adopt`.

        Raises
        ------
        NotFittedError
            If it has its first, random weights.
        """
        if not self._fitted:
            raise not_fitted(
                f"this {type(self).__name__} is not fitted yet: its weights are random. Call fit "
                "or partial_fit, or give it numbers by adopt, or read one, before it predicts"
            )

    def mark_fitted(self, is_fitted: bool = True) -> None:
        """Note that the parameters were learned, or given."""
        self._fitted = is_fitted

    def adopt(self, factors: Iterable[Factor]) -> None:
        """Take over the numbers of factors that speak of variables of the same description.

        The machine counts as fitted with them.

        Raises
        ------
        GraphError
            If they are not those of this machine; the message says what differs.
        """
        self.exchange_factors(adopted(self.layer_factors(), factors))
        self.online = None
        self.mark_fitted()

    def layer_factors(self) -> list[LayerFactor]:
        """Return the biases and the weights."""
        return layer_factors(self.factors)
