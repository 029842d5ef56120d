"""What each modality, leaf and feature said for and against each class of a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, needs
from mmgraph.predictors.modality_sets import asked_modalities
from mmgraph.predictors.pooling.pooled_leaves import PooledLeaves

_ROWS_OF_TEXT = 5
_ROWS_AT_ONCE = 5000
"""Leaves answer so many rows in which a feature is missing in one go."""
_LARGEST = 5
"""How many leaves, and features, are named in a text."""
_OF_FEATURES = "the difference made by leaving out one cell; they do not add up"


@dataclass(frozen=True, eq=False)
class Explanation:
    """How posteriors came about, in nats; ``str`` says it in words.

    Numbers are centred: of a row they add up to zero over classes. What is printed is the
    difference of two classes: nats for the first, rather than the second, which are log-odds.

    What a leaf gives a class is its power times its log-likelihood, less the mean over classes: the
    logarithm of a posterior is that of the prior, plus what all leaves give, up to a constant a
    row. What a feature gives is how much of that is lost when the feature is taken away, so that
    leaves see its mean given the others (Robnik-Šikonja and Kononenko 2008, "Explaining
    classifications for individual instances"); powers stay. Of features that are independent
    given the class this adds up to what their leaves give; of two that say the same, each gives
    little.

    Attributes
    ----------
    classes : tuple
        The labels.
    leaves : tuple of (modality, leaf)
        Leaves of several modalities are of ``joint``.
    nats : ndarray, shape (leaves, rows, classes)
        What each leaf gives for (above zero) and against (below) each class.
    prior : ndarray, shape (classes,)
        The probabilities without any leaf.
    posterior : ndarray, shape (rows, classes)
        The probabilities.
    without : dict of str to ndarray
        The probabilities if one more modality were missing, ``(rows, classes)`` each.
    features : tuple of (modality, feature)
        Columns, elements of arrays, channels of sequences, words of texts; none unless asked for.
    feature_nats : ndarray, shape (features, rows, classes)
        What each feature gives for and against each class, through all leaves that see it.
    missing : dict of str to ndarray
        The rows in which a modality looked at is missing; of ``joint`` leaves, one of theirs.
    """

    classes: tuple[Any, ...]
    leaves: tuple[tuple[str, str], ...]
    nats: Float64[np.ndarray, "leaves rows classes"]
    prior: Float64[np.ndarray, " classes"]
    posterior: Float64[np.ndarray, "rows classes"]
    without: dict[str, Float64[np.ndarray, "rows classes"]]
    features: tuple[tuple[str, str], ...]
    feature_nats: Float64[np.ndarray, "features rows classes"]
    missing: dict[str, Bool[np.ndarray, " rows"]]

    def to_frame(self) -> Any:
        """Return a line for each row and leaf, with the nats for and against each class.

        They are centred, adding up to zero over classes. Leaves of what is missing have no line.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        return self._frame("leaf", self.leaves, self.nats)

    def features_frame(self) -> Any:
        """Return a line for each row and feature, with the nats for and against each class.

        As :meth:`to_frame`; each is the difference made by leaving out one cell, and those of
        features that say the same do not add up.

        Raises
        ------
        LearningError
            If the features were not asked for.
        MissingExtraError
            If pandas is not installed.
        """
        if not self.features:
            raise LearningError("nothing is said of features: explain(rows, features=True) does")
        return self._frame("feature", self.features, self.feature_nats)

    def _frame(
        self, what: str, names: Sequence[tuple[str, str]], nats: Float64[np.ndarray, "..."]
    ) -> Any:
        with needs("data", "pandas", "a data frame"):
            import pandas
        lines = [
            {"row": row, "modality": modality, what: name}
            | dict(zip(self.classes, nats[place, row].tolist(), strict=True))
            for row in range(nats.shape[1])
            for place, (modality, name) in enumerate(names)
            if not self._lacks(modality, row)
        ]
        columns = ["row", "modality", what, *self.classes]
        return pandas.DataFrame(lines, columns=None if lines else columns)

    def _lacks(self, modality: str, row: int) -> bool:
        """Whether a row lacks a modality that was looked at, or one of those of joint leaves."""
        return modality in self.missing and bool(self.missing[modality][row])

    def __str__(self) -> str:
        rows = len(self.posterior)
        blocks = ["\n".join(self._lines(row)) for row in range(min(rows, _ROWS_OF_TEXT))]
        if rows > _ROWS_OF_TEXT:
            blocks.append(f"… and {rows - _ROWS_OF_TEXT} more rows")
        return "\n\n".join(blocks)

    def _lines(self, row: int) -> Iterator[str]:
        """What is said of a row: what speaks for its class, and not for the next best one."""
        first, second = np.argsort(-self.posterior[row], kind="stable")[:2]

        def probabilities(table: Float64[np.ndarray, " classes"]) -> str:
            return ", ".join(f"{self.classes[c]} {table[c]:.3f}" for c in (first, second))

        def ratios(nats: Float64[np.ndarray, "terms rows classes"]) -> np.ndarray:
            return nats[:, row, first] - nats[:, row, second]

        leaves = ratios(self.nats)
        prior = float(np.log(self.prior[first] / self.prior[second]))
        answer = probabilities(self.posterior[row])
        yield f"row {row}: {answer} (prior: {probabilities(self.prior)})"
        yield f"nats for {self.classes[first]}, rather than {self.classes[second]} (log-odds):"
        modalities: dict[str, float] = {}
        for (modality, _), nats in zip(self.leaves, leaves, strict=True):
            modalities[modality] = modalities.get(modality, 0.0) + float(nats)
        together = prior + float(leaves.sum())
        terms = [("prior", prior), *modalities.items(), ("together", together)]
        width = max(len(name) for name, _ in terms)
        for name, nats in terms:
            is_term = name not in modalities or not self._lacks(name, row)
            yield f"  {name:<{width}} {f'{nats:+7.2f}' if is_term else 'missing'}"
        names = [f"{modality} {leaf}" for modality, leaf in self.leaves]
        yield f"largest leaves: {_largest(names, leaves)}"
        if self.features:
            features = [f"{modality} {feature}" for modality, feature in self.features]
            yield f"largest features: {_largest(features, ratios(self.feature_nats))}"
            yield f"  ({_OF_FEATURES})"
        for modality, table in self.without.items():
            if not self._lacks(modality, row):
                yield f"without {modality}: {probabilities(table[row])}"


def _largest(names: Sequence[str], nats: Float64[np.ndarray, " terms"]) -> str:
    order = np.argsort(-np.abs(nats), kind="stable")[:_LARGEST]
    return ", ".join(f"{names[place]} {nats[place]:+.2f}" for place in order)


def explained(
    model: PooledLeaves,
    data: MultimodalData,
    given: Collection[str] | None,
    features: bool = False,
) -> Explanation:
    """Return how the posteriors of rows came about, as of :meth:`PooledLeaves.predict_proba`.

    What features give costs a prediction for each of them.
    """
    asked = asked_modalities(model.modalities, given)
    places = [leaf.place for leaf in model.leaves]
    names: list[tuple[str, str]] = []
    nats = [np.zeros((0, len(data), model.target.cardinality))]
    for modality in asked if features else ():
        parts = data.block(modality).parts(modality)
        names += [(modality, part) for part in parts]
        nats.append(_nats_of_parts(model, data, asked, modality))
    return Explanation(
        model.target.labels,
        tuple((p.place, p.kind) for p in places),
        _centred(model.contributions(data, asked)),
        np.exp(model.log_prior),
        model.predict_proba(data, asked),
        {m: model.predict_proba(data, [other for other in asked if other != m]) for m in asked},
        tuple(names),
        _centred(np.concatenate(nats)),
        {m: data.block(m).missing for m in asked}
        | {p.place: ~p.sees(data) for p in places if len(p.modalities) > 1},
    )


def _nats_of_parts(
    model: PooledLeaves, data: MultimodalData, asked: Collection[str], modality: str
) -> Float64[np.ndarray, "parts rows classes"]:
    """How much less leaves give where one part of a modality is missing."""
    block, rows = data.block(modality), len(data)
    count = len(block.parts(modality))
    nats = np.zeros((count, rows, model.target.cardinality))
    heard = [
        (leaf, powers, _centred(leaf.log_likelihoods(data)))
        for leaf, powers in zip(model.leaves, model.powers(data, asked), strict=True)
        if modality in leaf.place.modalities and powers.any()
    ]
    step = max(_ROWS_AT_ONCE // max(rows, 1), 1)
    for start in range(0, count if heard else 0, step):
        parts = range(start, min(start + step, count))
        first, *others = [block.without_part(part) for part in parts]
        repeated = data.rows(np.tile(np.arange(rows), len(parts)))
        blocks = {**repeated.blocks, modality: first.join(others)}
        altered = replace(repeated, blocks=blocks)
        for leaf, powers, whole in heard:
            less = _centred(leaf.log_likelihoods(altered)).reshape(len(parts), rows, -1)
            nats[start : start + len(parts)] += powers[:, None] * (whole - less)
    return nats


def _centred(nats: Float64[np.ndarray, "*terms classes"]) -> Float64[np.ndarray, "*terms classes"]:
    return nats - nats.mean(-1, keepdims=True)
