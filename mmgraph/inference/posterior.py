"""What inference returns: marginals, log-weights, and by which method, how well and how fast."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import (
    MmgraphError,
    UnknownVariableError,
    needs,
    suggestion,
)
from mmgraph.graph.storage.copying import DeepCopied, ReadOnlyDict
from mmgraph.graph.variable import Variable
from mmgraph.inference.posterior_lines import marginal_lines, real_lines
from mmgraph.inference.real_marginals import RealMarginals, at_points

if TYPE_CHECKING:
    import pandas

_NONE: dict[str, Tensor] = ReadOnlyDict()

Delayed = Float[Tensor, " batch"] | Callable[[], Tensor] | None
"""A tensor, or a function that returns it when it is first asked for."""


def with_constant(
    log_weights: Float[Tensor, " batch"], constant: Float[Tensor, ""]
) -> Float[Tensor, " batch"]:
    """Add a constant to log-weights; gradients reach it where they reach the log-weights."""
    more = constant.to(log_weights.device)
    return log_weights + (more if log_weights.requires_grad else more.detach())


class Moments(NamedTuple):
    """Marginals of discrete variables, means and variances of the others.

    Attributes
    ----------
    marginals : dict of str to Tensor
        Of discrete variables, ``(batch, *shape, states)``.
    means, variances : dict of str to Tensor
        Of the others, ``(batch, *shape)``.
    """

    marginals: dict[str, Float[Tensor, "batch *shape states"]] = _NONE
    means: dict[str, Float[Tensor, "batch *shape"]] = _NONE
    variances: dict[str, Float[Tensor, "batch *shape"]] = _NONE

    def of(self, names: Iterable[str]) -> Moments:
        """Return the moments of some of the variables."""
        wanted = list(names)
        return Moments(*({n: part[n] for n in wanted if n in part} for part in self))


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(DeepCopied):
    """Marginals of some variables given evidence, for every row of it.

    Attributes
    ----------
    model_variables : mapping of str to Variable
        All variables of the model.
    moments : Moments
        Of the variables asked for; see :attr:`marginals`, :meth:`mean` and :meth:`variance`.
    log_weight : array or Tensor of shape (batch,), function or None
        :attr:`log_partition` less ``constant``; None if the method does not give it. Here and below
        a function returns a tensor when that is first asked for, which then stands in its place.
    method : str
        The method that answered.
    exact : bool
        Whether the answer is exact up to rounding.
    seconds : float
        Wall-clock time of the call.
    converged : bool
        Whether an iterative method reached its tolerance; always true for an exact one.
    shortfall : str
        If not, the method, what it reached and what it should have; else empty.
    iterations : int or None
        How many iterations it took.
    residual : float or None
        The largest change of the last iteration.
    bound : Tensor of shape (batch,) or None
        A bound on the true log-partition function, on the side that ``log_partition_kind`` says.
    gap : Tensor of shape (batch,) or None
        How far ``log_partition`` may be from the truth; None where a method bounds it on one side
        only, as all present ones do.
    diagnostics : dict of str to dict of str to Tensor
        What a sampler knows of its chains, by quantity and variable: ``"r_hat"`` and
        ``"effective_sample_size"``, each ``(batch, *shape)``; empty for other methods.
    is_normalised : bool
        Whether the weights of the model sum to one, so that a log-partition is a log P.
    normaliser : function, Tensor of shape (batch,) or None
        The exact log-partition functions without evidence, of a model that is not normalised.
    joint_entropy : function, Tensor of shape (batch,) or None
        See :meth:`entropy`.
    approximation : str
        How a log-partition function that is not exact is meant, as in ``"lower bound"``.
    constant : Tensor of shape () or None
        Added to log-weights alone, since probabilities have no part in it.
    flat : array of shape (batch, states of all variables) or None
        Marginals side by side, in place of those of the moments; split when they are asked for.
    columns : mapping of str to tuple of int
        Of the flat marginals, the first column of each variable, and that after its last.
    real : RealMarginals or None
        What is known of real variables beyond the moments: computed when it is first asked for.
    """

    model_variables: Mapping[str, Variable]
    moments: Moments
    log_weight: Float[Tensor, " batch"] | Float[np.ndarray, " batch"] | Delayed
    method: str
    exact: bool = False
    seconds: float = 0.0
    converged: bool = True
    shortfall: str = ""
    iterations: int | None = None
    residual: float | None = None
    bound: Float[Tensor, " batch"] | None = None
    gap: Float[Tensor, " batch"] | None = None
    diagnostics: Mapping[str, dict[str, Tensor]] = field(default_factory=dict)
    is_normalised: bool = True
    normaliser: Delayed = None
    joint_entropy: Delayed = None
    approximation: str = "approximation"
    constant: Float[Tensor, ""] | None = None
    flat: Float[np.ndarray, "batch states"] | None = None
    columns: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    real: RealMarginals | None = None

    @classmethod
    def of_plan(
        cls,
        fields: Mapping[str, Any],
        flat: Float[np.ndarray, "batch states"],
        log_weight: Float[np.ndarray, " batch"],
        joint_entropy: Callable[[], Tensor],
        seconds: float,
    ) -> Posterior:
        """Return a posterior with these fields, and others that all answers of a plan share.

        It sets them in half of the microsecond that a frozen ``__init__`` takes, which would be a
        twentieth of a small query. ``moments``, ``columns`` and ``diagnostics`` must be among the
        shared fields; others that are left out have their defaults.
        """
        made = object.__new__(cls)
        made.__dict__.update(
            fields, flat=flat, log_weight=log_weight, joint_entropy=joint_entropy, seconds=seconds
        )
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickles and copies hold; a number that is still to be computed is.

        Not so the log-partition function of the model, which may not fit the memory budget: until
        it is known the model goes along.
        """
        self._value("log_weight")
        if not callable(self.normaliser):
            with contextlib.suppress(MmgraphError):
                self._value("joint_entropy")
        return self.__dict__

    def _value(self, name: str) -> Any:
        """The tensor in a field, in which a function may stand that is still to be called."""
        value = getattr(self, name)
        if callable(value):
            value = self.__dict__[name] = value()
        return value

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables whose marginals or means are held."""
        real = self.real.names if self.real else ()
        return tuple(dict.fromkeys((*self.marginals, *self.moments.means, *real)))

    @property
    def batch(self) -> int:
        """The number of rows of evidence."""
        if isinstance(self.log_weight, Tensor | np.ndarray):
            return len(self.log_weight)
        return next((len(t) for t in (*self.marginals.values(), *self.moments.means.values())), 0)

    @property
    def has_log_partition(self) -> bool:
        """Whether the method that made this posterior knows :attr:`log_partition`."""
        return self.log_weight is not None

    @property
    def log_partition(self) -> Float[Tensor, " batch"]:
        """The logarithm of the weight that the evidence leaves, summed over all else, for each row.

        Of a Bayesian network that is log P(evidence); of a Markov random field or a Boltzmann
        machine, whose weights do not sum to one, it is no probability. How it is meant
        :attr:`log_partition_kind` says.

        Raises
        ------
        UnknownVariableError
            If the method that made this posterior cannot tell.
        """
        total = self._log_weight()
        return total if self.constant is None else with_constant(total, self.constant)

    def _log_weight(self) -> Float[Tensor, " batch"]:
        if self.log_weight is None:
            raise UnknownVariableError(f"the method '{self.method}' does not give log_partition")
        return torch.as_tensor(self._value("log_weight"))

    @property
    def log_partition_kind(self) -> str:
        """How :attr:`log_partition` is meant: ``"exact"``, ``"lower bound"`` and the like."""
        return "exact" if self.exact else self.approximation

    @property
    def has_log_evidence(self) -> bool:
        """Whether :attr:`log_evidence` can be told: not of weights that a method approximates."""
        return self.has_log_partition and (self.is_normalised or self.exact)

    @property
    def log_evidence(self) -> Float[Tensor, " batch"]:
        """The logarithm of P(evidence), for each row.

        Of a model that is not normalised it is :attr:`log_partition` less the exact log-partition
        function of the model without evidence, which is computed when it is first asked for.

        Raises
        ------
        UnknownVariableError
            If the method cannot tell, or only approximates the weights of such a model.
        TreewidthError
            If the exact log-partition function does not fit the memory budget.
        """
        total = self._log_weight()
        if self.is_normalised:
            return total
        if self.normaliser is None:
            raise UnknownVariableError(
                f"'{self.method}' gives no log P(evidence) of a model that is not normalised; "
                f"'log_partition' is the logarithm of the weight that the evidence leaves "
                f"({self.log_partition_kind})"
            )
        normaliser: Tensor = self._value("normaliser")
        return total - normaliser.to(total.device)

    @property
    def marginals(self) -> dict[str, Float[Tensor, "batch *shape states"]]:
        """All marginals by variable."""
        if self.flat is None:
            return self.moments.marginals
        split: dict[str, Tensor] | None = self.__dict__.get("_split")
        if split is None:
            sizes = [stop - start for start, stop in self.columns.values()]
            parts = torch.from_numpy(self.flat).split(sizes, 1)
            split = self.__dict__["_split"] = dict(zip(self.columns, parts, strict=True))
        return split

    def marginal(self, name: str) -> Float[Tensor, "batch *shape states"]:
        """Return the distribution of one variable (of each element), for each row of evidence.

        Raises
        ------
        UnknownVariableError
            If the variable was not among those asked for.
        """
        try:
            return self.marginals[name]
        except KeyError:
            hint = suggestion(name, self.marginals)
            if name in self.variables:
                family = self.model_variables[name].family
                hint = f": it is {family}, and has a mean and a variance"
            raise UnknownVariableError(
                f"the posterior holds no marginal of {name!r}{hint}"
            ) from None

    def mean(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the expected value of a variable of numbers, for each row of evidence.

        Of a Bernoulli variable that is the probability of its second state.

        Raises
        ------
        UnknownVariableError
            If the variable was not among those asked for, or its states are no numbers.
        """
        return self._moment(name, "mean", lambda chance: chance)

    def variance(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the variance of a variable of numbers, see :meth:`mean`."""
        return self._moment(name, "variance", lambda chance: chance * (1 - chance))

    def density(self, name: str, points: object) -> Float[Tensor, "batch *shape *points"]:
        """Return the density of a real variable (of each element) at some points.

        Parameters
        ----------
        points : float or array-like of shape (points,)
            The same for all rows; of one number the last axis is left out.

        Raises
        ------
        UnknownVariableError
            If the variable is not real, or was not among those asked for.
        """
        return at_points(self.real, name, points, "density")

    def quantile(self, name: str, levels: object) -> Float[Tensor, "batch *shape *levels"]:
        """Return the values below which a real variable lies with these probabilities.

        Parameters
        ----------
        levels : float or array-like of shape (levels,)
            Between 0 and 1; of one number the last axis is left out.

        Raises
        ------
        EvidenceError
            If a level does not lie between 0 and 1.
        UnknownVariableError
            As :meth:`density`.
        """
        return at_points(self.real, name, levels, "quantile")

    def _moment(
        self,
        name: str,
        what: Literal["mean", "variance"],
        of_probability: Callable[[Tensor], Tensor],
    ) -> Tensor:
        by_variable = self.moments.means if what == "mean" else self.moments.variances
        if name in by_variable:
            return by_variable[name]
        if self.real is not None and name in self.real.names:
            value: Tensor = getattr(self.real, what)(name)
            return value
        if name not in self.marginals:
            asked = name in self.model_variables
            hint = ": it was not asked for" if asked else suggestion(name, self.variables)
            raise UnknownVariableError(f"the posterior holds no mean of {name!r}{hint}")
        if self.model_variables[name].family != "bernoulli":
            raise UnknownVariableError(f"the states of '{name}' are no numbers, so it has no mean")
        return of_probability(self.marginal(name)[..., 1])

    def mode(self, name: str) -> Int64[Tensor, "batch *shape"]:
        """Return the index of the most probable state of one variable, for each row."""
        return self.marginal(name).argmax(-1)

    def entropy(self) -> Float[Tensor, " batch"]:
        """Return the entropy in nats of all unobserved discrete variables, of their joint one.

        Continuous ones have no part in it.

        Raises
        ------
        UnknownVariableError
            If the method that made this posterior cannot tell.
        """
        if self.joint_entropy is None:
            raise UnknownVariableError(
                f"the method '{self.method}' does not give the joint entropy"
            )
        entropy: Tensor = self._value("joint_entropy")
        return entropy

    def to_frame(self) -> pandas.DataFrame:
        """Return one line a row, variable and state: columns row, variable, state, probability.

        Where there are real variables, each element of theirs has a line with its mean and its
        variance, in columns of these names.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame of marginals"):
            import pandas
        real = [n for n in self.variables if n not in self.marginals]
        moments = ((n, self.mean(n), self.variance(n)) for n in real)
        columns = ["row", "variable", "state", "probability", "mean", "variance"]
        rest = (None, None) if real else ()
        lines = [(*m, *rest) for m in marginal_lines(self.marginals, self.model_variables)]
        lines += real_lines(moments, self.model_variables)
        return pandas.DataFrame(lines, columns=columns if real else columns[:4])

    def __repr__(self) -> str:
        kind = "exact" if self.exact else "approximate"
        return (
            f"Posterior({len(self.variables)} variables, {self.batch} rows, {self.method}, {kind}, "
            f"{self.seconds:.3g} s)"
        )
