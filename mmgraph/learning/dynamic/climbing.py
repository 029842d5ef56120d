"""Expectation maximisation of models of sequences: iterations, restarts, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch

from mmgraph.graph.errors import ConvergenceWarning, LearningError, warn_caller
from mmgraph.learning.conditionals.em_records import EMReport
from mmgraph.learning.kept_state import KeptState

P = TypeVar("P")
Progress = Callable[[int, int, float], None]
"""Called with the restart, the iteration and its objective."""

_SLACK = 1e-9
"""How far the objective may fall by rounding alone, relative to its size."""


class Ascent(NamedTuple, Generic[P]):
    """An iteration: how good parameters are, and better ones.

    Attributes
    ----------
    log_likelihood : float
    objective : float
        The same with the logarithms of priors added.
    following : P
        The parameters that maximise the expected objective.
    """

    log_likelihood: float
    objective: float
    following: P


@dataclass(frozen=True)
class ClimbOptions:
    """How expectation maximisation runs.

    Attributes
    ----------
    iterations : int
        At most so many.
    tolerance : float
        It ends where the objective rises by less, relative to its size.
    restarts : int
        From so many first values; the best is returned.
    checkpoint : path, optional
        A directory that keeps the state of each iteration, from which an interrupted run goes on,
        or one that ended by fewer iterations or a larger tolerance.
    belongs_to : mapping
        What the state depends on, see :class:`~mmgraph.learning.kept_state.KeptState`.
    progress : callable, optional
    approximate : bool
        Whether the objective may fall since expectations are approximate: it ends there, too.
    """

    iterations: int = 100
    tolerance: float = 1e-6
    restarts: int = 1
    checkpoint: Path | str | None = None
    belongs_to: Mapping[str, Any] | None = None
    progress: Progress | None = None
    approximate: bool = False

    def __post_init__(self) -> None:
        for name in ("iterations", "restarts"):
            if getattr(self, name) < 1:
                raise LearningError(f"{name} are at least 1, not {getattr(self, name)}")
        if not self.tolerance >= 0:
            raise LearningError(f"a tolerance is not negative, as {self.tolerance} is")


def climb(
    first: Callable[[int], P],
    ascend: Callable[[P], Ascent[P]],
    options: ClimbOptions,
    arrays: Callable[[P], Mapping[str, np.ndarray]],
    restored: Callable[[Mapping[str, np.ndarray]], P],
    rows: int,
) -> tuple[P, EMReport]:
    """Return the best parameters that expectation maximisation finds, and how it went.

    Parameters
    ----------
    first : callable
        Returns the first values of a restart.
    ascend : callable
        See :class:`Ascent`.
    options : ClimbOptions
    arrays, restored : callable
        Parameters as arrays by name, and back, for checkpoints.
    rows : int
        The number of steps, for the report.

    Warns
    -----
    ConvergenceWarning
        If it ended at the last iteration; or the objective fell by more than rounding explains: at
        which iteration and by how much. The parameters before the fall are returned.
    """
    began = time.perf_counter()
    kept = None
    if options.checkpoint is not None:
        kept = KeptState(options.checkpoint, "fit of sequences", options.belongs_to or {})
    runs: list[_Run[P]] = []
    state = kept.load() if kept is not None else None
    for restart in range(options.restarts):
        run: _Run[P]
        if state is not None and restart < len(state.document["runs"]):
            record = state.document["runs"][restart]
            named = {
                n.partition("/")[2]: t.numpy()
                for n, t in state.tensors.items()
                if n.startswith(f"{restart}/")
            }
            run = _Run(restored(named), *record)
            run.check_end(options.tolerance)
        else:
            run = _Run(first(restart), [], [], False, False, 0.0)
        runs.append(run)
        while not run.ended and len(run.objectives) <= options.iterations:
            _iterate(run, ascend, options)
            if options.progress is not None:
                options.progress(restart, len(run.objectives) - 1, run.objectives[-1])
            if kept is not None:
                _save(kept, runs, arrays)
    best = max(range(len(runs)), key=lambda i: runs[i].objectives[-1])
    run = runs[best]
    if run.fall:
        why = "which no rounding explains: a density is nearly singular"
        if options.approximate:
            why = "as it may where expectations are approximate"
        warn_caller(
            f"the objective fell by {run.fall:.3g} at iteration {len(run.objectives)}, {why}; the "
            "parameters before are returned",
            ConvergenceWarning,
        )
    elif not run.converged:
        warn_caller(
            f"expectation maximisation ended after {options.iterations} iterations, before the "
            f"objective changed by less than {options.tolerance:g} of its size",
            ConvergenceWarning,
        )
    report = EMReport(
        tuple(run.log_likelihoods),
        tuple(run.objectives),
        run.converged,
        best,
        tuple(r.objectives[-1] for r in runs),
        rows,
        time.perf_counter() - began,
    )
    return run.parameters, report


@dataclass
class _Run(Generic[P]):
    """One restart; ``parameters`` are those of the last objective."""

    parameters: P
    log_likelihoods: list[float]
    objectives: list[float]
    converged: bool
    ended: bool
    fall: float
    following: P | None = None

    def check_end(self, tolerance: float) -> None:
        """End it where the objective rose by less than the tolerance, or fell."""
        if len(self.objectives) > 1 and not self.fall:
            before, now = self.objectives[-2:]
            self.converged = self.ended = now - before < tolerance * (abs(before) + 1)


def _iterate(run: _Run[P], ascend: Callable[[P], Ascent[P]], options: ClimbOptions) -> None:
    trial = run.parameters if run.following is None else run.following
    if run.objectives and run.following is None:  # read from a checkpoint
        trial = ascend(run.parameters).following
    ascent = ascend(trial)
    if not np.isfinite(ascent.objective):
        raise LearningError(
            f"the objective is {ascent.objective} at iteration {len(run.objectives)}"
        )
    if run.objectives:
        rise = ascent.objective - run.objectives[-1]
        if rise < -_SLACK * (abs(run.objectives[-1]) + 1):
            run.fall, run.ended = -rise, True
            return
    run.parameters, run.following = trial, ascent.following
    run.log_likelihoods.append(ascent.log_likelihood)
    run.objectives.append(ascent.objective)
    run.check_end(options.tolerance)


def _save(
    kept: KeptState, runs: list[_Run[P]], arrays: Callable[[P], Mapping[str, np.ndarray]]
) -> None:
    tensors = {
        f"{number}/{name}": torch.from_numpy(np.ascontiguousarray(array))
        for number, run in enumerate(runs)
        for name, array in arrays(run.parameters).items()
    }
    records = [[r.log_likelihoods, r.objectives, r.converged, r.ended, r.fall] for r in runs]
    kept.save({"runs": records}, tensors)
