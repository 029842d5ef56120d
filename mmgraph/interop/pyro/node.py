"""A node with any distribution that torch or Pyro has, given its parents."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, GraphError, NotConjugateError, UnknownVariableError
from mmgraph.graph.factor import Factor, LogTable
from mmgraph.graph.leaves.continuous_data import row_count
from mmgraph.graph.value_evidence import place_of
from mmgraph.graph.variable import Variable
from mmgraph.interop.pyro.configurations import configurations

if TYPE_CHECKING:
    from torch.distributions import Distribution

    from mmgraph.graph.evidence import Evidence


class PyroNode(Factor):
    """A variable whose distribution given its parents is any of torch's or Pyro's.

    Where the variable and its continuous parents are observed it is a likelihood of its discrete
    parents, and exact methods take it so; elsewhere ``method="nuts"`` and ``"svi"`` answer, and
    ``auto`` takes the former.

    Parameters
    ----------
    child : Variable
        A real number or a count, of family ``"gaussian"`` and any shape; or discrete and scalar, as
        of a logistic regression. A count is a real number that the distribution gives no other
        values than whole ones; it can be observed, but not sampled by gradients.
    parents : sequence of Variable
        Discrete ones are scalar.
    distribution : callable
        Takes the parents' values by their names and returns a distribution of the child:
        ``lambda rate: Poisson(rate)``. Values are tensors ``(..., *shape)`` of doubles, of discrete
        parents indices of states, whose leading axes go through rows; a scalar parent has axes of
        length one for each axis that the child has more. A ``torch.nn.Module`` will do, with
        parameters of double precision.

    Raises
    ------
    GraphError
        If a variable does not fit, or the function does not take the parents' names.

    Notes
    -----
    It holds a function, so it cannot be written to files, and is not pickled.
    """

    needs_values: ClassVar[bool] = True
    child: Variable

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        distribution: Callable[..., Any],
    ) -> None:
        self.scope = (*parents, child)
        self.child = child
        self.distribution = distribution
        names = [v.name for v in self.scope]
        if len(set(names)) != len(names):
            raise GraphError(f"{self!r}: a variable stands in the scope twice")
        for v in self.scope:
            if v.is_discrete and v.shape:
                raise GraphError(f"{self!r}: '{v.name}' is discrete, and not scalar")
        if not callable(distribution):
            raise GraphError(f"{self!r}: a distribution is a function of the parents' values")
        self._check_names()

    def _check_names(self) -> None:
        function: Any = self.distribution
        called = function.forward if isinstance(function, torch.nn.Module) else function
        try:
            signature = inspect.signature(called)
        except ValueError:  # of a class written in C
            return
        try:
            signature.bind(**{v.name: None for v in self.parents})
        except TypeError as error:
            names = ", ".join(v.name for v in self.parents) or "nothing"
            raise GraphError(
                f"{self!r}: the function takes {names} by name, and {signature} does not ({error})"
            ) from None

    @property
    def is_tabular(self) -> bool:
        """No: it has real values, or parents that have."""
        return False

    def conditional(self, values: Mapping[str, Shaped[Tensor, "..."]]) -> Distribution:
        """Return the distribution of the child given the values of its parents, one a row.

        Raises
        ------
        GraphError
            If the function fails, or returns no distribution.
        """
        rank = len(self.child.shape)
        arguments = {}
        for v in self.parents:
            value = values[v.name]
            value = value if v.is_discrete else value.double()
            more = 0 if v.shape else rank
            arguments[v.name] = value.reshape((*value.shape, *(1,) * more))
        try:
            made: Distribution = self.distribution(**arguments)
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise GraphError(f"{self!r}: the distribution cannot be made ({error})") from None
        if not isinstance(made, torch.distributions.Distribution):
            raise GraphError(f"{self!r}: a distribution was expected, not {type(made).__name__}")
        return made

    def log_density(
        self, values: Mapping[str, Shaped[Tensor, "rows *shape"]]
    ) -> Float[Tensor, " rows"]:
        """Return the log-density of each row, whose values are known to lie in the support."""
        child = values[self.child.name]
        made = self.conditional(values)
        made._validate_args = False  # the support is checked by what calls this
        return self._summed(made.log_prob(child.double()), child)

    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the log-density of each row, infinite outside of the support."""
        for v in self.scope:
            if v.name not in assignment:
                raise UnknownVariableError(f"{self!r} needs the values of '{v.name}'")
        inside = self.inside(assignment)
        inside = inside.reshape(len(inside), -1).all(-1)
        return torch.where(inside, -self.log_density(assignment), torch.inf)

    def inside(self, values: Mapping[str, Tensor]) -> Bool[Tensor, "rows *shape"]:
        """Return whether the child's values (or whole events) lie in the support."""
        child = values[self.child.name].double()
        support: Any = self.conditional(values).support
        inside: Tensor = support.check(child)
        return inside

    def _summed(self, log_prob: Tensor, child: Tensor) -> Float[Tensor, " rows"]:
        """Add up what the elements of a row say."""
        if log_prob.ndim > child.ndim or log_prob.shape != child.shape[: log_prob.ndim]:
            raise GraphError(
                f"{self!r}: the distribution's log-densities have shape {tuple(log_prob.shape)} "
                f"for values of shape {tuple(child.shape)}"
            )
        return log_prob.reshape(len(child), -1).sum(-1)

    def likelihood(self, evidence: Evidence) -> LogTable | None:
        """Return the log-density of what is observed for the states of all discrete variables.

        A row whose child is missing says nothing; ``None`` if no row says anything.

        Raises
        ------
        NotConjugateError
            If a continuous parent is missing where the child is not, or elements of the child are.
        EvidenceError
            If a value lies outside of the support.
        """
        has_child = self._rows_with_child(evidence)
        if not bool(has_child.any()):
            return None
        rows = has_child.nonzero().squeeze(1)
        values: dict[str, Tensor] = {}
        for v in self.scope:
            if not v.is_discrete:
                column = evidence.values.get(v.name)
                here = None if column is None else column[rows]
                if here is None or bool(here.isnan().any()):
                    self._refuse_missing(v, rows, here)
                values[v.name] = here
        scope = tuple(v for v in self.scope if v.is_discrete)
        table = self.log_table(values, len(rows), rows)
        whole = table.new_zeros(evidence.batch, *table.shape[1:])
        return LogTable(scope, whole.index_put((rows,), table))

    def log_table(
        self,
        values: Mapping[str, Shaped[Tensor, "rows *shape"]],
        rows: int,
        places: Int64[Tensor, " rows"],
    ) -> Float[Tensor, "rows *states"]:
        """Return log-densities for all states, of values that are checked; ``places`` name rows."""
        spread, states = configurations(self.scope, values, rows)
        self._check_support(spread, places)
        return self.log_density(spread).reshape(rows, *states)

    def _rows_with_child(self, evidence: Evidence) -> Bool[Tensor, " batch"]:
        """The rows in which it says something; a discrete child's distribution always does."""
        if self.child.is_discrete:
            return torch.ones(evidence.batch, dtype=torch.bool)
        values = evidence.values.get(self.child.name)
        if values is None:
            return torch.zeros(evidence.batch, dtype=torch.bool)
        return ~values.detach().isnan().reshape(len(values), -1).all(-1)

    def _refuse_missing(
        self, variable: Variable, rows: Int64[Tensor, " rows"], values: Tensor | None
    ) -> NoReturn:
        row = 0 if values is None else int(values.isnan().nonzero()[0, 0])
        raise NotConjugateError(
            f"{self!r}: '{variable.name}' is not observed in row {int(rows[row])}, and no exact "
            "method integrates it out; method='nuts' and 'svi' (extra 'interop') do without"
        )

    def _check_support(self, values: Mapping[str, Tensor], places: Int64[Tensor, " rows"]) -> None:
        """Raise EvidenceError if the support of some configuration does not hold a row's values."""
        child = values[self.child.name]
        inside = self.inside(values)
        if bool(inside.all()):
            return
        if self.child.is_discrete:
            raise GraphError(
                f"{self!r}: the distribution lacks some of the {self.child.cardinality} states"
            )
        # Of several configurations all must hold the value: supports do not tell states apart.
        at = (~inside).nonzero()[0].tolist()
        row, element = at[0] // max(1, len(child) // len(places)), at[1:]
        made = self.conditional(values)
        number = child[tuple(at)]
        text = f"{float(number):g}" if number.ndim == 0 else str(number.tolist())
        raise EvidenceError(
            f"evidence for '{self.child.name}' lies outside the support of its distribution in "
            f"{place_of(self.child, [int(places[row]), *element])}: {text} under "
            f"{type(made).__name__}, whose support is {made.support}"
        )

    @torch.no_grad()
    def sample(
        self,
        parent_values: Mapping[str, Shaped[Tensor, "rows *shape"]],
        generator: torch.Generator | None = None,
        rows: int | None = None,
    ) -> Shaped[Tensor, "rows *shape"]:
        """Draw values of the child (state indices of a discrete one) given those of its parents.

        Parameters
        ----------
        parent_values : mapping of str to Tensor
            State indices ``(rows,)`` or values ``(rows, *shape)`` of every parent.
        generator : torch.Generator, optional
            The source of randomness.
        rows : int, optional
            How many to draw; needed only where there are no parents to say so (default 1).
        """
        if rows is None:
            rows = row_count(self.parents, parent_values)
        made = self.conditional(parent_values)
        shape = (*made.batch_shape, *made.event_shape)
        wanted = (rows, *self.child.shape)
        lacking = wanted[: len(wanted) - len(shape)] if len(shape) < len(wanted) else ()
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if not lacking and shape[:1] == (1,) and rows > 1:
                drawn = made.sample((rows,)).squeeze(1)
            else:
                drawn = made.sample(lacking)
        drawn = drawn.long() if self.child.is_discrete else drawn.double()
        return drawn.expand(wanted)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the node, its module (if it is one) on another device or in another precision."""
        if not isinstance(self.distribution, torch.nn.Module):
            return self
        module = copy.deepcopy(self.distribution).to(device=device, dtype=dtype)
        return type(self)(self.child, self.parents, module)

    def __deepcopy__(self, memo: dict[int, Any]) -> PyroNode:
        variables = copy.deepcopy(self.scope, memo)
        function = copy.deepcopy(self.distribution, memo)
        return type(self)(variables[-1], variables[:-1], function)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise GraphError(f"{self!r} holds a function, which is not pickled; build the network anew")
