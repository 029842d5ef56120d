"""How many numbers a fitted predictor has learned, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor

_NO_PARAMETERS = (
    *(str, bytes, bool, int, float, complex, type, ModuleType),
    *(MultimodalData, np.random.Generator),
)
_BESIDE = frozenset({"classes_", "training_rows_", "_held_out", "held_out"})
"""Attributes of predictors that are no parameters: labels, rows, what inner folds have said."""


def parameter_count(predictor: object) -> int:
    """Return how many numbers a fitted predictor has learned.

    Of nets the entries of their parameters; of networks the free parameters (a distribution of k
    states has k - 1); of scikit-learn's trees their nodes; of its other estimators, and of anything
    else, the real numbers of the arrays that were fitted. What several parts share counts once.

    Parameters
    ----------
    predictor : object
        A fitted predictor, or any part of one.
    """
    return sum(_counts(predictor, {}))


def _counts(part: Any, seen: dict[int, object]) -> Iterator[int]:
    """Yield the numbers of a part and of all that it holds."""
    if part is None or isinstance(part, _NO_PARAMETERS) or id(part) in seen:
        return
    seen[id(part)] = part  # kept, so that no other part gets its number
    if isinstance(part, nn.Module):
        yield sum(p.numel() for p in part.parameters())
    elif isinstance(part, FactorGraph):
        yield sum(_free(factor) for factor in part.factors)
    elif isinstance(part, Factor):
        yield _free(part)
    elif isinstance(part, Tensor):
        yield part.numel() if part.is_floating_point() else 0
    elif isinstance(part, np.ndarray):
        if part.dtype == object:
            for item in part.reshape(-1):
                yield from _counts(item, seen)
        else:
            yield part.size if part.dtype.kind == "f" else 0
    elif hasattr(part, "node_count") and hasattr(part, "children_left"):
        yield int(part.node_count)  # a tree of scikit-learn
    elif type(part).__name__ == "TreePredictor":
        yield len(part.nodes)  # of its gradient boosting by histograms
    else:
        for item in _held(part):
            yield from _counts(item, seen)


def _free(factor: Factor) -> int:
    """The free parameters of a factor."""
    numbers = sum(t.numel() for t in factor.parameters().values() if t.is_floating_point())
    if isinstance(factor, TableFactor) and factor.child is not None:
        states = factor.child.cardinality
        return numbers // states * (states - 1)
    return numbers


def _held(part: Any) -> Iterator[object]:
    """What a part consists of; of scikit-learn's estimators, what was fitted."""
    if isinstance(part, Mapping):
        yield from part.values()
    elif isinstance(part, list | tuple | set | frozenset):
        yield from part
    elif type(part).__module__.startswith("sklearn."):
        fitted = getattr(part, "__dict__", {})
        names = (n for n in fitted if n == "_predictors" or n.endswith("_"))
        yield from (fitted[name] for name in names if name not in _BESIDE)
        if type(part).__name__ == "Pipeline":
            yield from (step for _, step in part.steps)
    else:
        attributes = getattr(part, "__dict__", {})
        yield from (value for name, value in attributes.items() if name not in _BESIDE)
