"""Learning the graph of a Bayesian network from a table, with how sure of it the rows make us."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.errors import (
    LearningError,
    UnknownVariableError,
    check_choice,
    suggestion,
    warn_caller,
)
from mmgraph.learning.structure.bootstrap import Frequencies
from mmgraph.learning.structure.bootstrap import bootstrap as bootstrapped
from mmgraph.learning.structure.constraint_based import learn_by_tests
from mmgraph.learning.structure.constraints import Constraints, Edge
from mmgraph.learning.structure.graphs.equivalence import Adjacency, topological_order
from mmgraph.learning.structure.learned_structure import LearnedStructure
from mmgraph.learning.structure.options import SearchOptions, check_count, sorted_options
from mmgraph.learning.structure.problem import SCORES, StructureData
from mmgraph.learning.structure.reading import check_cells, structure_data
from mmgraph.learning.structure.scores.records import ScoredRows
from mmgraph.learning.structure.searches.best_graph import (
    SEARCHES,
    FoundGraph,
    best_graph,
    child_score,
    graph_score,
)
from mmgraph.learning.structure.searches.order_averaging import averaged_arcs
from mmgraph.learning.structure.structural_em import structural_em

_BY_TESTS = ("pc", "fci")

_SHOWN = 5


class ImpossibleEdgesWarning(UserWarning):
    """Edges that are allowed, and that no network of these kinds of variables can have."""


def learn_structure(
    data: object,
    *,
    score: str = "bic",
    method: str = "auto",
    tiers: Iterable[Iterable[str]] = (),
    required: Iterable[Edge] = (),
    forbidden: Iterable[Edge] = (),
    interventions: str | None = None,
    bootstrap: int = 0,
    generator: torch.Generator | None = None,
    **options: Any,
) -> LearnedStructure:
    """Return the graph that a table supports best, and how sure that is.

    Columns of labels become discrete variables, measurements continuous ones, as for
    ``BayesianNetwork.from_data``; a graph over both kinds is that of a conditional linear Gaussian
    network, without edges from measurements to labels.

    Parameters
    ----------
    data : pandas or Dask DataFrame, mapping of str to array, path, or MultimodalData
    score : str, optional
        "bic" and "aic" (all tables); "held-out", the log-likelihood of rows left out; "bdeu", "bds"
        (Scutari 2016) and "k2" of discrete tables; "bge" of continuous ones. Natural logarithms;
        higher is better.
    method : str, optional
        "exact" (up to 20 variables), "orders" (Andrews et al. 2023, with restarts), "tabu",
        "climb", "ges", or "pc" and "fci" (extra ``discovery``). By default "exact" up to 10
        variables, "orders" up to 500, else "tabu"; the answer says which.
    tiers, required, forbidden : optional
        Of variables or whole modalities, see :meth:`Constraints.of`.
    interventions : str, optional
        The column that names the variable that a row's experiment set, empty where none (several
        between commas). A variable's own score skips the rows in which it was set.
    bootstrap : int, optional
        How many times to learn anew from resampled rows, for the ``confidence`` of edges. Rows of
        an experiment are resampled among themselves.
    generator : torch.Generator, optional
        The source of randomness: of restarts, held-out rows and the bootstrap; by default one with
        the seed 0.
    states, modalities, variables, bins, continuous
        What the columns are, as for ``BayesianNetwork.from_data``; so are ``missing_cells`` (what
        stands for a missing cell), ``encoding``, ``separator`` and ``decimal``.
    confidence : {"bootstrap", "orders"}
        How sure edges are: by the bootstrap, or by their posterior probability over all orders of
        the variables (Koivisto and Sood 2004; drawn orders above 12 variables, Friedman and Koller
        2003), if the score is a logarithm of one.
    groups, weights : str
        Columns that say which rows belong together (a person, a recording), and how often each
        counts; weights may be an array.
    max_parents, roots, leaves
        See :meth:`Constraints.of`.
    missing : {"raise", "available", "em"}
        What to do about missing cells: refuse them; score families by the rows that have them, two
        that are compared by the rows that have both (discrete tables, by "tabu" or "climb"); or
        structural EM (Friedman 1998), whose score is BIC of the cells that are there, and which
        finds more.
    strength : float
        Equivalent sample size of "bdeu" and "bds", pseudo-count a cell of "held-out", rows that the
        prior mean of "bge" counts for; by default 1.
    held_out : float
        The share of rows (or groups) that "held-out" scores; by default .3.
    alpha, test
        Of "pc" and "fci", see :func:`mmgraph.learning.structure.constraint_based.learn_by_tests`.
    restarts : int
        See :func:`best_graph`; by default some 25, fewer where rows are many.
    start : sequence of (cause, effect)
        Edges to start from.
    threshold : float
        The share from which on an edge is in the consensus graph; by default it is chosen.
    threads, checkpoint, progress
        Of the bootstrap, see :func:`mmgraph.learning.structure.bootstrap.bootstrap`.

    Warns
    -----
    ImpossibleEdgesWarning
        If edges from measurements to labels are allowed; they are not looked for.

    Raises
    ------
    UnknownVariableError
        If a column, variable or modality is named that is not there; with the nearest name.
    IncompleteDataError
        If cells are missing, unless ``missing`` says what to do.
    LearningError
        If constraints contradict each other, the score does not fit the variables, a column is
        constant, or an option is unknown.
    MemoryBudgetError
        If the rows, or the tables of the exact search, would not fit.

    Examples
    --------
    >>> import numpy as np
    >>> cause = np.random.default_rng(0).integers(0, 2, 500)
    >>> effect = np.where(np.random.default_rng(1).random(500) < 0.9, cause, 1 - cause)
    >>> learn_structure({"rain": cause, "wet": effect}, tiers=[["rain"], ["wet"]]).edges
    [('rain', 'wet')]
    """
    began = time.perf_counter()
    reading, kinds, limits, search = sorted_options(options)
    check_count("bootstrap", bootstrap)
    if search.threshold is not None and not bootstrap and search.confidence != "orders":
        raise LearningError("a threshold is one of confidence: say bootstrap=…, too")
    check_choice("score", score, SCORES, LearningError)
    check_choice("method", method, (*SEARCHES, *_BY_TESTS), LearningError)
    # Structural EM draws the missing cells of each row by itself.
    merge = search.missing != "em"
    rows = structure_data(data, interventions, reading=reading, merge=merge, **kinds)
    check_cells(rows, search.missing)
    rows.check_score(score)
    if score == "held-out" and search.missing == "em" and rows.is_incomplete:
        raise LearningError(
            "the score 'held-out' cannot be had of rows completed by draws: take 'bic'"
        )
    modalities = {v.name: v.modality for v in rows.variables}
    constraints = Constraints.of(
        rows.names, modalities, tiers=tiers, required=required, forbidden=forbidden, **limits
    )
    possible = rows.possible(constraints)
    _warn_of_impossible(constraints, possible)
    constraints = possible
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    elif not isinstance(generator, torch.Generator):
        raise LearningError(f"the generator is a torch.Generator, not {generator!r}")
    seeds = torch.randint(2**31, (2,), generator=generator).tolist()
    learner = _Learner(rows, constraints, score, method, search, seeds)
    learned = replace(learner.learned(rows.weights), modalities=modalities)
    if bootstrap or search.confidence == "orders":
        frequencies = learner.frequencies(bootstrap, generator)
        learned = learned.with_frequencies(
            frequencies, search.threshold, max_parents=constraints.max_parents
        )
    return replace(learned, seconds=time.perf_counter() - began)


def _warn_of_impossible(wanted: Constraints, possible: Constraints) -> None:
    """Warn of edges from measurements to labels, which the constraints allow and no score has."""
    lost = [
        f"{wanted.names[a]} -> {wanted.names[b]}"
        for a, b in np.argwhere(wanted.allowed & ~possible.allowed)
    ]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        warn_caller(
            "no edge is looked for from measurements to labels, which a conditional linear "
            f"Gaussian network cannot have: {', '.join(lost[:_SHOWN])}{more}; put the measurements "
            "into bins (mm.Discretizer, or bins=), or forbid these edges",
            ImpossibleEdgesWarning,
        )


@dataclass(frozen=True, eq=False)
class _Learner:
    """The search on the rows, or on a sample of them."""

    data: StructureData
    constraints: Constraints
    score: str
    method: str
    options: SearchOptions
    seeds: Sequence[int]

    def learned(self, weights: Float64[np.ndarray, " rows"]) -> LearnedStructure:
        """The structure that so many of each row support."""
        if self.method in _BY_TESTS:
            return self._by_tests(weights)
        data = replace(self.data, weights=weights)
        if self.options.missing == "em" and data.is_incomplete:
            random = torch.Generator().manual_seed(self.seeds[1])
            best = structural_em(data, self.constraints, self._best, random)
        else:
            best = self._best(data, self._start())
        return LearnedStructure.of_graph(
            self.constraints,
            best.adjacency,
            self.data.targets,
            score=best.score,
            method=f"{best.method}; {self.score}",
            trace=best.trace,
        )

    def _best(self, data: StructureData, start: Adjacency | None) -> FoundGraph:
        """The graph of best score on some rows."""
        rows = self._scored(data)
        begin = self.constraints.required if start is None else start
        for child, name in enumerate(data.names):
            if not np.isfinite(child_score(rows, begin, child)):
                raise LearningError(
                    f"'{name}' cannot be scored with the {begin[:, child].sum()} parents that it "
                    "starts from: they have too many states, or rows are too few"
                )
        return best_graph(rows, self.method, self.options.restarts, self.seeds[0], start)

    def _scored(self, data: StructureData) -> ScoredRows:
        strength, held_out = self.options.strength, self._held_out(data)
        return data.scored_rows(self.constraints, self.score, strength, held_out=held_out)

    def _by_tests(self, weights: Float64[np.ndarray, " rows"]) -> LearnedStructure:
        """What PC or FCI finds; of PC's graph on all rows the score is said, too."""
        all_rows = weights is self.data.weights
        learned = learn_by_tests(
            self.data,
            self.constraints,
            weights=weights,
            method=self.method,
            test=self.options.test,
            alpha=self.options.alpha,
            isolate_constant=not all_rows,
        )
        if self.method == "fci" or not all_rows:
            return learned
        return replace(learned, score=graph_score(self._scored(self.data), learned.adjacency))

    def frequencies(self, replicates: int, generator: torch.Generator) -> Frequencies:
        """The shares of arcs in graphs of resampled rows, or their probabilities over orders."""
        if self.options.confidence == "orders":
            if replicates:
                raise LearningError("confidence='orders' resamples no rows: leave bootstrap out")
            if self.data.is_incomplete:
                raise LearningError("confidence='orders' is for rows without missing cells")
            return averaged_arcs(self._scored(self.data), seed=self.seeds[0])
        weights, is_set = self.data.weights, len(self.data.is_set) > 0
        whole = self.data.has_whole(weights)
        share = np.ones_like(weights) if whole else weights
        return bootstrapped(
            lambda drawn: self.learned(drawn * share).marks,
            weights if whole else len(weights),
            replicates,
            generator,
            groups=self.data.groups,
            strata=self.data.experiment if is_set else None,
            threads=self.options.threads,
            progress=self.options.progress,
            checkpoint=self.options.checkpoint,
            belongs_to=self._identity(),
        )

    def _identity(self) -> dict[str, Any]:
        """What a bootstrap depends on, for its checkpoints."""
        data, limits = self.data, self.constraints
        arrays = (data.codes, data.values, data.weights, data.experiment, data.is_set, data.groups)
        digest = hashlib.sha256()
        for array in (*arrays, limits.allowed, limits.required):
            digest.update(np.ascontiguousarray([] if array is None else array).tobytes())
        told = {"threads", "checkpoint", "progress", "threshold"}
        options = {f.name: getattr(self.options, f.name) for f in fields(self.options)}
        return {
            "score": self.score,
            "method": self.method,
            "names": data.names,
            "rows and constraints": digest.hexdigest(),
            "max_parents": limits.max_parents,
            "options": {name: value for name, value in options.items() if name not in told},
            "seeds": list(self.seeds),
        }

    def _start(self) -> Adjacency | None:
        """The graph to start from."""
        if not self.options.start:
            return None
        places = {name: i for i, name in enumerate(self.constraints.names)}
        graph = self.constraints.required.copy()
        for cause, effect in self.options.start:
            for name in (cause, effect):
                if name not in places:
                    hint = suggestion(name, places)
                    raise UnknownVariableError(f"start names '{name}', which is no variable{hint}")
            graph[places[cause], places[effect]] = True
        self.constraints.check(graph, "the graph to start from")
        topological_order(graph, self.constraints.names)
        return graph

    def _held_out(self, data: StructureData) -> Float64[np.ndarray, " rows"] | None:
        """How many of each row, or whole groups of rows, the score is the likelihood of."""
        if self.score != "held-out":
            return None
        weights, whole = data.weights, data.has_whole(data.weights)
        shares = self._held_out_shares()
        held = weights * shares
        if self.data.groups is None and whole:
            # Copies that a bootstrap draws of one row stay on one side.
            held = np.random.default_rng(self.seeds[1]).binomial(weights.astype(np.int64), shares)
        if not 0 < held.sum() < weights.sum():
            raise LearningError(
                "the score 'held-out' needs rows on both sides: there are too few rows or groups, "
                f"or held_out={self.options.held_out:g} is too near an end"
            )
        return held.astype(np.float64)

    def _held_out_shares(self) -> Float64[np.ndarray, " rows"]:
        """The share of each row's copies that is held out, in every replicate."""
        random, share = np.random.default_rng(self.seeds[1] + 1), self.options.held_out
        weights, groups = self.data.weights, self.data.groups
        if groups is None and self.data.has_whole(weights):
            return random.binomial(weights.astype(np.int64), share) / np.maximum(weights, 1)
        units = np.arange(len(weights)) if groups is None else groups
        return (random.random(int(units.max()) + 1) < share)[units].astype(np.float64)
