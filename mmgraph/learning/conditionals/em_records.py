"""The options of expectation maximisation, and its report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.inference.options import check_types

Start = Literal["data", "current"]


@dataclass(frozen=True)
class EMReport:
    """How expectation maximisation went.

    Attributes
    ----------
    log_likelihoods : tuple of float
        Of the data, at the start and after every iteration of the best restart.
    objectives : tuple of float
        The same with the logarithms of priors added: of the tables' (see :class:`Prior`), and of
        covariances of few rows. It is what is maximised, and never falls (with a shrinkage that is
        given as a number it may).
    converged : bool
        Whether the objective's relative change fell below the tolerance.
    restart : int
        Which restart was best.
    restarts : tuple of float
        The last objective of each.
    rows : float
        The number of rows, or the sum of their weights.
    seconds : float
        Wall-clock time of this call.
    """

    log_likelihoods: tuple[float, ...]
    objectives: tuple[float, ...]
    converged: bool
    restart: int
    restarts: tuple[float, ...]
    rows: float
    seconds: float

    @property
    def iterations(self) -> int:
        """How many iterations the best restart took."""
        return len(self.objectives) - 1

    @property
    def log_likelihood(self) -> float:
        """The log-likelihood of the data under the parameters that were returned."""
        return self.log_likelihoods[-1]


@dataclass(frozen=True, kw_only=True)
class EMOptions:
    """How expectation maximisation searches, and where.

    Parameters
    ----------
    start : {"data", "current"}
        Start from the data (see :func:`initial_factors`), or from the graph's own parameters.
    restarts : int, default 1
        How many starts, of which the best end is returned.
    max_iterations : int, default 200
        Of each restart.
    tolerance : float, default 1e-6
        A restart has converged when the objective changes by less than this share of itself.
    generator : torch.Generator, optional
        The source of the random starts.
    progress : callable, optional
        Called with the iteration and the log-likelihood, after each iteration (0 is the start).
    checkpoint : path, optional
        A directory, written after each iteration. If it holds the state of an interrupted call
        with the same graph, data and options, that call is taken up where it stood.
    memory_budget : int, optional
        Of exact inference, in bytes.
    device : str, optional
        Where exact inference runs: the compiled tree on the CPU (the default), torch elsewhere.

    Raises
    ------
    LearningError
        If an option is out of range.
    """

    start: Start = "data"
    restarts: int = 1
    max_iterations: int = 200
    tolerance: float = 1e-6
    generator: torch.Generator | None = None
    progress: Callable[[int, float], object] | None = None
    checkpoint: str | Path | None = None
    memory_budget: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.start not in ("data", "current"):
            hint = suggestion(self.start, ("data", "current"))
            raise LearningError(f"EM starts from 'data' or 'current', not {self.start!r}{hint}")
        for name in ("restarts", "max_iterations"):
            if getattr(self, name) < 1:
                raise LearningError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.tolerance < 1:
            raise LearningError(f"the tolerance lies between 0 and 1, not at {self.tolerance}")
        if not (self.progress is None or callable(self.progress)):
            raise LearningError(f"progress is a function, not {self.progress!r}")
        if not isinstance(self.checkpoint, str | os.PathLike | None):
            raise LearningError(f"checkpoint is a directory, not {self.checkpoint!r}")

    @classmethod
    def of(cls, options: Mapping[str, Any], others: Sequence[str] = ()) -> EMOptions:
        """Return the record of some options, and refuse what is none of them (or of ``others``)."""
        names = [f.name for f in fields(cls)]
        for name in options:
            if name not in names:
                hint = suggestion(name, (*names, *others))
                raise LearningError(f"there is no option {name!r}{hint}")
        check_types(cls, options)
        return cls(**options)
