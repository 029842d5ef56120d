"""A static Pyro program of discrete and linear Gaussian sites as a Bayesian network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import FormatError, GraphError, needs
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

MOST_CONFIGURATIONS = 1 << 14
"""Configurations of a site's discrete parents, each of which the program is run with."""

CHECKS = 6
"""Random assignments at which program and network must agree."""

_TOLERANCE = 2e-4
"""Of log-densities, relative: programs often compute in single precision."""


def from_pyro(program: Callable[..., Any], *args: Any, **kwargs: Any) -> BayesianNetwork:
    """Return a Pyro program as a Bayesian network, where it is one of fixed sites.

    Sites are discrete (``Categorical``, ``Bernoulli``) with discrete parents, or normal
    (``Normal``, perhaps ``to_event(1)``, ``MultivariateNormal``) and linear in real parents, with
    numbers for each state of discrete ones. What each site depends on is what Pyro tracks through
    the values (``pyro.infer.inspect.get_dependencies``). Tables are read by running the program
    with each configuration of the parents, coefficients at the unit vectors. Program and network
    are then compared at random assignments, which finds what the tracking or the form misses.
    Observations of the program become variables like others.

    Parameters
    ----------
    program : callable
        A model of one row: plates have one member.
    *args, **kwargs
        Its arguments.

    Raises
    ------
    MissingExtraError
        If Pyro is not installed.
    FormatError
        If a site is of another kind, nonlinear or of several rows, or the program branches on
        values; names the site.

    Examples
    --------
    >>> import mmgraph as mm, torch, pyro, pyro.distributions as dist
    >>> def program():
    ...     rain = pyro.sample("rain", dist.Bernoulli(torch.tensor(0.2)))
    ...     pyro.sample("level", dist.Normal(1.0 + 2.0 * rain, 0.5))
    >>> net = mm.from_pyro(program)
    """
    with needs("interop", "pyro-ppl", "reading a Pyro program"):
        from pyro.infer.inspect import get_dependencies
    runs = _Runs(program, args, kwargs)
    dependencies: Any = get_dependencies(program, args, kwargs)["prior_dependencies"]
    variables = {name: _variable(name, site) for name, site in runs.sites.items()}
    factors = []
    for name, child in variables.items():
        parents = [v for n, v in variables.items() if n in dependencies[name] and n != name]
        reader = _table if child.is_discrete else _linear
        try:
            factors.append(reader(runs, child, parents))
        except GraphError as error:
            raise FormatError(f"the site '{name}': {error}") from None
    _compare(runs, variables, factors)
    return BayesianNetwork(variables.values(), factors)


class _Runs:
    """A program that is run with given values of some of its sites."""

    def __init__(self, program: Callable[..., Any], args: Any, kwargs: Any) -> None:
        from pyro import poutine

        self._free = poutine.uncondition(program)
        self._args, self._kwargs = args, kwargs
        self.sites: dict[str, Any] = {}
        self.sites = self.sites_at({})

    def sites_at(self, values: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the sites of a run with these values, which have the sites' shapes."""
        from pyro import poutine
        from pyro.poutine.subsample_messenger import _Subsample

        fixed = {n: v.to(self.sites[n]["value"].dtype) for n, v in values.items()}
        fixed = {n: v.reshape(self.sites[n]["value"].shape) for n, v in fixed.items()}
        traced = poutine.trace(poutine.condition(self._free, data=fixed))
        nodes = traced.get_trace(*self._args, **self._kwargs).nodes
        sites = {
            name: site
            for name, site in nodes.items()
            if site["type"] == "sample" and not isinstance(site["fn"], _Subsample)
        }
        if self.sites and sites.keys() != self.sites.keys():
            changed = sorted(sites.keys() ^ self.sites.keys())
            raise FormatError(f"the site '{changed[0]}' is not in every run of the program")
        return sites


def _unmasked(fn: Any) -> Any:
    """The distribution inside of what Pyro puts around it."""
    while type(fn).__name__ in ("Independent", "ExpandedDistribution", "MaskedDistribution"):
        fn = fn.base_dist
    return fn


def _variable(name: str, site: Mapping[str, Any]) -> Variable:
    fn, kind = site["fn"], type(_unmasked(site["fn"])).__name__
    if math.prod(fn.batch_shape) != 1:
        raise FormatError(
            f"the site '{name}' has a batch of shape {tuple(fn.batch_shape)}; give the program of "
            "one row, and declare vectors by to_event(1)"
        )
    if kind in ("Categorical", "Bernoulli") and not fn.event_shape:
        states = 2 if kind == "Bernoulli" else _unmasked(fn).probs.shape[-1]
        return Variable(name, states)
    if kind in ("Normal", "MultivariateNormal") and len(fn.event_shape) <= 1:
        return Variable(name, family="gaussian", shape=tuple(fn.event_shape))
    raise FormatError(
        f"the site '{name}' is a {kind}; a network is read of Categorical, Bernoulli, Normal and "
        "MultivariateNormal sites (mm.PyroNode puts any other distribution into one)"
    )


def _configurations(child: Variable, parents: Sequence[Variable]) -> Iterator[dict[str, Tensor]]:
    """All configurations of discrete variables, the last varying fastest."""
    sizes = [v.cardinality for v in parents]
    if math.prod(sizes) > MOST_CONFIGURATIONS:
        raise FormatError(f"the site '{child.name}' has {math.prod(sizes):,} parent configurations")
    for states in itertools.product(*map(range, sizes)):
        yield {v.name: torch.tensor(s) for v, s in zip(parents, states, strict=True)}


def _table(runs: _Runs, child: Variable, parents: Sequence[Variable]) -> Factor:
    real = next((v for v in parents if not v.is_discrete), None)
    if real is not None:
        raise FormatError(
            f"the site '{child.name}' is discrete, and its parent '{real.name}' real; "
            "mm.PyroNode takes such a distribution"
        )
    rows = []
    for values in _configurations(child, parents):
        fn = _unmasked(runs.sites_at(values)[child.name]["fn"])
        probs = fn.probs.detach().double().reshape(-1)
        rows.append(torch.cat([1 - probs, probs]) if type(fn).__name__ == "Bernoulli" else probs)
    shape = [v.cardinality for v in (*parents, child)]
    table = torch.stack(rows).reshape(shape)
    return TableFactor([*parents, child], table / table.sum(-1, keepdim=True), child=child)


def _linear(runs: _Runs, child: Variable, parents: Sequence[Variable]) -> Factor:
    discrete = [v for v in parents if v.is_discrete]
    real = [v for v in parents if not v.is_discrete]
    nothing = {v.name: torch.zeros(v.shape) for v in real}
    coefficients, intercepts, spreads = [], [], []
    for values in _configurations(child, discrete):
        fn = runs.sites_at({**values, **nothing})[child.name]["fn"]
        mean = _mean(fn, child)
        slopes = []
        for v in real:
            for unit in torch.eye(v.size):
                at = {**values, **nothing, v.name: unit.reshape(v.shape)}
                slopes.append(_mean(runs.sites_at(at)[child.name]["fn"], child) - mean)
        intercepts.append(mean)
        coefficients.append(torch.stack(slopes, -1) if slopes else mean.new_zeros(*mean.shape, 0))
        spreads.append(_spread(fn, child))
    states = [v.cardinality for v in discrete]
    by_state = [torch.stack(part) for part in (coefficients, intercepts, spreads)]
    shaped = [part.reshape((*states, *part.shape[1:])) for part in by_state]
    return LinearGaussian(child, [*discrete, *real], *shaped)


def _mean(fn: Any, child: Variable) -> Float[Tensor, "*shape"]:
    mean: Tensor = fn.mean.detach().double().reshape(child.shape)
    return mean


def _spread(fn: Any, child: Variable) -> Float[Tensor, "..."]:
    inner = _unmasked(fn)
    if type(inner).__name__ == "MultivariateNormal":
        covariance: Tensor = inner.covariance_matrix.detach().double()
        return covariance.reshape(*child.shape, *child.shape)
    variance: Tensor = fn.variance.detach().double()
    return variance.reshape(child.shape)


def _compare(runs: _Runs, variables: Mapping[str, Variable], factors: Sequence[Factor]) -> None:
    """Raise FormatError naming a site whose log-density is not that of its factor."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(CHECKS):
        values: dict[str, Tensor] = {}
        for name, v in variables.items():
            if v.is_discrete:
                values[name] = torch.randint(v.cardinality, (), generator=generator)
            else:
                values[name] = 3 * torch.randn(v.shape, generator=generator)
        sites = runs.sites_at(values)
        rows = {n: v.double() if not variables[n].is_discrete else v for n, v in values.items()}
        rows = {n: v.unsqueeze(0) for n, v in rows.items()}
        for factor in factors:
            assert factor.child is not None
            site = sites[factor.child.name]
            stated = float(site["fn"].log_prob(site["value"]).sum())
            read = -float(factor.energy(rows))
            same = stated == read or abs(stated - read) <= _TOLERANCE * (1 + abs(stated))
            if not same:
                names = ", ".join(v.name for v in factor.parents) or "nothing"
                raise FormatError(
                    f"the site '{factor.child.name}' is not linear in {names}, or depends on more: "
                    f"its log-density is {stated:g} where the network's is {read:g} (a program "
                    "must not branch on values)"
                )
