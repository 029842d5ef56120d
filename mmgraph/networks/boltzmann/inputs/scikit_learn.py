"""What scikit-learn tells apart by its own classes: they are looked up where it is loaded."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from mmgraph.graph.errors import NotFittedError


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
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Its shape is "
            f"{shape}; y.ravel() has ({shape[0]},).",
            theirs,
            stacklevel=2,
        )


def _class(name: str) -> type | None:
    found: type | None = getattr(sys.modules.get("sklearn.exceptions"), name, None)
    return found
