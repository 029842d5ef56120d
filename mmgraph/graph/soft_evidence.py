"""Soft evidence: likelihoods of the states of a variable, read from what users have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.arrays import neutral_where_masked, with_masks_joined
from mmgraph.graph.errors import EvidenceError
from mmgraph.graph.storage.copying import DeepCopied
from mmgraph.graph.value_evidence import numbers, place_of
from mmgraph.graph.variable import Variable


@dataclass(frozen=True)
class Soft(DeepCopied):
    """Soft evidence, of what :func:`soft` takes."""

    log_likelihood: Any = None
    probabilities: Any = None


def soft(log_likelihood: object = None, *, probabilities: object = None) -> Soft:
    """Mark an array as soft evidence; nothing else is read as such.

    Parameters
    ----------
    log_likelihood : array-like
        Log-likelihoods over the states, ``(*shape, states)`` or ``(batch, *shape, states)``. A
        mapping or a pandas object whose index (or columns) are labels is put in their order.
    probabilities : array-like
        Likelihoods instead, such as a classifier's probabilities divided by its training
        frequencies; they need not sum to one.

    Raises
    ------
    EvidenceError
        If neither is given, or both.
    """
    if (log_likelihood is None) == (probabilities is None):
        raise EvidenceError("soft evidence is a log-likelihood or probabilities=…, one of the two")
    return Soft(log_likelihood, probabilities)


def soft_tensor(variable: Variable, soft: Soft) -> Float[Tensor, "batch *shape states"]:
    """Return soft evidence as log-likelihoods; an element that a mask hides says nothing."""
    if not variable.is_discrete:
        raise EvidenceError(f"soft evidence for '{variable.name}', which has no states")
    owner = f"soft evidence for '{variable.name}'"
    is_log = soft.probabilities is None
    array = _in_order(variable, soft.log_likelihood if is_log else soft.probabilities)
    neutral = 0.0 if is_log else 1.0
    array = neutral_where_masked(with_masks_joined(array), owner, EvidenceError, neutral)
    tensor = numbers(variable, array)
    if not is_log:
        if bool((tensor.detach() < 0).any()):
            raise EvidenceError(f"a probability of soft evidence for '{variable.name}' is negative")
        tensor = tensor.log()
    expected = (*variable.shape, variable.cardinality)
    if tensor.ndim == len(expected):
        tensor = tensor.unsqueeze(0)
    if tuple(tensor.shape[1:]) != expected:
        raise EvidenceError(
            f"soft evidence for '{variable.name}' has shape {tuple(tensor.shape)}; "
            f"(batch, {', '.join(map(str, expected))}) was expected"
        )
    bad = ~(tensor.detach() < torch.inf)
    if bool(bad.any()):
        *place, state = bad.nonzero()[0].tolist()
        raise EvidenceError(
            f"{owner} is NaN or +inf in {place_of(variable, place)}, state {variable.labels[state]}"
        )
    return tensor


def _in_order(variable: Variable, numbers: Any) -> Any:
    """Numbers by state in the order of the states, if they say which state each belongs to."""
    if isinstance(numbers, Mapping):
        labels, array = (
            list(numbers),
            np.ma.stack([np.ma.asanyarray(x) for x in numbers.values()], -1),
        )
    elif hasattr(numbers, "index") and hasattr(numbers, "iloc"):  # a series, or a frame of rows
        labels, array = getattr(numbers, "columns", numbers.index), numbers.to_numpy()
        if type(labels).__name__ == "RangeIndex":
            return array
    else:
        return numbers
    codes = [variable.code(label) for label in labels]
    if sorted(codes) != list(range(variable.cardinality)):
        raise EvidenceError(
            f"soft evidence for '{variable.name}' names {len(set(codes))} of its "
            f"{variable.cardinality} states; give a number for each, once"
        )
    return array[..., np.argsort(codes)]
