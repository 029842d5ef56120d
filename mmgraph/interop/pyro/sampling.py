"""The No-U-Turn sampler on the real variables, the discrete ones summed out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.numerics.diagnostics import LEAST_DRAWS, R_HAT_LIMIT, r_hat_shortfall
from mmgraph.inference.options import keyword_options
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.sampling.schedule import check_least
from mmgraph.interop.pyro.density import RealDensity
from mmgraph.interop.pyro.draws import answer_of_draws, asked_names
from mmgraph.interop.pyro.shared import check_shared

STARTS_TRIED = 100
"""Draws from the prior, one of which must have a positive density."""


@dataclass(frozen=True)
class NutsOptions:
    """Options of :func:`nuts`."""

    draws: int = 1000
    burn_in: int | None = None
    chains: int = 4
    generator: torch.Generator | None = None
    r_hat_limit: float = R_HAT_LIMIT
    shared: Sequence[str] = ()
    target_acceptance: float = 0.8
    tree_depth: int = 10
    dense: bool = False
    progress: bool = False

    def check(self) -> None:
        """Raise MmgraphError naming the option that is wrong."""
        check_least(draws=self.draws, chains=self.chains, tree_depth=self.tree_depth)
        check_least(0, burn_in=self.warm_up)
        if not 0 < self.target_acceptance < 1:
            raise MmgraphError(
                f"target_acceptance lies between 0 and 1, not {self.target_acceptance}"
            )

    @property
    def warm_up(self) -> int:
        """The draws before the first that is recorded."""
        return self.draws // 2 if self.burn_in is None else self.burn_in


@keyword_options(NutsOptions)
def nuts(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: NutsOptions,
) -> Posterior:
    """Return marginals from Pyro's No-U-Turn sampler (Hoffman and Gelman 2014).

    Real variables are sampled where something observed depends on them; others are drawn from their
    parents afterwards. Discrete variables are summed out exactly, by a join tree, at each step, and
    their marginals are means of those given each draw. Values with bounds are sampled through a
    map of the whole line. All rows of evidence are sampled together.

    Parameters
    ----------
    graph : FactorGraph
        Conditional distributions of real variables (linear Gaussian ones, Gaussian leaves,
        mixtures, :class:`PyroNode`), and any factors of discrete ones.
    evidence : Evidence
    variables : sequence of str, optional
        By default all, real ones included.
    draws : int
        Recorded of each chain.
    burn_in : int, optional
        Draws before the first that is recorded, in which step size and masses adapt; by default
        half as many as follow.
    chains : int
        One after the other, each from a draw of the model's own.
    generator : torch.Generator, optional
        The same seed gives the same answer.
    r_hat_limit : float
        The chains count as converged if no R-hat is above it, and no transition diverged.
    shared : sequence of str
        Real variables that have one value for all rows of evidence: parameters, whose parents (if
        any) are shared, too. Their own distributions count once.
    target_acceptance : float
        What the step size is adapted to; closer to 1 where transitions diverge.
    tree_depth : int
        A trajectory has at most two to this power of steps.
    dense : bool
        Whether masses are a full matrix rather than a diagonal one.
    progress : bool
        Whether each chain says on the terminal when it is done.

    Returns
    -------
    Posterior
        ``mean``, ``variance``, ``density`` (a kernel estimate) and ``quantile`` of real variables
        are those of the draws. ``diagnostics`` has ``"r_hat"`` and ``"effective_sample_size"`` by
        variable, and ``"divergences"``, ``"acceptance"`` of each chain. ``log_partition`` is not
        known.

    Raises
    ------
    MissingExtraError
        If Pyro is not installed.
    GraphError
        If a real variable has no density (a variance of zero), is a count that is not observed, or
        has a support that depends on its parents.
    EvidenceError, ZeroProbabilityError
        If a value lies outside of its support, or evidence is impossible.
    """
    began = time.perf_counter()
    options.check()
    discrete, real = asked_names(graph, variables)
    shared = check_shared(graph, options.shared)
    density = RealDensity(graph, evidence, discrete, shared, options.generator)
    points, divergences, acceptance = _all_chains(density, options)
    answer = answer_of_draws(density, points, discrete, real)
    enough = options.draws >= LEAST_DRAWS
    sweeps = options.warm_up + options.draws
    shortfall = r_hat_shortfall("nuts", answer.r_hat, options.r_hat_limit, sweeps, enough)
    diverged = int(divergences.sum())
    if diverged and not shortfall:
        shortfall = (
            f"nuts: {diverged} of {options.draws * options.chains} transitions diverged, not 0; a "
            "target_acceptance nearer to 1, or variables on another scale, may help"
        )
    mixing = {"r_hat": answer.r_hat, "effective_sample_size": answer.sample_size}
    return Posterior(
        graph.variables,
        answer.moments,
        None,
        method="nuts",
        is_normalised=graph.is_normalised,
        converged=not shortfall,
        shortfall=shortfall,
        iterations=sweeps,
        diagnostics={
            **(mixing if enough else {}),
            "divergences": {"chains": divergences},
            "acceptance": {"chains": acceptance},
        },
        real=answer.real,
        seconds=time.perf_counter() - began,
    )


def _all_chains(
    density: RealDensity, options: NutsOptions
) -> tuple[Float[Tensor, "draws chains size"], Tensor, Tensor]:
    """The draws of all chains, and how often each diverged and accepted."""
    if not density.size:  # no real number is open
        nothing = torch.zeros(options.draws, options.chains, 0, dtype=torch.float64)
        return nothing, torch.zeros(options.chains), torch.ones(options.chains)
    chains = []
    for chain in range(options.chains):
        seed = int(torch.randint(2**62, (), generator=options.generator))
        start = _possible_start(density)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            chains.append(_chain(density, start, options))
        if options.progress:
            print(f"nuts: chain {chain + 1} of {options.chains}", flush=True)
    points, divergences, acceptance = zip(*chains, strict=True)
    return torch.stack(points, 1), torch.tensor(divergences), torch.tensor(acceptance)


def _possible_start(density: RealDensity) -> Float[Tensor, " size"]:
    for _ in range(STARTS_TRIED):
        start = density.start()
        if bool(density.potential({"point": start}).isfinite()):
            return start
    raise MmgraphError(
        f"nuts: none of {STARTS_TRIED} draws from the model has a positive density given the "
        "evidence; are the priors, or the units, far off?"
    )


def _chain(
    density: RealDensity, start: Float[Tensor, " size"], options: NutsOptions
) -> tuple[Float[Tensor, "draws size"], int, float]:
    """The draws of one chain, how many of its transitions diverged, and what share accepted."""
    with needs("interop", "pyro-ppl", "sampling by NUTS"):
        from pyro.infer.mcmc import NUTS
    import pyro

    kernel: Any = NUTS(
        potential_fn=density.potential,
        target_accept_prob=options.target_acceptance,
        max_tree_depth=options.tree_depth,
        full_mass=options.dense,
    )
    kernel.initial_params = {"point": start}
    points = start.new_empty(options.draws, density.size)
    with pyro.validation_enabled(False):
        kernel.setup(options.warm_up)
        parameters = kernel.initial_params
        for draw in range(-options.warm_up, options.draws):
            parameters = kernel.sample(parameters)
            if draw >= 0:
                points[draw] = parameters["point"].detach()
        course = kernel.diagnostics()
        kernel.cleanup()
    return points, len(course["divergences"]), float(course["acceptance rate"])
