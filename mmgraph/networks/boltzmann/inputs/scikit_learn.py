"""What scikit-learn tells apart by its own classes and settings, looked up where it is loaded."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import GraphError, MissingExtraError, NotFittedError, warn_caller

CONTAINERS = ("default", "pandas", "polars")


def not_fitted(message: str) -> NotFittedError:
    """Return an error that is scikit-learn's ``NotFittedError`` too, where that is loaded.

    Nobody can wait for scikit-learn's class who has not loaded it.
    """
    theirs = _class("NotFittedError")
    return NotFittedError(message) if theirs is None else _joined(theirs)(message)


def _joined(theirs: type) -> type[NotFittedError]:
    def reduced(error: NotFittedError) -> tuple[Any, ...]:
        return not_fitted, error.args  # the class has no place where pickles find it

    return type("NotFittedError", (NotFittedError, theirs), {"__reduce__": reduced})


def warn_of_column(shape: tuple[int, ...]) -> None:
    """Say, as scikit-learn's classifiers do, that labels came as a column; where it is loaded."""
    theirs = _class("DataConversionWarning")
    if theirs is not None:
        warn_caller(
            "A column-vector y was passed when a 1d array was expected. Its shape is "
            f"{shape}; y.ravel() has ({shape[0]},).",
            theirs,
        )


def _class(name: str) -> type | None:
    exception: type | None = getattr(sys.modules.get("sklearn.exceptions"), name, None)
    return exception


def contained(values: np.ndarray, names: np.ndarray, data: object, container: str | None) -> Any:
    """Return a representation in the container asked for.

    That is by default the one of ``sklearn.set_config(transform_output=…)``, where scikit-learn is
    loaded. A pandas frame that was transformed gives its index.
    """
    sklearn: Any = sys.modules.get("sklearn")
    configured = "default" if sklearn is None else sklearn.get_config()["transform_output"]
    chosen = container or str(configured)
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
