"""What is asked of pictures and words beside a search: alignments, and garments in colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from mmgraph import datasets
from mmgraph.data.splits import Fold
from mmgraph.experiments.retrieval.garments import garment_drawings
from mmgraph.experiments.retrieval.questions import Questions, found, precise
from mmgraph.experiments.retrieval.recoloured import coloured_garments, unseen_pair_figures
from mmgraph.experiments.retrieval.search_data import GROUPED, SearchData, Vocabulary
from mmgraph.experiments.retrieval.stored_features import stored_features
from mmgraph.graph.errors import DatasetError
from mmgraph.retrieval.alignment.align import align
from mmgraph.retrieval.alignment.scores import directions, standardisation
from mmgraph.retrieval.alignment.translation import translation
from mmgraph.retrieval.retriever import Retriever

_LEAST_CAPTIONS = 3
"""Words of fewer captions are left out of alignments."""
_TEMPERATURE = 0.05
"""What cosines are divided by."""
_SHOWN, _NAME = 14, 32
"""Rows and columns of the matrix that is drawn, and characters of their names."""

Features = Float32[np.ndarray, "rows features"]


class Shown(NamedTuple):
    """The part of an alignment that is drawn, with names of its rows and columns."""

    matrix: Float[np.ndarray, "rows columns"]
    rows: list[str]
    columns: list[str]
    label: str = "probability"


def learned_words(data: SearchData, features: Features, fold: Fold) -> tuple[Questions, Shown]:
    """Return how well words find pictures when EM learned which word goes with which picture.

    Captions are bags of words, a picture is one part: no word is told to be the name of anything.
    """
    training, test = fold
    bags = data.words()
    known = set(Vocabulary.of(bags, least=_LEAST_CAPTIONS).words)
    learned = translation(features[training], [sorted(bags[row] & known) for row in training])
    table = learned.words_for(features[test])
    column = {str(word): place for place, word in enumerate(learned.column_names)}
    questions: Questions = {}
    for question, asked in data.asked_words().items():
        places = [place for place, word in enumerate(asked.words) if word in column]
        scores = table[:, [column[asked.words[place]] for place in places]]
        questions[question] = precise(scores.T, asked.said[test][:, places].T)
    said = asked.said[test][:, places]
    rows, columns = _exclusive(said)
    lift = scores[np.ix_(rows, columns)] / scores[:, columns].mean(0)
    names = [data.caption(test[row]).split(",")[0][:_NAME] for row in rows]
    words = [asked.words[places[column]] for column in columns]
    return questions, Shown(lift, names, words, "times as probable as of all pictures")


def _exclusive(said: Bool[np.ndarray, "pictures words"]) -> tuple[list[int], list[int]]:
    """Pictures and words, of which each picture says one, and each word is said by one."""
    rows: list[int] = []
    columns: list[int] = []
    for column in range(said.shape[1]):
        fresh = said[:, column] & ~said[:, columns].any(1)
        if fresh.any() and not said[rows, column].any() and len(rows) < _SHOWN:
            rows.append(int(fresh.argmax()))
            columns.append(column)
    return rows, columns


def vendors_assigned(
    data: SearchData, features: Features, widths: Sequence[int]
) -> tuple[Questions, Shown]:
    """Return how often the drawings of one thing by two vendors are assigned to each other.

    Nothing is learned from pairs: features are standardised by vendor, their kinds count alike, and
    the assignment makes the sum of all cosines largest.

    Parameters
    ----------
    data : SearchData
        Of two sources, with the same things in the same order.
    features : ndarray of float32, shape (rows, features)
    widths : sequence of int
        How many features each kind has.
    """
    sources = list(dict.fromkeys(data.sources))
    if len(sources) != 2:
        raise DatasetError(f"drawings of two vendors are assigned, here there are {len(sources)}")
    sides = []
    for source in sources:
        rows = features[[one == source for one in data.sources]]
        shift, scale = standardisation(rows, widths)
        sides.append(directions((rows - shift) * scale))
    scores = sides[0] @ sides[1].T
    assigned = align(scores, method="assignment", temperature=_TEMPERATURE)
    hard = np.zeros(scores.shape)
    hard[assigned.pairs[:, 0], assigned.pairs[:, 1]] = 1
    itself, groups = np.eye(len(scores), dtype=bool), data.groupings[GROUPED][: len(scores)]
    questions = {
        f"{method} of {sources[0]} in {sources[1]}": found(table, itself, groups)
        for method, table in (
            ("nearest drawing", scores),
            ("probable partner", assigned.probabilities),
            ("assigned partner", hard),
        )
    }
    places = range(min(_SHOWN, len(scores)))
    names = [data.caption(row).split(",")[0][:_NAME] for row in places]
    return questions, Shown(assigned.probabilities[np.ix_(places, places)], names, names)


def coloured_figures(
    finder: Retriever, progress: Callable[[int, str], None]
) -> list[dict[str, Any]]:
    """Return a row for each language and direction of garments in colours never seen of them."""
    drawings = garment_drawings(datasets.load("emoji"), datasets.load("tux_paint_stamps"))
    made = coloured_garments(drawings)
    kinds = [finder.image] if isinstance(finder.image, str) else finder.image
    features = [stored_features(made.pictures, kind, progress) for kind in kinds]
    rows = unseen_pair_figures(finder, made, np.concatenate(features, axis=1))
    return [
        {"question": f"coloured garment, {direction.replace('_', ' ')} ({language})", **figures}
        for language, by_direction in rows.items()
        for direction, figures in by_direction.items()
    ]
