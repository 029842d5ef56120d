"""The most probable assignment, and an account of how it was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import UnknownVariableError, needs, suggestion
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.storage.copying import DeepCopied
from mmgraph.graph.variable import Variable, element_names

if TYPE_CHECKING:
    import pandas


class TracePoint(NamedTuple):
    """How far a search had come.

    Attributes
    ----------
    seconds : float
        Since its start.
    energy, bound : float
        The best energy so far, and the best lower bound on the energy (``-inf`` without one).
    """

    seconds: float
    energy: float
    bound: float


@dataclass(frozen=True, repr=False)
class Assignment(DeepCopied):
    """The best states of some variables, for every row of evidence.

    Attributes
    ----------
    states : dict of str to Tensor
        State indices, ``(batch, *shape)``.
    variables : mapping of str to Variable
        The variables decided.
    log_weight : Tensor, shape (batch,)
        The logarithm of the assignment's unnormalised probability together with the evidence; of
        max P(variables, evidence) in a Bayesian network.
    method : str
        The method that answered.
    exact : bool
        Whether no better assignment exists.
    bound, gap : Tensor or None
        An upper bound on the logarithm and the distance to it, from methods that are not exact.
    converged : bool
        Whether an iterative method reached its tolerance, does not come any further, or has a bound
        within 1e-4 of the energy.
    shortfall : str
        If not, the method, what it reached and what it should have; else empty.
    iterations : int or None
        How many iterations it took.
    trace : tuple of TracePoint
        Energy and bound against time, of the first row, from methods that improve both.
    seconds : float
        Wall-clock time of the call.
    """

    states: dict[str, Int64[Tensor, "batch *shape"]]
    variables: Mapping[str, Variable]
    log_weight: Float[Tensor, " batch"]
    method: str
    exact: bool = True
    bound: Tensor | None = None
    gap: Tensor | None = None
    seconds: float = 0.0
    converged: bool = True
    iterations: int | None = None
    trace: tuple[TracePoint, ...] = ()
    shortfall: str = ""

    @property
    def energy(self) -> Float[Tensor, " batch"]:
        """Minus ``log_weight``: what methods that minimise an energy speak of."""
        return 0.0 - self.log_weight  # zero rather than minus zero

    @property
    def lower_bound(self) -> Float[Tensor, " batch"] | None:
        """A lower bound on the energy of every assignment."""
        return None if self.bound is None else -self.bound

    def labels(self, row: int = 0) -> dict[str, object]:
        """Return the state labels of one row by variable, of an array by element (``x[0,1]``).

        Of variables without states the numbers themselves; None beyond the end of a sequence.
        """
        by_element: dict[str, object] = {}
        for name, states in self.states.items():
            variable, cells = self.variables[name], states[row].reshape(-1).tolist()
            if variable.is_discrete:
                labels = variable.labels
                cells = [None if code == MISSING else labels[code] for code in cells]
            by_element.update(zip(element_names(variable), cells, strict=True))
        return by_element

    def __repr__(self) -> str:
        kind = "exact" if self.exact else "approximate"
        gap = "" if self.exact or self.gap is None else f", gap {float(self.gap.max()):.3g}"
        return (
            f"Assignment({len(self.states)} variables, {len(self.log_weight)} rows, {self.method}, "
            f"{kind}{gap}, {self.seconds:.3g} s)"
        )

    def __getitem__(self, name: str) -> Int64[Tensor, "batch *shape"]:
        try:
            return self.states[name]
        except KeyError:
            raise UnknownVariableError(
                f"the assignment does not hold {name!r}{suggestion(name, self.states)}"
            ) from None

    def to_frame(self) -> pandas.DataFrame:
        """Return one line a row of evidence and one column a variable, holding labels.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame of assignments"):
            import pandas
        rows = range(len(self.log_weight))
        return pandas.DataFrame([self.labels(row) for row in rows])
