"""What ``transform`` returns: an array, or a data frame if that was asked for."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import GraphError, MissingExtraError, suggestion

CONTAINERS = ("default", "pandas", "polars")


def checked_container(container: str) -> str:
    """Return the name of a container.

    Raises
    ------
    GraphError
        If there is no such one, with the nearest.
    """
    if container not in CONTAINERS:
        hint = suggestion(container, CONTAINERS)
        raise GraphError(
            f"the output of transform is no {container!r}{hint} (known: {', '.join(CONTAINERS)})"
        )
    return container


def contained(values: np.ndarray, names: np.ndarray, data: object, container: str | None) -> Any:
    """Return a representation in the container asked for.

    Parameters
    ----------
    values : ndarray, shape (rows, units)
    names : ndarray, shape (units,)
    data : object
        What was transformed; a pandas frame gives its index.
    container : {"default", "pandas", "polars"}, optional
        By default that of ``sklearn.set_config(transform_output=…)``, where scikit-learn is loaded.

    Raises
    ------
    MissingExtraError, GraphError
        If pandas, or polars, is not installed.
    """
    chosen = container or _configured()
    if chosen == "default":
        return values
    try:
        package = importlib.import_module(chosen)
    except ImportError:
        if chosen == "polars":  # which no extra brings
            raise GraphError("transform is to return a polars frame: pip install polars") from None
        raise MissingExtraError("data", chosen, "a representation as a data frame") from None
    if chosen == "polars":
        return package.DataFrame(values, schema=list(names), orient="row")
    index = getattr(data, "index", None) if is_frame(data) else None
    return package.DataFrame(values, index=index, columns=names, copy=False)


def _configured() -> str:
    sklearn: Any = sys.modules.get("sklearn")
    return "default" if sklearn is None else str(sklearn.get_config()["transform_output"])
