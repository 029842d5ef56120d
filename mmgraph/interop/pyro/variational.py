"""Stochastic variational inference on the real variables, the discrete ones summed out."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, check_choice, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.options import keyword_options
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.sampling.schedule import check_least
from mmgraph.interop.pyro.density import RealDensity
from mmgraph.interop.pyro.draws import answer_of_draws, asked_names
from mmgraph.interop.pyro.node import PyroNode
from mmgraph.interop.pyro.shared import check_shared

GUIDES = ("diagonal", "full")


@dataclass(frozen=True)
class SviOptions:
    """Options of :func:`svi`."""

    steps: int = 2000
    learning_rate: float = 0.02
    particles: int = 4
    guide: str = "diagonal"
    draws: int = 1000
    tolerance: float = 0.05
    generator: torch.Generator | None = None
    shared: Sequence[str] = ()
    learn: bool = False

    def check(self) -> None:
        """Raise MmgraphError naming the option that is wrong."""
        check_least(particles=self.particles, draws=self.draws)
        check_least(8, steps=self.steps)
        check_choice("guide", self.guide, GUIDES, MmgraphError)
        for name in ("learning_rate", "tolerance"):
            if not 0 < getattr(self, name) < math.inf:
                raise MmgraphError(f"{name} must be positive, not {getattr(self, name)}")


class Fit(NamedTuple):
    """A normal distribution of a point without bounds, and the bound at every step."""

    mean: Float[Tensor, " size"]
    root: Tensor  # the lower Cholesky factor (size, size) of its covariance, or deviations (size,)
    trace: Float[Tensor, " steps"]

    def points(self, noise: Float[Tensor, "draws size"]) -> Float[Tensor, "draws size"]:
        """Return the draws that standard normal noise makes."""
        return self.mean + (noise * self.root if self.root.ndim == 1 else noise @ self.root.mT)

    def entropies(self, group: Int64[Tensor, " size"], groups: int) -> Float[Tensor, " groups"]:
        """Return the entropy of the elements of each group, zero of one without any."""
        sizes = group.bincount(minlength=groups)
        entropies = 0.5 * sizes * (1 + math.log(2 * math.pi))
        if self.root.ndim == 1:
            return entropies.to(self.root.dtype).index_add(0, group, self.root.log())
        blocks = [self.root[places] for places in group.argsort().split(sizes.tolist())]
        return entropies + torch.stack([0.5 * torch.logdet(b @ b.mT) for b in blocks])


@keyword_options(SviOptions)
def svi(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: SviOptions,
) -> Posterior:
    """Return marginals from stochastic variational inference by Pyro's normal guides.

    The distribution of the real variables that are open, mapped to the whole line, is approximated
    by a normal one that raises a lower bound on log P(evidence) (Kucukelbir, Tran, Ranganath,
    Gelman and Blei 2017, "Automatic differentiation variational inference"). Discrete variables
    are summed out exactly. A diagonal guide makes variances of dependent variables too small.

    Parameters
    ----------
    graph, evidence, variables, shared
        As for :func:`~mmgraph.interop.pyro.sampling.nuts`.
    steps : int
        Of Adam.
    learning_rate : float
        Of the first step; the last has a tenth of it.
    particles : int
        Draws of the guide that estimate the bound at each step.
    guide : {"diagonal", "full"}
        The covariance of the normal distribution.
    draws : int
        Of the fitted guide, that moments and the final bound are computed from.
    tolerance : float
        Nats for each row: the fit counts as converged if the bound rose by less, beyond twice its
        standard error, from the third quarter of the steps to the last.
    generator : torch.Generator, optional
        The same seed gives the same answer.
    learn : bool
        Whether the parameters of :class:`PyroNode` modules that ask for gradients are moved, too,
        in place, so as to raise the bound; else they stay.

    Returns
    -------
    Posterior
        ``bound`` (and ``log_partition``, a lower bound) is the mean over draws of the guide, of
        which ``diagnostics["bound"]`` has the ``"standard_error"`` by row and the ``"trace"`` over
        the steps, summed over the rows. With shared variables there is none by row, and
        ``diagnostics["bound"]["total"]`` holds that of all.

    Raises
    ------
    MissingExtraError, GraphError, EvidenceError, ZeroProbabilityError
        As for ``nuts``.
    """
    began = time.perf_counter()
    options.check()
    discrete, real = asked_names(graph, variables)
    shared = check_shared(graph, options.shared)
    density = RealDensity(graph, evidence, discrete, shared, options.generator)
    seed = int(torch.randint(2**62, (), generator=options.generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fit = _fitted(density, graph, options) if density.size else _nothing(options)
        noise = torch.randn(options.draws, density.size, dtype=torch.float64)
    if options.learn:  # what modules say when they do not change has been computed before
        density = RealDensity(graph, evidence, discrete, shared, options.generator)
    points = fit.points(noise)
    answer = answer_of_draws(density, points.unsqueeze(1), discrete, real)
    bound, error, total = _bound(density, fit, points)
    short, rise = _shortfall(fit.trace, options, density.rows)
    trace = {"trace": fit.trace, "standard_error": error, "total": total}
    return Posterior(
        graph.variables,
        answer.moments,
        None if shared else bound,
        method="svi",
        is_normalised=graph.is_normalised,
        converged=not short,
        shortfall=short,
        iterations=options.steps,
        residual=rise,
        bound=None if shared else bound,
        diagnostics={"bound": trace},
        approximation="lower bound",
        real=answer.real,
        seconds=time.perf_counter() - began,
    )


def _nothing(options: SviOptions) -> Fit:
    """The fit where no real number is open."""
    empty = torch.zeros(0, dtype=torch.float64)
    return Fit(empty, empty, torch.zeros(options.steps).double())


def _fitted(density: RealDensity, graph: FactorGraph, options: SviOptions) -> Fit:
    """Raise the bound step by step."""
    with needs("interop", "pyro-ppl", "variational inference by Pyro"):
        from pyro.infer import Trace_ELBO
    import pyro
    from pyro.infer import autoguide
    from pyro.infer.autoguide.initialization import init_to_value

    start = density.start()

    def program() -> None:
        flat = pyro.distributions.Normal(torch.zeros_like(start), 1.0).to_event(1).mask(False)
        point = pyro.sample("point", flat)
        pyro.factor("log density", -density.potential({"point": point}))

    kind = {"diagonal": "AutoDiagonalNormal", "full": "AutoMultivariateNormal"}[options.guide]
    with pyro.get_param_store().scope(), pyro.validation_enabled(False):
        at_start = init_to_value(values={"point": start})
        guide: Any = getattr(autoguide, kind)(program, init_loc_fn=at_start, init_scale=0.1)
        guide()
        learned = list(guide.parameters()) + (_open_parameters(graph) if options.learn else [])
        adam = torch.optim.Adam(learned, lr=options.learning_rate, betas=(0.9, 0.99))
        rate = torch.optim.lr_scheduler.ExponentialLR(adam, 0.1 ** (1 / options.steps))
        loss_of = Trace_ELBO(num_particles=options.particles).differentiable_loss
        trace = torch.empty(options.steps, dtype=torch.float64)
        for step in range(options.steps):
            adam.zero_grad()
            loss = loss_of(program, guide)
            loss.backward()
            adam.step()
            rate.step()
            trace[step] = -loss.detach()
        normal = guide.get_posterior()
    if options.guide == "full":
        return Fit(normal.loc.detach(), normal.scale_tril.detach(), trace)
    return Fit(normal.mean.detach(), normal.stddev.detach(), trace)


def _open_parameters(graph: FactorGraph) -> list[torch.nn.Parameter]:
    """The parameters of nodes' modules that ask for gradients."""
    modules = [
        f.distribution
        for f in graph.factors
        if isinstance(f, PyroNode) and isinstance(f.distribution, torch.nn.Module)
    ]
    return [p for module in modules for p in module.parameters() if p.requires_grad]


def _bound(
    density: RealDensity, fit: Fit, points: Float[Tensor, "draws size"]
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"], Float[Tensor, ""]]:
    """The lower bound of each row, its standard error, and the sum with what counts once.

    The marginals of a guide over all rows are guides of single rows, so that their entropies bound
    each row by itself.
    """
    weights, commons = [], []
    with torch.no_grad():
        for point in points if density.size else points[:1]:
            weight, common = density.log_density(point)
            weights.append(weight)
            commons.append(common)
    all_weights = torch.stack(weights)
    error = all_weights.std(0, correction=0) / len(weights) ** 0.5
    rows = [
        torch.full_like(s.row, density.rows) if s.name in density.shared else s.row
        for s in density.segments
    ]
    group = torch.cat(rows) if rows else torch.zeros(0, dtype=torch.int64)
    entropies = fit.entropies(group, density.rows + 1)  # what the rows share is the last group
    bound = all_weights.mean(0) + entropies[:-1]
    return bound, error, bound.sum() + torch.stack(commons).mean() + entropies[-1]


def _shortfall(trace: Float[Tensor, " steps"], options: SviOptions, rows: int) -> tuple[str, float]:
    """By how much the bound still rose, beyond its noise, and that rise."""
    quarter = len(trace) // 4
    before, after = trace[-2 * quarter : -quarter], trace[-quarter:]
    noise = float(((before.var() + after.var()) / quarter).sqrt())
    rise = max(abs(float(after.mean() - before.mean())) - 2 * noise, 0.0)
    if not math.isfinite(rise):
        return "svi: the bound is not finite; a smaller learning_rate may help", math.inf
    limit = options.tolerance * rows
    return shortfall("svi", "rise of the bound", rise, limit, len(trace), "steps"), rise
