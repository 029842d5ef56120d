"""Which part of a picture each word of its caption goes with, learned from many captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import xlogy

from mmgraph.graph.errors import ConvergenceWarning, MmgraphError, warn_caller
from mmgraph.inference.options import check_count
from mmgraph.retrieval.alignment.alignment import Alignment
from mmgraph.retrieval.alignment.part_clusters import PartClusters, checked_parts

Table = Float64[np.ndarray, "clusters words"]
Bags = Float64[np.ndarray, "items words"]


@dataclass(frozen=True, eq=False)
class Translation(Alignment):
    """Which words go with which clusters of parts, and so with which parts of any picture.

    Rows are clusters, columns words. ``probabilities`` are those of each word given a cluster,
    ``unmatched_columns`` the share of a word's occurrences that is expected to go with no part.
    ``pairs`` has the cluster that most occurrences of a word go with, unless more go with none.
    ``score`` is the log-likelihood of all words.

    Attributes
    ----------
    clusters : PartClusters
    null : float
        How probably a word goes with no part.
    null_words : ndarray, shape (words,)
        How probable each word is then.
    """

    clusters: PartClusters = field(kw_only=True)
    null: float = field(kw_only=True)
    null_words: Float64[np.ndarray, "words"] = field(kw_only=True)

    def words_for(self, items: Any) -> Float64[np.ndarray, "items words"]:
        """Return how probable each word is for each picture, given that it goes with a part.

        Parameters
        ----------
        items : list of bags of parts, or ndarray of float, shape (items, features)
            As ``a`` of :func:`translation`. For parts of clusters never seen words are as probable
            as for none.

        Raises
        ------
        MmgraphError
            If parts are of another kind or width than those learned from.
        """
        mixing = self.clusters.mixing(checked_parts(items))
        unknown = np.clip(1 - mixing.sum(1, keepdims=True), 0, 1)
        return mixing @ self.probabilities + unknown * self.null_words

    def of(self, parts: Any, words: Sequence[str]) -> Alignment:
        """Return which part of one picture (rows) each of some words (columns) goes with.

        Raises
        ------
        MmgraphError
            If there is no word, or parts are of another kind or width than those learned from.
        """
        if isinstance(words, str) or not len(words):
            raise MmgraphError(f"words are a list of one word or more, not {words!r:.80}")
        each = [part[None] for part in checked_parts([parts])[0]]
        tables = np.vstack([self.clusters.mixing(each) @ self.probabilities, self.null_words])
        tables *= np.append(np.full(len(each), (1 - self.null) / len(each)), self.null)[:, None]
        # A word that is not known goes with no part.
        tables = np.c_[tables, np.eye(len(tables))[-1]]
        place = {word: i for i, word in enumerate(self.column_names)}
        joint = tables[:, [place.get(word, -1) for word in words]]
        total = joint.sum(0)
        # Words that nothing could have given go with no part.
        joint[-1, total == 0] = 1.0
        posterior = joint / joint.sum(0)
        best = posterior.argmax(0)
        pairs = np.column_stack([best, np.arange(len(words))])[best < len(each)]
        score = float(np.log(np.maximum(total, np.finfo(float).tiny)).sum())
        return Alignment(
            "em",
            posterior[:-1],
            pairs,
            score,
            unmatched_columns=posterior[-1],
            column_names=tuple(words),
        )


def translation(
    a: Any,
    b: Any,
    *,
    clusters: int | None = None,
    concentration: float = 12.5,
    widths: Sequence[int] | None = None,
    null: float = 0.2,
    smoothing: float = 20.0,
    max_iterations: int = 100,
    seed: int = 0,
) -> Translation:
    """Learn by EM which words go with which parts (IBM model 1: Brown et al. 1993, section 4.1).

    Each word of a caption goes with no part or with one, all as likely. The part belongs to a
    cluster, softly if it has a vector, and the word is drawn from the cluster's table. The
    log-likelihood is concave in the tables, so that EM finds its maximum from any start.

    Parameters
    ----------
    a : list of bags of parts, or ndarray of float, shape (items, features)
        Of each picture its parts: numbers of clusters (a vector of int), or vectors (a matrix of
        float, shape (parts, features)). One matrix for all: each picture is one part.
    b : list of lists of str
        The words of each picture; some may have none.
    clusters : int, optional
        Of parts with vectors, by k-means. By default every part is a cluster, up to 2,000.
    concentration : float
        How fast membership falls with the angle to a cluster: as exp(concentration cosine), of
        vectors that are standardised first.
    widths : sequence of int, optional
        Of kinds of features side by side, which then count equally (``ImageFeatures.widths``).
    null : float
        How probably a word goes with no part.
    smoothing : float
        Pseudo-counts of each table, shared out by the frequencies of words.
    max_iterations : int
        Unless the objective grows by less than a millionth before; else a ConvergenceWarning.
    seed : int
        Of k-means.

    Raises
    ------
    MmgraphError
        If a side is empty or not what it must be (names the item), they have not as many items, or
        an option is out of range.
    """
    parts, captions = checked_parts(a), _checked_captions(b)
    if len(parts) != len(captions):
        raise MmgraphError(f"a has {len(parts)} pictures, b {len(captions)} captions")
    if not (0 <= null < 1 and 0 <= concentration < np.inf and 0 <= smoothing < np.inf):
        raise MmgraphError(
            "concentration and smoothing are zero or more, null is a probability below one: "
            f"{concentration}, {smoothing}, {null}"
        )
    check_count(1 if clusters is None else clusters, "clusters")
    check_count(max_iterations, "max_iterations")
    vocabulary = sorted({word for caption in captions for word in caption})
    place = {word: i for i, word in enumerate(vocabulary)}
    bags = np.zeros((len(captions), len(vocabulary)))
    for row, caption in zip(bags, captions, strict=True):
        for word in caption:
            row[place[word]] += 1
    known = PartClusters.of(parts, clusters, concentration, widths, seed)
    # No match is one more cluster, the last.
    mixing = np.c_[(1 - null) * known.mixing(parts), np.full(len(parts), null)]
    frequencies = bags.sum(0) / bags.sum()
    table, objective, converged = np.tile(frequencies, (mixing.shape[1], 1)), -np.inf, False
    for iteration in range(1, max_iterations + 1):
        counts, log_likelihood = expected_counts(mixing, table, bags)
        before, iterations = objective, iteration
        objective = log_likelihood + smoothing * float(xlogy(frequencies, table).sum())
        converged = objective - before <= 1e-6 * abs(objective)
        if converged:
            break
        grown = counts + smoothing * frequencies
        totals = grown.sum(1, keepdims=True)
        table = np.where(totals > 0, grown / np.where(totals > 0, totals, 1.0), table)
    if not converged:
        warn_caller(f"EM has not converged in {max_iterations} iterations", ConvergenceWarning)
    best = counts.argmax(0)
    return Translation(
        "em",
        table[:-1],
        np.column_stack([best, np.arange(len(vocabulary))])[best < len(table) - 1],
        log_likelihood,
        unmatched_columns=counts[-1] / bags.sum(0),
        converged=converged,
        iterations=iterations,
        row_names=known.names,
        column_names=tuple(vocabulary),
        clusters=known,
        null=null,
        null_words=table[-1],
    )


def expected_counts(
    mixing: Float64[np.ndarray, "items clusters"], table: Table, bags: Bags
) -> tuple[Table, float]:
    """Return how often each word goes with each cluster, and the log-likelihood of all words.

    The E-step in closed form: what ``expected_family_counts`` says of the network picture → cluster
    → word, without a join tree.
    """
    given = mixing @ table
    counts = table * (mixing.T @ (bags / np.where(given > 0, given, 1.0)))
    return counts, float(xlogy(bags, given).sum())


def _checked_captions(captions: Any) -> list[list[str]]:
    if isinstance(captions, np.ndarray):
        captions = captions.tolist()
    if isinstance(captions, str) or not isinstance(captions, Sequence) or not any(captions):
        raise MmgraphError("b is a list of lists of words, one for each picture, and has a word")
    for place, caption in enumerate(captions):
        if isinstance(caption, str) or not all(isinstance(word, str) for word in caption):
            raise MmgraphError(f"caption {place} of b is no list of words: {caption!r:.80}")
    return [list(caption) for caption in captions]
