"""The continuous part of a model, as scalar equations between the elements of its variables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import NotConjugateError, UnknownVariableError
from mmgraph.graph.factor import Factor, LinearForm
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.leaves.normal_leaf import NormalLeaf
from mmgraph.graph.leaves.unit_factors import unit_factors
from mmgraph.graph.variable import Variable
from mmgraph.inference.gaussian.equation_rows import HALF_LOG_TWO_PI
from mmgraph.inference.gaussian.fronts import Equations
from mmgraph.inference.numerics.elimination_order import best_elimination_order

_NO_NOISE = 1.5e-154
"""The root of the smallest double that has all its digits: a smaller variance is zero."""


@dataclass(frozen=True, eq=False)
class GaussianModel:
    """All linear Gaussian distributions of a graph.

    Attributes
    ----------
    forms : tuple of LinearForm
        One for each factor.
    place : dict of str to int
        The first element of each continuous variable.
    elements : int
        How many elements there are.
    equations : Equations
        One for each element of the child of each factor.
    first_equation : array of shape (factors + 1,)
        Where the equations of each factor begin.
    order : array of shape (elements,)
        All elements in the order of elimination.
    parent_first : array of shape (factors + 1,)
        Where the continuous parents of each factor begin.
    parents : array
        The factors whose children they are.
    topological : array of shape (factors,)
        The factors, parents before their children.
    """

    forms: tuple[LinearForm, ...]
    place: dict[str, int]
    elements: int
    equations: Equations
    first_equation: Int64[np.ndarray, "..."]
    order: Int64[np.ndarray, " elements"]
    parent_first: Int64[np.ndarray, "..."]
    parents: Int64[np.ndarray, "..."]
    topological: Int64[np.ndarray, " factors"]

    @cached_property
    def variables(self) -> list[Variable]:
        """The continuous variables, whose elements stand side by side."""
        return [form.child for form in self.forms]

    @cached_property
    def first_element(self) -> Int64[np.ndarray, " factors"]:
        """The first element of each variable."""
        return np.array(list(self.place.values()), np.int64)

    @cached_property
    def is_purely_continuous(self) -> bool:
        """Whether no distribution depends on anything discrete."""
        return not any(f.discrete or f.log_weights is not None for f in self.forms)

    def elements_of(self, name: str) -> range:
        """Return the elements of a variable."""
        first = self.place[name]
        return range(first, first + self._sizes[name])

    def given(self, states: Mapping[str, int]) -> GaussianModel:
        """Return the model in which some discrete parents are in known states."""
        forms = tuple(_form_given(form, states) for form in self.forms)
        parts = [_equations(form, self.place) for form in forms]
        return replace(self, forms=forms, equations=_joined(parts))

    def elements_among(self, names: Iterable[str]) -> Bool[np.ndarray, " elements"]:
        """Return which elements are those of some variables."""
        among = np.zeros(self.elements, np.bool_)
        for name in names:
            among[self.place[name] : self.place[name] + self._sizes[name]] = True
        return among

    @cached_property
    def number(self) -> dict[str, int]:
        """The number of each variable's factor."""
        return {form.child.name: i for i, form in enumerate(self.forms)}

    def variable_of(self, element: int) -> Variable:
        """Return the variable that an element belongs to."""
        place = np.searchsorted(self.first_element, element, "right") - 1
        return self.forms[int(place)].child

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {form.child.name: form.child.size for form in self.forms}


def gaussian_model(graph: FactorGraph) -> GaussianModel | None:
    """Return the linear Gaussian distributions of a graph as equations; None if it has none.

    Leaves that are no one's parent stay apart: their likelihoods are tables as they stand.

    Raises
    ------
    NotConjugateError
        If a continuous parent is neither normal nor linear.
    """
    return graph.cached(_gaussian_model)


def leaf_model(graph: FactorGraph, name: str) -> GaussianModel:
    """Return the density of a single leaf as equations.

    Raises
    ------
    UnknownVariableError
        If it is not a normal density, or a mixture of such.
    """
    return graph.cached(_leaf_model, name)


def _leaf_model(graph: FactorGraph, name: str) -> GaussianModel:
    factor = next(f for f in graph.factors if f.child is graph.variable(name))
    if isinstance(factor, NormalLeaf):  # the power of a tempered leaf has no part in its density
        factor = factor.reweighted(1.0)
    form = factor.linear_form()
    if form is None:
        raise UnknownVariableError(
            f"'{name}' has no mean and density: {factor!r} is no normal density"
        )
    return _model_of([form])


def linear_factors(graph: FactorGraph) -> tuple[Factor, ...]:
    """Return the distributions that have a continuous parent, or whose child is one."""
    return graph.cached(_linear_factors)


def row_factors(graph: FactorGraph) -> frozenset[Factor]:
    """Return the factors that are tables of rows to methods which know no real parents."""
    return graph.cached(_row_factors)


def _row_factors(graph: FactorGraph) -> frozenset[Factor]:
    return frozenset((*linear_factors(graph), *(f for f in graph.factors if f.needs_values)))


def single_leaves(graph: FactorGraph) -> tuple[Factor, ...]:
    """Return the other distributions of continuous variables, whose likelihoods are tables."""
    return graph.cached(_single_leaves)


def _single_leaves(graph: FactorGraph) -> tuple[Factor, ...]:
    linear = set(linear_factors(graph))
    return tuple(f for f in graph.factors if not f.is_tabular and f not in linear)


def _linear_factors(graph: FactorGraph) -> tuple[Factor, ...]:
    children = [
        f
        for f in graph.factors
        if f.child is not None and not (f.child.is_discrete or f.needs_values)
    ]
    joined = {
        v.name for f in children if any(not v.is_discrete for v in f.parents) for v in f.scope
    }
    return tuple(
        f
        for f in children
        if f.child is not None
        and (f.child.name in joined or type(f).likelihood is Factor.likelihood)
    )


def _gaussian_model(graph: FactorGraph) -> GaussianModel | None:
    forms = []
    for factor in linear_factors(graph):
        form = factor.linear_form()
        if form is None:
            raise NotConjugateError(
                f"{factor!r} is the parent of a continuous variable, but no normal density that is "
                "linear in its parents; use Pyro (method='nuts'), or a leaf with weight 1"
            )
        forms.append(form)
    return _model_of(forms) if forms else None


def _model_of(forms: Sequence[LinearForm]) -> GaussianModel:
    place: dict[str, int] = {}
    count = 0
    for form in forms:
        place[form.child.name] = count
        count += form.child.size
    number = {form.child.name: i for i, form in enumerate(forms)}
    for form in forms:
        for v in form.continuous:
            if v.name not in number:
                raise NotConjugateError(
                    f"'{v.name}', a parent of '{form.child.name}', has no distribution that is "
                    "normal; use Pyro (method='nuts')"
                )
    built = [_equations(form, place) for form in forms]
    columns = [c for _, part in built for c, _ in part]
    order = best_elimination_order(columns, [2] * count).order
    parents = [[number[v.name] for v in form.continuous] for form in forms]
    sorter = TopologicalSorter(dict(enumerate(parents)))
    return GaussianModel(
        tuple(forms),
        place,
        count,
        _joined(built),
        _starts([len(part) for _, part in built]),
        np.array(order, np.int64),
        _starts([len(p) for p in parents]),
        np.array([p for some in parents for p in some], np.int64),
        np.array(list(sorter.static_order()), np.int64),
    )


def _form_given(form: LinearForm, states: Mapping[str, int]) -> LinearForm:
    """The densities in which some discrete parents are in known states."""
    if not any(v.name in states for v in form.discrete):
        return form
    sizes = [v.cardinality for v in form.discrete]
    numbers = torch.arange(math.prod(sizes)).reshape(sizes)
    left = numbers[tuple(states.get(v.name, slice(None)) for v in form.discrete)].reshape(-1)
    rows, weights = left, form.log_weights
    if weights is not None:
        components = weights.shape[-1]
        rows = (left.unsqueeze(1) * components + torch.arange(components)).flatten()
        weights = weights[left.to(weights.device)]
    return form._replace(
        discrete=tuple(v for v in form.discrete if v.name not in states),
        coefficients=form.coefficients[rows.to(form.coefficients.device)],
        intercept=form.intercept[rows.to(form.intercept.device)],
        covariance=form.covariance[rows.to(form.covariance.device)],
        log_weights=weights,
    )


def _starts(lengths: Sequence[int]) -> Int64[np.ndarray, "..."]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


_Part = tuple[Float64[np.ndarray, "configurations features"], list[tuple[list[int], np.ndarray]]]
"""Deviations, and for each equation its columns and its numbers ``(configurations, columns + 1)``,
the constant last."""


def _equations(form: LinearForm, place: dict[str, int]) -> _Part:
    """The equations of one factor, each in noise that is independent of the others'."""
    numbers = (form.coefficients, form.intercept)
    slopes, intercept = (t.detach().cpu().double().numpy() for t in numbers)
    covariance = form.covariance.detach().cpu().double()
    features = form.child.size
    regressors = [place[v.name] + i for v in form.continuous for i in range(v.size)]
    child = [place[form.child.name] + i for i in range(features)]
    if features == 1:
        variances, whole = (
            covariance[:, :, 0].numpy(),
            np.concatenate([-slopes, intercept[..., None]], 2),
        )
        part = np.concatenate([np.ones((len(slopes), 1)), whole[:, 0]], 1)
        return np.sqrt(covariance[:, :, 0].numpy()), [(child + regressors, part)]
    inverse, variances = (t.numpy() for t in unit_factors(covariance))
    right = inverse @ np.concatenate([-slopes, intercept[..., None]], 2)
    equations = []
    for i in range(features):
        part = np.concatenate([inverse[:, i], right[:, i]], 1)
        used = [j for j in range(part.shape[1] - 1) if j == i or part[:, j].any()]
        columns = child + regressors
        equations.append(([columns[j] for j in used], part[:, [*used, part.shape[1] - 1]]))
    return np.sqrt(variances), equations


def _joined(parts: Sequence[_Part]) -> Equations:
    """All equations side by side."""
    first, columns, factor, place, constant_place = [0], [], [], [], []
    coefficients: list[np.ndarray] = []
    constants: list[np.ndarray] = []
    log_factors: list[np.ndarray] = []
    is_exact: list[np.ndarray] = []
    at, constant_at = 0, 0
    for number, (noise, equations) in enumerate(parts):
        for i, (names, numbers) in enumerate(equations):
            columns += names
            first.append(len(columns))
            factor.append(number)
            place.append(at)
            constant_place.append(constant_at)
            exact = noise[:, i] <= _NO_NOISE
            deviation = np.where(exact, 1.0, noise[:, i])
            coefficients.append((numbers[:, :-1] / deviation[:, None]).ravel())
            constants.append(numbers[:, -1] / deviation)
            log_factors.append(-np.log(deviation) - HALF_LOG_TWO_PI)
            is_exact.append(exact)
            at += numbers.size - len(numbers)
            constant_at += len(numbers)
    return Equations(
        np.array(first, np.int64),
        np.array(columns, np.int64),
        np.array(factor, np.int64),
        np.array(place, np.int64),
        np.array(constant_place, np.int64),
        np.concatenate([np.empty(0), *coefficients]),
        np.concatenate([np.empty(0), *constants]),
        np.concatenate([np.empty(0), *log_factors]),
        np.concatenate([np.empty(0, np.bool_), *is_exact]),
        np.array([bool(part.any()) for part in is_exact], np.bool_),
    )


def axes_of(forms: Sequence[LinearForm]) -> tuple[tuple[Variable, ...], tuple[int, ...]]:
    """Return the discrete parents of some factors, and how many states each has.

    The numbers of components of mixtures stand behind those of states.
    """
    scope = {v.name: v for form in forms for v in form.discrete}
    components = [f.log_weights.shape[-1] for f in forms if f.log_weights is not None]
    return tuple(scope.values()), (*(v.cardinality for v in scope.values()), *components)


def configurations_of(
    forms: Sequence[LinearForm], scope: Sequence[Variable], sizes: Sequence[int]
) -> Int64[np.ndarray, "configurations factors"]:
    """Return which of its configurations each factor is in, for each joint one of them all.

    The last of the states, as :func:`axes_of` returns them, varies fastest.
    """
    mixtures = [form for form in forms if form.log_weights is not None]
    axis = {v.name: i for i, v in enumerate(scope)}
    count = math.prod(sizes)
    states = np.unravel_index(np.arange(count), sizes) if sizes else ()
    numbers = np.zeros((count, len(forms)), np.int64)
    for i, form in enumerate(forms):
        for v in form.discrete:
            numbers[:, i] = numbers[:, i] * v.cardinality + states[axis[v.name]]
        if form.log_weights is not None:
            component = len(scope) + next(j for j, m in enumerate(mixtures) if m is form)
            numbers[:, i] = numbers[:, i] * sizes[component] + states[component]
    return numbers
