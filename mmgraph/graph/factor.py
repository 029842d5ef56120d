"""What a factor is: a non-negative function of a few variables, known by its two views.

The *table view* (``tables``) feeds exact inference and message passing, the *field view*
(``field``) feeds sampling and mean field. A factor class implements what it can and refuses the
rest by name; nothing outside a factor knows its inside. What other folders may ask beside the two
views are the numbers that a factor is made of (``parameters``, ``settings``, ``restore``) and which
of three forms it has: edges between elements, log-potentials of one array, units of a layer.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import GraphError, NotTabularError, suggestion
from mmgraph.graph.interaction import Interaction
from mmgraph.graph.storage.copying import DeepCopied
from mmgraph.graph.variable import Variable

if TYPE_CHECKING:
    from mmgraph.graph.evidence import Evidence


class LogTable(NamedTuple):
    """A log-potential over the states of a few scalar variables; ``-inf`` is a hard zero.

    Its shape is ``(*states)``, or ``(batch, *states)`` where it depends on the row of evidence.
    """

    scope: tuple[Variable, ...]
    values: Float[Tensor, "..."]


class Edges(NamedTuple):
    """Edges: the places of their ends in the flattened arrays, and weights of their energies."""

    first: Int64[Tensor, " edges"]
    second: Int64[Tensor, " edges"]
    weights: Float[Tensor, " edges"]


class LinearForm(NamedTuple):
    """Normal densities of a variable that are linear in others, one each configuration.

    Attributes
    ----------
    child : Variable
    discrete, continuous : tuple of Variable
        The parents. The configurations of the discrete ones, of which the last varies fastest,
        are the first axis below; the elements of the continuous ones side by side are regressors.
    coefficients : Tensor, shape (configurations, features, regressors)
    intercept : Tensor, shape (configurations, features)
    covariance : Tensor, shape (configurations, features, features)
        Of the noise.
    log_weights : Tensor, shape (states, components), or None
        Of a mixture: the last axis of the configurations are then its components.
    """

    child: Variable
    discrete: tuple[Variable, ...]
    continuous: tuple[Variable, ...]
    coefficients: Float[Tensor, "configurations features regressors"]
    intercept: Float[Tensor, "configurations features"]
    covariance: Float[Tensor, "configurations features features"]
    log_weights: Float[Tensor, "states components"] | None = None


class EdgeTerms(abc.ABC):
    """One interaction along many edges: what :attr:`Factor.edge_terms` gives.

    Attributes
    ----------
    ends : tuple of two Variable
        Whose elements the first and the second ends of the edges are; often the same variable.
    interaction : Interaction
        The energy of a pair of states.
    offsets : tuple of tuple of int, or None
        Steps to the neighbours, where every element of an array is joined to those that they reach.
    """

    ends: tuple[Variable, Variable]
    interaction: Interaction
    offsets: tuple[tuple[int, ...], ...] | None = None

    @property
    @abc.abstractmethod
    def edge_count(self) -> int:
        """The number of edges (an upper bound, and cheaper than listing them)."""

    @abc.abstractmethod
    def edges(self) -> Edges:
        """Return all edges with their weights."""


class Parts(NamedTuple):
    """What a factor is put together from: its class and the arguments of :meth:`Factor.restore`."""

    kind: str
    scope: tuple[Variable, ...]
    child: Variable | None
    parameters: Mapping[str, Tensor]
    settings: Mapping[str, Any]

    def of_distribution(self) -> tuple[Variable, tuple[Variable, ...]]:
        """Return the child and the parents of a conditional distribution, which must be there."""
        if self.child is None:
            raise GraphError(f"{self.kind}: expected a child, found none")
        return self.child, tuple(v for v in self.scope if v is not self.child)

    def without_child(
        self, sizes: Sequence[int], needed: Sequence[str], allowed: Sequence[str] = ()
    ) -> tuple[Variable, ...]:
        """Return the scope, of one of these sizes; parameters are real and have these names."""
        if self.child is not None or len(self.scope) not in sizes:
            number = " or ".join("one variable" if n == 1 else f"{n} variables" for n in sizes)
            raise GraphError(f"{self.kind} has {number} and no child")
        if not {*needed} <= {*self.parameters} <= {*needed, *allowed}:
            names = ", ".join(self.parameters) or "nothing"
            raise GraphError(f"expected the parameters {', '.join(sorted(needed))}, found {names}")
        for name, tensor in self.parameters.items():
            if name != "edges" and not tensor.is_floating_point():
                raise GraphError(f"the parameter '{name}' is {tensor.dtype}, and no real numbers")
        return self.scope

    def parameter(self, name: str) -> Tensor:
        """Return a parameter that must be there."""
        if name not in self.parameters:
            owner = self.kind if self.child is None else f"{self.kind} of '{self.child.name}'"
            hint = suggestion(name, self.parameters)
            raise GraphError(f"{owner} has no parameter '{name}'{hint}")
        return self.parameters[name]


class Factor(DeepCopied, abc.ABC):
    """A factor of a graphical model.

    Attributes
    ----------
    scope : tuple of Variable
        The variables that it speaks of.
    child : Variable or None
        Set where the factor is a conditional distribution: it sums to one over ``child`` for every
        state of the other variables. Inference uses this to drop barren nodes.
    is_normal : bool
        Whether ``child`` is normal, or a mixture of normals, and linear in continuous parents.
    compact : bool
        Whether the field view speaks of a Bernoulli variable by one number a unit, its log-odds
        and its mean, rather than by a distribution over two states.
    kind : str or None
        The name of the class in files; a class (or a subclass) without one is not written.
    needs_values : bool
        Whether a factor of real values has a likelihood and no more: it is integrated over nothing,
        and refuses rows that lack a value which it depends on.
    precision : Tensor or None
        What the factor adds to the precision of a real variable's base measure.
    document_length : int or None
        The words of a document that is not observed, where the factor gives word counts their base
        measure.
    tensor_names, setting_names : tuple of str
        The attributes that are its :meth:`parameters` (where they are not None) and
        :meth:`settings`; a class without a child takes its scope and then these, one with a child
        that child, the parents and these.
    arity : tuple of int
        How many variables a factor without a child may join; the first parameter is then always
        there.
    """

    scope: tuple[Variable, ...]
    child: Variable | None = None
    is_normal: ClassVar[bool] = False
    compact: bool = False
    kind: ClassVar[str | None] = None
    needs_values: ClassVar[bool] = False
    precision: Tensor | None = None
    tensor_names: ClassVar[tuple[str, ...]] = ()
    setting_names: ClassVar[tuple[str, ...]] = ()
    arity: ClassVar[tuple[int, ...]] = ()

    @property
    def parents(self) -> tuple[Variable, ...]:
        """The scope without the child."""
        return tuple(v for v in self.scope if v is not self.child)

    @abc.abstractmethod
    def energy(self, assignment: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
        """Return minus the log-potential of each row of a full assignment.

        Parameters
        ----------
        assignment : mapping of str to Tensor
            State indices (or real values), ``(batch, *shape)`` for each variable of the scope.
        """

    def tables(self) -> Iterator[LogTable]:
        """Yield log-tables whose product is this factor.

        Raises
        ------
        NotTabularError
            If the factor has no finite table, as with a continuous variable.
        """
        raise NotTabularError(f"{self!r} cannot be written as a finite table")

    def linear_form(self) -> LinearForm | None:
        """Return a normal density that is linear in continuous parents; None of other factors."""
        return None

    def likelihood(self, evidence: Evidence) -> LogTable | None:
        """Return what the observed continuous part of the scope says of the discrete part.

        ``None`` means that nothing was observed, and that the factor drops out. Only factors
        that have a continuous variable implement this.
        """
        raise NotTabularError(f"{self!r} has no continuous variable to observe")

    def field(
        self, variable: Variable, statistics: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch *shape states"]:
        """Return the natural parameters of one variable given the statistics of the others.

        Parameters
        ----------
        variable : Variable
            A member of the scope.
        statistics : mapping of str to Tensor
            Expected sufficient statistics of the other variables; for a categorical variable its
            distribution over the states, ``(batch, *shape, states)``. One-hot rows give the
            conditional that Gibbs sampling draws from, means give the mean-field update.
        """
        raise GraphError(f"{self!r} has no field view")

    @property
    def is_tabular(self) -> bool:
        """Whether ``tables`` works."""
        return True

    @property
    def edge_terms(self) -> EdgeTerms | None:
        """The factor as one interaction along edges between elements; None of other factors."""
        return None

    @property
    def unary_values(self) -> Float[Tensor, "*shape states"] | None:
        """The log-potentials of every state of the elements of one array; None of other factors."""
        return None

    @property
    def document_length(self) -> int | None:
        """The words of a document that is not observed; None where there are no word counts."""
        return None

    def potentials(self) -> Float[Tensor, "*states"] | None:
        """Return the table of a factor that keeps potentials; None of what keeps logarithms."""
        return None

    def conditional_table(self) -> Float[Tensor, "*parents child"] | None:
        """Return the probabilities of a conditional table; None of other factors."""
        return None

    def over_states(self) -> Factor:
        """Return the same factor as a function of states: of layers, log-potentials and edges.

        Raises
        ------
        GraphError
            If a layer has no states.
        """
        return self

    def parameters(self) -> dict[str, Tensor]:
        """Return the tensors that the factor is made of, by name."""
        named = ((name, getattr(self, name)) for name in self.tensor_names)
        return {name: tensor for name, tensor in named if tensor is not None}

    def settings(self) -> dict[str, Any]:
        """Return what else :meth:`restore` needs, as JSON values."""
        return {name: getattr(self, name) for name in self.setting_names}

    @classmethod
    def restore(
        cls,
        scope: Sequence[Variable],
        child: Variable | None,
        parameters: Mapping[str, Tensor],
        settings: Mapping[str, Any],
    ) -> Self:
        """Return the factor that :meth:`parameters` and :meth:`settings` describe.

        Raises
        ------
        GraphError
            If they describe none.
        """
        return cls._restored(Parts(cls.__name__, tuple(scope), child, parameters, settings))

    @classmethod
    def _restored(cls, parts: Parts) -> Self:
        """Put a factor together, as the class declares; others know their own parts."""
        if not cls.tensor_names:
            raise GraphError(f"{cls.__name__} cannot be made of parameters and settings")
        build: Any = cls  # each class has parameters of its own
        if cls.arity:
            variables: Sequence[Any] = parts.without_child(
                cls.arity, cls.tensor_names[:1], cls.tensor_names[1:]
            )
        else:
            variables = parts.of_distribution()
        try:
            made: Self = build(*variables, **parts.parameters, **parts.settings)
        except TypeError as error:
            names = ", ".join(v.name for v in parts.scope)
            raise GraphError(f"{cls.__name__}({names}): {error}") from None
        return made

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the real parameters."""
        return tuple(t for t in self.parameters().values() if t.is_floating_point())

    def with_tensors(self, *tensors: Tensor) -> Factor:
        """Return the factor made of other :meth:`tensors`, trusted, perhaps with gradients."""
        raise GraphError(f"{self!r} is not made of other tensors")

    @property
    def requires_grad(self) -> bool:
        """Whether a parameter asks for gradients."""
        return any(t.requires_grad for t in self.tensors())

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the factor with its parameters on another device or in another precision."""
        moved = {
            name: t.to(device=device, dtype=dtype if t.is_floating_point() else None)
            for name, t in self.parameters().items()
        }
        return self.restore(self.scope, self.child, moved, self.settings())

    def __repr__(self) -> str:
        if self.child is not None:
            parents = ", ".join(v.name for v in self.parents)
            inside = f"{self.child.name} | {parents}" if parents else self.child.name
        else:
            inside = ", ".join(v.name for v in self.scope)
        return f"{type(self).__name__}({inside})"
