"""What inference returns: the answer, and an honest account of how it was found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.copying import DeepCopied
from mmgraph.graph.errors import MissingExtraError, MmgraphError, UnknownVariableError, suggestion
from mmgraph.graph.variable import Variable, element_names
from mmgraph.inference.normaliser import Normaliser

if TYPE_CHECKING:
    import pandas


_KINDS = {
    "mean_field": "lower bound",
    "structured_mean_field": "lower bound",
    "tree_reweighted": "upper bound",
    "belief_propagation": "Bethe approximation",
    "annealed_importance_sampling": "estimate",
}
"""What methods say of the log-partition function."""


def with_constant(
    log_weights: Float[Tensor, " batch"], constant: Float[Tensor, ""]
) -> Float[Tensor, " batch"]:
    """Add a constant to log-weights; gradients reach it where they reach the log-weights."""
    more = constant.to(log_weights.device)
    return log_weights + (more if log_weights.requires_grad else more.detach())


class Posterior(DeepCopied):
    """Marginals of some variables given evidence, for every row of it.

    Attributes
    ----------
    method : str
        The method that answered.
    exact : bool
        Whether the answer is exact up to rounding.
    converged : bool
        Whether an iterative method reached its tolerance; always true for an exact one.
    shortfall : str
        If not, the method, what it reached and what it should have; else empty.
    iterations : int or None
        How many iterations it took.
    residual : float or None
        The largest change of the last iteration.
    bound, gap : Tensor of shape (batch,) or None
        A bound on ``log_partition`` (on which side, ``log_partition_kind`` says), and how far
        ``log_partition`` may be from the truth, where the method has them.
    diagnostics : dict of str to dict of str to Tensor
        What a sampler knows of its chains, by quantity and variable: ``"r_hat"`` and
        ``"effective_sample_size"``, each ``(batch, *shape)``; empty for other methods.
    seconds : float
        Wall-clock time of the call.
    """

    __slots__ = (
        "_constant",
        "_entropy",
        "_flat",
        "_is_normalised",
        "_log_partition",
        "_means",
        "_names",
        "_normaliser",
        "_split",
        "_variables",
        "_variances",
        "bound",
        "converged",
        "diagnostics",
        "exact",
        "gap",
        "iterations",
        "method",
        "residual",
        "seconds",
        "shortfall",
    )

    def __init__(
        self,
        names: Mapping[str, tuple[int, int]],
        variables: Mapping[str, Variable],
        flat: Any,
        log_partition: Any,
        *,
        normaliser: Normaliser,
        method: str,
        exact: bool,
        seconds: float = 0.0,
        entropy: Callable[[], Tensor] | None = None,
    ) -> None:
        self._names = names
        self._variables = variables
        self._flat = flat
        self._log_partition = log_partition
        self._constant: Tensor | None = None
        self._is_normalised = normaliser is None
        self._normaliser = normaliser if exact else None  # no other asks for it
        self._split: dict[str, Tensor] | None = None
        self._entropy: Callable[[], Tensor] | Tensor | None = entropy
        self._means: dict[str, Tensor] = {}
        self._variances: dict[str, Tensor] = {}
        self.method = method
        self.exact = exact
        self.converged = True
        self.shortfall = ""
        self.iterations: int | None = None
        self.residual: float | None = None
        self.bound: Tensor | None = None
        self.gap: Tensor | None = None
        self.diagnostics: dict[str, dict[str, Tensor]] = {}
        self.seconds = seconds

    @classmethod
    def of(
        cls,
        variables: Mapping[str, Variable],
        marginals: Mapping[str, Float[Tensor, "batch *shape states"]],
        log_partition: Float[Tensor, " batch"] | Callable[[], Tensor] | None = None,
        *,
        normaliser: Normaliser,
        means: Mapping[str, Float[Tensor, "batch *shape"]] | None = None,
        variances: Mapping[str, Float[Tensor, "batch *shape"]] | None = None,
        method: str,
        exact: bool = False,
        converged: bool = True,
        shortfall: str = "",
        iterations: int | None = None,
        residual: float | None = None,
        bound: Float[Tensor, " batch"] | None = None,
        diagnostics: Mapping[str, dict[str, Tensor]] | None = None,
        seconds: float = 0.0,
        entropy: Callable[[], Tensor] | None = None,
    ) -> Posterior:
        """Build a posterior from marginals that may be arrays.

        Parameters
        ----------
        variables : mapping of str to Variable
            Those of the model.
        marginals : mapping of str to Tensor
            ``(batch, *shape, states)`` for each variable asked for.
        log_partition : Tensor, function or None
            A function is called when the number is asked for; None if the method cannot tell.
        normaliser : function or None
            Returns the exact log-partition function without evidence; None of a normalised model.
        means, variances : mapping of str to Tensor, optional
            Of variables without states, ``(batch, *shape)``.
        """
        of_any = [*marginals.values(), *(means or {}).values()]
        batch = len(of_any[0]) if of_any else 0
        posterior = cls(
            dict.fromkeys(marginals, (0, 0)),
            variables,
            torch.empty(batch, 0),
            log_partition,
            normaliser=normaliser,
            method=method,
            exact=exact,
            seconds=seconds,
            entropy=entropy,
        )
        posterior._split = dict(marginals)
        posterior._means, posterior._variances = dict(means or {}), dict(variances or {})
        posterior.converged = converged
        posterior.shortfall = "" if converged else shortfall
        posterior.iterations = iterations
        posterior.residual = residual
        posterior.bound = bound
        posterior.diagnostics = dict(diagnostics or {})
        if bound is not None and isinstance(log_partition, Tensor):
            posterior.gap = (bound - log_partition).abs()
        return posterior

    def __getstate__(self) -> object:
        """Return what pickles and copies hold; a number that is still to be computed is.

        Not so the log-partition function of the model, which may not fit the memory budget: until
        it is known the model goes along.
        """
        if self.has_log_partition:
            self._log_partition = self._computed()
        if callable(self._entropy) and not callable(self._normaliser):
            with contextlib.suppress(MmgraphError):
                self.entropy()
        return super().__getstate__()

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables whose marginals or means are held."""
        return (*self._names, *self._means)

    @property
    def batch(self) -> int:
        """The number of rows of evidence."""
        return int(self._flat.shape[0])

    @property
    def has_log_partition(self) -> bool:
        """Whether the method that made this posterior knows :attr:`log_partition`."""
        return self._log_partition is not None

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
        total = self._computed()
        return total if self._constant is None else with_constant(total, self._constant)

    def _computed(self) -> Float[Tensor, " batch"]:
        if self._log_partition is None:
            raise UnknownVariableError(f"the method '{self.method}' does not give log_partition")
        if callable(self._log_partition):
            self._log_partition = self._log_partition()
        if not isinstance(self._log_partition, Tensor):
            self._log_partition = torch.from_numpy(self._log_partition)
        return self._log_partition

    @property
    def log_partition_kind(self) -> str:
        """How :attr:`log_partition` is meant: ``"exact"``, ``"lower bound"`` and the like."""
        return "exact" if self.exact else _KINDS.get(self.method, "approximation")

    @property
    def is_normalised(self) -> bool:
        """Whether the weights of the model sum to one, so that a log-partition is a log P."""
        return self._is_normalised

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
        total = self._computed()
        if self.is_normalised:
            return total
        if not self.exact:
            raise UnknownVariableError(
                f"'{self.method}' gives no log P(evidence) of a model that is not normalised; "
                f"'log_partition' is the logarithm of the weight that the evidence leaves "
                f"({self.log_partition_kind})"
            )
        if callable(self._normaliser):
            self._normaliser = self._normaliser()
        assert self._normaliser is not None
        return total - self._normaliser.to(total.device)

    def move(
        self,
        values: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
        more: Float[Tensor, ""],
    ) -> None:
        """Say of means what a function makes of them, and add a constant to all log-weights."""
        self._means = values(self._means)
        # Apart, since a probability has no part in it.
        self._constant = more if self._constant is None else self._constant + more
        if self.bound is not None:
            self.bound = with_constant(self.bound, more)

    @property
    def marginals(self) -> dict[str, Float[Tensor, "batch *shape states"]]:
        """All marginals by variable."""
        if self._split is None:
            flat = self._flat if isinstance(self._flat, Tensor) else torch.from_numpy(self._flat)
            parts = flat.split([stop - start for start, stop in self._names.values()], 1)
            self._split = dict(zip(self._names, parts, strict=True))
        return self._split

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
            hint = suggestion(name, self._names)
            if name in self._means:
                hint = f": it is {self._variables[name].family}, and has a mean and a variance"
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
        return self._moment(name, self._means, lambda chance: chance)

    def variance(self, name: str) -> Float[Tensor, "batch *shape"]:
        """Return the variance of a variable of numbers, see :meth:`mean`."""
        return self._moment(name, self._variances, lambda chance: chance * (1 - chance))

    def _moment(
        self, name: str, kept: Mapping[str, Tensor], of_chance: Callable[[Tensor], Tensor]
    ) -> Tensor:
        if name in kept:
            return kept[name]
        if name in self._names and self._variables[name].family == "bernoulli":
            return of_chance(self.marginal(name)[..., 1])
        if name in self._names:
            raise UnknownVariableError(f"the states of '{name}' are no numbers, so it has no mean")
        hint = suggestion(name, self.variables)
        raise UnknownVariableError(f"the posterior holds no mean of {name!r}{hint}")

    def mode(self, name: str) -> Int64[Tensor, "batch *shape"]:
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
        if callable(self._entropy):
            self._entropy = self._entropy()
        return self._entropy

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
            variable = self._variables[name]
            elements = element_names(variable)
            for row, distributions in enumerate(table.reshape(len(table), len(elements), -1)):
                for element, distribution in zip(elements, distributions.tolist(), strict=True):
                    for label, probability in zip(variable.labels, distribution, strict=True):
                        yield row, element, label, probability

    def __repr__(self) -> str:
        kind = "exact" if self.exact else "approximate"
        return (
            f"Posterior({len(self.variables)} variables, {self.batch} rows, {self.method}, {kind}, "
            f"{self.seconds:.3g} s)"
        )
