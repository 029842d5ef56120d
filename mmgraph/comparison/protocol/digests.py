"""Digests of all that answers depend on: rows, models with their parameters, versions."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.learning.kept_steps import digest

_PACKAGES = ("mmgraph", "torch", "numpy", "scipy", "scikit-learn")


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages by which the models that have names learn."""
    return {package: version(package) for package in _PACKAGES}


def data_digest(data: MultimodalData) -> str:
    """Return a digest of rows, and of what their columns and labels are called."""
    names = {m: block.parts(m) for m, block in data.blocks.items() if isinstance(block, Columns)}
    kinds = [type(block).__name__ for block in data.blocks.values()]
    target = [data.target.name, *data.target.labels]
    return digest([data.modalities, kinds, names, target], data.arrays())


def predictor_digest(predictor: Any) -> Any:
    """Return what tells a predictor that has not learned from others, as JSON can hold it.

    Its class, of one that is not ours with the version of its package and its text, and its
    parameters; of one without parameters all that it holds.

    Raises
    ------
    MmgraphError
        If it holds what cannot be told from others of its kind.
    """
    try:
        return _told(predictor)
    except Exception as error:
        raise MmgraphError(
            f"{type(predictor).__name__} cannot be told from others of its kind ({error}), so that "
            "what it answers cannot be kept: compare without a directory"
        ) from None


def _told(value: Any) -> Any:
    with needs("data", "scikit-learn", "comparisons"):
        from joblib import hash as object_hash
        from sklearn.frozen import FrozenEstimator

    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_told, value)]
    if isinstance(value, Mapping):
        return [type(value).__name__, *([_told(k), _told(v)] for k, v in value.items())]
    parametric = callable(getattr(value, "get_params", None)) and not isinstance(value, type)
    if parametric and not isinstance(value, FrozenEstimator):  # one of these has learned
        return [_class_told(type(value)), _told(value.get_params(deep=False))]
    return [_class_told(type(value)), object_hash(value)]


def _class_told(kind: type) -> list[str]:
    """The name of a class; and where it may change without ours, its version and text."""
    package = kind.__module__.split(".")[0]
    name = f"{kind.__module__}.{kind.__qualname__}"
    if package in ("mmgraph", "builtins", "numpy", "torch", "sklearn"):
        return [name]
    found = str(getattr(sys.modules.get(package), "__version__", ""))
    try:
        text = inspect.getsource(kind)
    except (OSError, TypeError):  # of a console, or compiled
        text = ""
    return [name, found, digest(text, [])]
