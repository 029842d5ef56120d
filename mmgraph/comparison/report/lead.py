"""What a comparison comes to, in a few sentences that stand before all others."""

from __future__ import annotations

from collections.abc import Iterator

from mmgraph.comparison.report.compared_figures import PRIOR, ComparedFigures
from mmgraph.comparison.report.phrases import (
    best_part,
    distance,
    figure_of,
    modalities,
    with_interval,
)
from mmgraph.comparison.results import Answers

_GROUPED = "grouped"
_RANDOM = "random"


def lead(figures: ComparedFigures) -> str:
    """Return at most five sentences: which split counts, who is best in it, what fusion brings.

    Of two splits that of whole groups counts.
    """
    split = _GROUPED if _GROUPED in figures.splits else figures.splits[0]
    return " ".join(
        [
            *_splits(figures),
            *_best(figures, split),
            *_graphical(figures, split),
            *_fusion(figures, split),
        ]
    )


def _splits(figures: ComparedFigures) -> Iterator[str]:
    """Which of two splits is to be believed, and where they differ most."""
    if not {_RANDOM, _GROUPED} <= {*figures.splits}:
        return
    groups = figures.about.groups or "group"
    yield (
        f"Rows belong together ({groups}): believe the split '{_GROUPED}', which tests on whole "
        f"groups that were left out; at random, models are tested on groups that they have "
        "learned from."
    )
    rises = {
        (whole, at_random): _loss(figures, whole) - _loss(figures, at_random)
        for whole in figures.conditions("none")
        if whole.split == _GROUPED
        and whole.model != PRIOR
        and not whole.failed_folds
        and (at_random := figures.find(whole.model, _RANDOM, whole.given))
        and not at_random.failed_folds
    }
    if not rises or max(rises.values()) <= 0:
        yield "No model has a higher log-loss there."
        return
    whole, at_random = max(rises, key=lambda pair: rises[pair])
    yield (
        f"What differs most is {whole.model} given {modalities(whole.given)}: log-loss "
        f"{figure_of(figures, at_random, 'log_loss')} at random and "
        f"{figure_of(figures, whole, 'log_loss')} for new groups, accuracy "
        f"{figure_of(figures, at_random, 'accuracy')} and {figure_of(figures, whole, 'accuracy')}."
    )


def _best(figures: ComparedFigures, split: str) -> Iterator[str]:
    """The best model given everything: of the split that counts and, if another, at random."""
    bests = {s: ranked[0] for s in figures.splits if (ranked := figures.ranked(s))}
    if split not in bests:
        return
    best = bests[split]
    told = (
        f"Given {modalities(figures.all_modalities)}, {best.model} has the lowest log-loss"
        f"{' for new groups' if split == _GROUPED else ''}, "
        f"{with_interval(figures, best, 'log_loss')}, and accuracy "
        f"{with_interval(figures, best, 'accuracy')}"
    )
    if split != _GROUPED or _RANDOM not in bests:
        yield f"{told}."
        return
    other = bests[_RANDOM]
    same = "it is" if other.model == best.model else f"{other.model} is"
    yield (
        f"{told}; at random {same} the best, {with_interval(figures, other, 'log_loss')} and "
        f"{with_interval(figures, other, 'accuracy')}."
    )


def _graphical(figures: ComparedFigures, split: str) -> Iterator[str]:
    """The best graphical model beside the best deep one."""
    ones, others = (figures.ranked(split, (f,)) for f in ("graphical", "deep"))
    if not ones or not others:
        return
    apart = figures.difference(ones[0], others[0])
    how = {1: "is better than", -1: "is worse than", 0: "cannot be told apart from"}
    yield (
        f"The best graphical model, {ones[0].model}, {how[apart.verdict]} the best deep model, "
        f"{others[0].model}, in log-loss, {distance(apart)}."
    )


def _fusion(figures: ComparedFigures, split: str) -> Iterator[str]:
    """Whether the best model is better given everything than given its best part."""
    for whole in figures.ranked(split):
        part = best_part(figures, whole)
        if whole.model == PRIOR or part is None:
            continue
        apart = figures.difference(whole, part)
        fitted = ", fitted to it alone" if part.condition.kind == "refitted" else ""
        how = {1: "is better than", -1: "is worse than", 0: "cannot be told apart from"}
        yield (
            f"Fusion by {whole.model} {how[apart.verdict]} its best part ({part.given[0]}{fitted}) "
            f"in log-loss, {distance(apart)}."
        )
        return


def _loss(figures: ComparedFigures, one: Answers) -> float:
    return float(figures.row(one)["log_loss"])
