"""Every error that mmgraph raises on purpose; each message names the thing that is wrong.

A warning that several parts of the package give stands here, too.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_OUR_MODULES = ("mmgraph.", "torch.utils._contextlib", "contextlib")
"""Modules whose lines no warning is about; those of decorators stand between two of ours."""


class MmgraphError(Exception):
    """The common base: catch this to catch every deliberate error of the package."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an error is made again from its message alone, which not every class takes:
        # a worker process that raised one could not hand it back.
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[MmgraphError], arguments: tuple[Any, ...]) -> MmgraphError:
    """Make an error without its constructor; its attributes follow."""
    return Exception.__new__(kind, *arguments)


class GraphError(MmgraphError, ValueError):
    """A model that is not well formed: a cycle, a wrong shape, a row that does not sum to one."""


class UnknownVariableError(MmgraphError, LookupError):
    """A variable that the model does not have."""


class UnknownStateError(MmgraphError, LookupError):
    """A state that the variable does not have."""


class EvidenceError(MmgraphError, ValueError):
    """Evidence that cannot be read: wrong shape, wrong type, a value that is not finite."""


class ZeroProbabilityError(EvidenceError):
    """Evidence that the model holds to be impossible.

    Attributes
    ----------
    rows : tuple of int
        The rows of the batch that have probability zero.
    variables : tuple of str
        The observed variables that clash first, in the first of those rows.
    """

    def __init__(self, message: str, rows: tuple[int, ...], variables: tuple[str, ...]) -> None:
        super().__init__(message)
        self.rows = rows
        self.variables = variables


class MemoryBudgetError(MmgraphError, MemoryError):
    """A method would need more memory than its budget; nothing has been allocated.

    Attributes
    ----------
    required_bytes, budget_bytes : int
        What it would take, and what it may take.
    """

    def __init__(self, message: str, required_bytes: int, budget_bytes: int) -> None:
        super().__init__(message)
        self.required_bytes = required_bytes
        self.budget_bytes = budget_bytes


class TreewidthError(MemoryBudgetError):
    """Exact inference would need more memory than the budget; nothing has been allocated.

    Attributes
    ----------
    required_bytes, budget_bytes : int
        What the tables would take, and what they may take; zero where no budget is the limit.
    cliques : tuple of (tuple of str, int)
        The largest cliques and the size of their tables in bytes, largest first.
    """

    def __init__(
        self,
        message: str,
        required_bytes: int = 0,
        budget_bytes: int = 0,
        cliques: tuple[tuple[tuple[str, ...], int], ...] = (),
    ) -> None:
        super().__init__(message, required_bytes, budget_bytes)
        self.cliques = cliques


class UnderflowError(MmgraphError, ArithmeticError):
    """Potentials lie further apart than the doubles of a method can tell."""


class NotTabularError(GraphError):
    """A factor that has no finite table was given to a method that needs tables."""


class NotConjugateError(NotTabularError):
    """A distribution that no exact method integrates over what is not observed; sampling does."""


class LearningError(MmgraphError, ValueError):
    """Data from which the parameters asked for cannot be learned."""


class CausalError(MmgraphError, ValueError):
    """A causal question that has no meaning in its graph: an effect of a variable on itself."""


class NotFittedError(MmgraphError, ValueError, AttributeError):
    """A prediction asked of an estimator that has learned nothing yet.

    Where scikit-learn is loaded, what is raised is a ``sklearn.exceptions.NotFittedError`` too.
    """


class FormatError(MmgraphError, ValueError):
    """A file that is not what its format promises; the message says where and what was expected."""


class SchemaError(MmgraphError, ValueError):
    """A schema that contradicts itself, or describes another table."""


class DatasetError(MmgraphError, RuntimeError):
    """A data set that cannot be had: not in the catalogue, out of reach, or of other bytes."""


class MissingExtraError(MmgraphError, ImportError):
    """An optional part of mmgraph whose packages are not installed.

    Parameters
    ----------
    extra : str
        The extra that brings the package.
    package : str
        The package that could not be imported.
    purpose : str
        What it is needed for, in a few words.
    """

    def __init__(self, extra: str, package: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}'; "
            f"install it with: pip install 'mmgraph[{extra}]'"
        )
        self.extra = extra
        self.package = package


@contextmanager
def needs(extra: str, package: str, purpose: str) -> Iterator[None]:
    """Turn an import that fails into a :class:`MissingExtraError` with these arguments."""
    try:
        yield
    except ImportError:
        raise MissingExtraError(extra, package, purpose) from None


class VanishingValueWarning(UserWarning):
    """Numbers in which -1 is read as missing look as if it were a value of its own."""


class ConstantRepresentationWarning(UserWarning):
    """A machine whose joint layer says the same of every row: nothing can be told from it."""


class UnlikelyRowsWarning(UserWarning):
    """A machine that finds the rows it has learned from less likely than biases alone do."""


class UselessLabelsWarning(UserWarning):
    """A machine that predicts labels it has learned from no better than by their frequencies."""


class OpenDirectionWarning(UserWarning):
    """Edges of a causal graph whose direction the data leave open; names them."""


class ConvergenceWarning(UserWarning):
    """An iterative method that ended before it converged; names the method, and by how much."""


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn the code that called this package, however many of its functions lie between."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(_OUR_MODULES):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def suggestion(name: object, names: Iterable[object]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or ``""`` if none is near.

    Names that differ in case alone are near.
    """
    folded = {str(k).casefold(): str(k) for k in names}
    close = difflib.get_close_matches(str(name).casefold(), folded, n=1)
    nearest = folded[close[0]] if close else str(name)
    return "" if nearest == str(name) else f"; did you mean '{nearest}'?"


def check_choice(
    what: str, value: object, known: Collection[str], error: type[MmgraphError]
) -> None:
    """Raise an error, with the nearest known choice, if a value is none of the known ones."""
    if value not in known:
        hint = suggestion(value, known)
        raise error(f"unknown {what} {value!r}{hint} (known: {', '.join(known)})")
