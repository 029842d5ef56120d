"""Clusters: continuous variables that depend on each other once the evidence is known.

All continuous variables are summed out before any discrete one (a strong elimination order,
Lauritzen 1992). Whatever their order, those that are joined by unobserved ones then leave one table
over all of their discrete parents, and an observed variable holds its neighbours apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import TreewidthError
from mmgraph.graph.factor import LinearForm
from mmgraph.graph.memory_budget import default_memory_budget, format_bytes
from mmgraph.graph.variable import Variable
from mmgraph.inference.gaussian.answers import Answers, Groups, answer_groups
from mmgraph.inference.gaussian.model import GaussianModel, axes_of, configurations_of
from mmgraph.inference.gaussian.overflow import refuse_overflow
from mmgraph.inference.gaussian.patterns import Patterns
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.numerics.threads import cuts, run_together

GROUPS_AT_ONCE = 32
"""So many missing patterns are worth a thread."""

FEW_CONFIGURATIONS = 64
"""Rows of different patterns share their clusters where these have no more configurations."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """Linear Gaussian distributions that are answered for together.

    Attributes
    ----------
    model : GaussianModel
    equations : array of int
        Those of its factors.
    ranked : array of int
        Its elements in the order of elimination.
    scope : tuple of Variable
        The discrete parents of all of its factors.
    sizes : tuple of int
        Their numbers of states, and then the numbers of components of mixtures.
    configurations : array of shape (configurations, factors of the model)
        Which of its own configurations each factor is in.
    log_weights : array of shape (configurations,)
        Those of the components of mixtures.
    """

    model: GaussianModel
    equations: Int64[np.ndarray, " equations"]
    ranked: Int64[np.ndarray, " elements"]
    scope: tuple[Variable, ...]
    sizes: tuple[int, ...]
    configurations: Int64[np.ndarray, "configurations factors"]
    log_weights: Float64[np.ndarray, " configurations"]

    @property
    def forms(self) -> list[LinearForm]:
        """The distributions of its factors."""
        factors = dict.fromkeys(self.model.equations.factor[self.equations].tolist())
        return [self.model.forms[f] for f in factors]

    @property
    def states(self) -> tuple[int, ...]:
        """The numbers of states of the scope."""
        return self.sizes[: len(self.scope)]

    @property
    def is_exact(self) -> bool:
        """Whether a configuration leaves an equation without noise."""
        return bool(self.model.equations.may_be_exact[self.equations].any())

    def answers(
        self,
        patterns: Patterns,
        wanted: Int64[np.ndarray, " wanted"] | None = None,
        covariances: bool = False,
        memory_budget: int | None = None,
    ) -> Answers:
        """Return the answers of all configurations, rows and groups as in the patterns.

        Parameters
        ----------
        wanted : array of int, optional
            The elements whose means and variances are asked for.
        covariances : bool
            Whether their covariances are, in place of their variances.

        Raises
        ------
        TreewidthError
            If they would not fit the memory budget.
        """
        count, rows, groups = len(self.configurations), len(patterns.order), len(patterns.observed)
        size = 0 if wanted is None else len(wanted)
        of_groups = size * size if covariances else size
        numbers = count * (rows * (2 + size) + groups * of_groups)
        check_memory(self.scope, self.sizes, numbers, memory_budget)
        made = Answers(
            np.empty((count, rows)),
            np.zeros((count, rows), np.int64),
            np.empty((count if size else 0, size, rows)),
            np.empty((count if size and not covariances else 0, size, groups)),
            np.empty((count if size and covariances else 0, groups, size, size)),
        )
        self.run(patterns, np.tile([0, count], (groups, 1)), wanted, np.empty((0, rows)), made)
        return made

    def run(
        self,
        patterns: Patterns,
        configurations: Int64[np.ndarray, "patterns 2"],
        wanted: Int64[np.ndarray, " wanted"] | None,
        noise: Float64[np.ndarray, "elements rows"],
        answers: Answers,
    ) -> None:
        """Write answers, as :func:`answer_groups`."""
        groups = Groups(patterns.observed, patterns.first, configurations)
        wanted = np.empty(0, np.int64) if wanted is None else wanted

        def work(part: slice) -> None:
            some, written = _part(groups, answers, part)
            answer_groups(
                self.model.equations,
                self.equations,
                self.ranked,
                self.configurations,
                some,
                patterns.values,
                wanted,
                noise,
                self.is_exact,
                written,
            )

        threads = torch.get_num_threads()
        parts = cuts(0, len(groups.observed), threads, GROUPS_AT_ONCE)
        with ThreadPoolExecutor(threads) as pool:  # which starts no thread that has nothing to do
            run_together(pool, work, [slice(*part) for part in parts])
        refuse_overflow(self.model, answers, wanted)


def check_memory(
    scope: Sequence[Variable], sizes: Sequence[int], numbers: int, memory_budget: int | None
) -> None:
    """Raise TreewidthError if so many numbers of some configurations do not fit the budget."""
    budget = default_memory_budget() if memory_budget is None else memory_budget
    required = 8 * numbers
    if required > budget:
        names = tuple(v.name for v in scope)
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise TreewidthError(
            f"continuous variables that are not observed join {len(names)} discrete parents "
            f"({shown}), {math.prod(sizes):,} configurations: their densities would need "
            f"{format_bytes(required)}, the budget is {format_bytes(budget)}. Observe more of "
            "the continuous variables, give fewer rows at a time, or use method='mean_field', "
            "'gibbs' or Pyro's 'nuts'",
            required,
            budget,
            ((names, required),),
        )


def _part(groups: Groups, answers: Answers, part: slice) -> tuple[Groups, Answers]:
    """Some of the groups, and where their answers are written."""
    some = Groups(
        groups.observed[part],
        groups.rows[part.start : part.stop + 1],
        groups.configurations[part],
    )
    return some, answers._replace(
        variances=answers.variances[:, :, part], covariances=answers.covariances[:, part]
    )


def joined_factors(
    model: GaussianModel, patterns: Patterns, wanted: Bool[np.ndarray, " elements"] | None = None
) -> list[Int64[np.ndarray, " factors"]]:
    """Return the factors of each cluster of rows, but what is neither observed nor wanted.

    Parameters
    ----------
    wanted : array of shape (elements,), optional
        The elements that are asked for, whether observed or not.
    """
    fixed = np.logical_and.reduceat(patterns.always, model.first_element)
    asked = patterns.ever if wanted is None else patterns.ever | wanted
    needed = np.logical_or.reduceat(asked, model.first_element)
    labels = _labels(model.parent_first, model.parents, model.topological, needed, fixed)
    if model.is_purely_continuous:
        chosen = np.flatnonzero(labels >= 0)
        return [chosen] if len(chosen) else []
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    return [part for part in np.split(order, ends) if len(part)]


def cluster_of(
    model: GaussianModel, factors: Int64[np.ndarray, " factors"], memory_budget: int | None
) -> Cluster:
    """Return the cluster of some factors.

    Raises
    ------
    TreewidthError
        If its configurations do not fit the memory budget.
    """
    forms = [model.forms[f] for f in factors]
    scope, sizes = axes_of(forms)
    numbers = math.prod(sizes) * (len(model.forms) + len(factors) + len(sizes) + 1)
    check_memory(scope, sizes, numbers, memory_budget)
    inside = np.zeros(len(model.forms), np.bool_)
    inside[factors] = True
    of_equation = inside[model.equations.factor]
    whole = np.repeat(inside, np.diff(model.first_element, append=model.elements))
    own = configurations_of(forms, scope, sizes)
    configurations = np.zeros((len(own), len(model.forms)), np.int64)
    configurations[:, factors] = own
    log_weights = np.zeros(len(own))
    for f in factors if not model.is_purely_continuous else ():
        weights = model.forms[f].log_weights
        if weights is not None:
            log_weights += weights.detach().cpu().double().numpy().ravel()[configurations[:, f]]
    return Cluster(
        model,
        np.flatnonzero(of_equation),
        model.order[whole[model.order]],
        scope,
        sizes,
        configurations,
        log_weights,
    )


@compiled
def _labels(parent_first, parents, topological, needed, fixed):  # type: ignore[no-untyped-def]
    """The cluster of each factor, as the number of one of its factors; -1 of those not needed.

    A factor is needed where a descendant is; it belongs together with its parents that are not
    fixed, those that some row does not observe.
    """
    count = len(needed)
    needed = needed.copy()
    for i in range(count - 1, -1, -1):
        f = topological[i]
        if needed[f]:
            for j in range(parent_first[f], parent_first[f + 1]):
                needed[parents[j]] = True
    root = np.arange(count)
    for f in range(count):
        if needed[f]:
            for j in range(parent_first[f], parent_first[f + 1]):
                if not fixed[parents[j]]:
                    a, b = _root(root, f), _root(root, parents[j])
                    root[max(a, b)] = min(a, b)
    for f in range(count):
        root[f] = _root(root, f) if needed[f] else -1
    return root


@compiled
def _root(root, f):  # type: ignore[no-untyped-def]
    while root[f] != f:
        root[f] = root[root[f]]
        f = root[f]
    return f
