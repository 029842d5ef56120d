"""What inference returns: the answer, and an honest account of how it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MissingExtraError, UnknownVariableError, suggestion
from mmgraph.graph.variable import Variable

if TYPE_CHECKING:
    import pandas


class Posterior:
    """Marginals of some variables given evidence, for every row of it.

    Attributes
    ----------
    method : str
        The method that answered.
    exact : bool
        Whether the answer is exact up to rounding.
    converged : bool
        Whether an iterative method reached its tolerance; always true for an exact one.
    iterations : int or None
        How many iterations it took.
    residual, bound, gap : float or None
        The last change, a bound on the quantity sought and how far it may be from the truth, where
        the method has them.
    seconds : float
        Wall-clock time of the call.
    """

    __slots__ = (
        "_entropy",
        "_flat",
        "_log_evidence",
        "_names",
        "_split",
        "_variables",
        "bound",
        "converged",
        "exact",
        "gap",
        "iterations",
        "method",
        "residual",
        "seconds",
    )

    def __init__(
        self,
        names: Mapping[str, tuple[int, int]],
        variables: Mapping[str, Variable],
        flat: Any,
        log_evidence: Any,
        *,
        method: str,
        exact: bool,
        seconds: float = 0.0,
        entropy: Callable[[], Tensor] | None = None,
    ) -> None:
        self._names = names
        self._variables = variables
        self._flat = flat
        self._log_evidence = log_evidence
        self._split: dict[str, Tensor] | None = None
        self._entropy = entropy
        self.method = method
        self.exact = exact
        self.converged = True
        self.iterations: int | None = None
        self.residual: float | None = None
        self.bound: float | None = None
        self.gap: float | None = None
        self.seconds = seconds

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables whose marginals are held."""
        return tuple(self._names)

    @property
    def batch(self) -> int:
        """The number of rows of evidence."""
        return int(self._flat.shape[0])

    @property
    def log_evidence(self) -> Float[Tensor, " batch"]:
        """The logarithm of P(evidence), for each row; for a Markov random field of its weight."""
        if not isinstance(self._log_evidence, Tensor):
            self._log_evidence = torch.from_numpy(self._log_evidence)
        return self._log_evidence

    @property
    def marginals(self) -> dict[str, Float[Tensor, "batch states"]]:
        """All marginals by variable."""
        if self._split is None:
            flat = self._flat if isinstance(self._flat, Tensor) else torch.from_numpy(self._flat)
            parts = flat.split([stop - start for start, stop in self._names.values()], 1)
            self._split = dict(zip(self._names, parts, strict=True))
        return self._split

    def marginal(self, name: str) -> Float[Tensor, "batch states"]:
        """Return the distribution of one variable, a row for each row of evidence.

        Raises
        ------
        UnknownVariableError
            If the variable was not among those asked for.
        """
        try:
            return self.marginals[name]
        except KeyError:
            raise UnknownVariableError(
                f"the posterior holds no marginal of {name!r}{suggestion(name, self._names)}"
            ) from None

    def mode(self, name: str) -> Int64[Tensor, " batch"]:
        """Return the index of the most probable state of one variable, for each row."""
        return self.marginal(name).argmax(-1)

    def entropy(self) -> Float[Tensor, " batch"]:
        """Return the entropy in nats of the joint distribution of all unobserved variables.

        Raises
        ------
        UnknownVariableError
            If the method that made this posterior cannot tell.
        """
        if self._entropy is None:
            raise UnknownVariableError(
                f"the method '{self.method}' does not give the joint entropy"
            )
        return self._entropy()

    def to_frame(self) -> pandas.DataFrame:
        """Return one line a row, variable and state: columns row, variable, state, probability.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("data", "pandas", "a data frame of marginals") from None
        return pandas.DataFrame(
            list(self._lines()), columns=["row", "variable", "state", "probability"]
        )

    def _lines(self) -> Iterator[tuple[int, str, object, float]]:
        for name, table in self.marginals.items():
            labels = self._variables[name].labels
            for row, distribution in enumerate(table.tolist()):
                for label, probability in zip(labels, distribution, strict=True):
                    yield row, name, label, probability

    def __repr__(self) -> str:
        kind = "exact" if self.exact else "approximate"
        return (
            f"Posterior({len(self._names)} variables, {self.batch} rows, {self.method}, {kind}, "
            f"{self.seconds:.3g} s)"
        )
