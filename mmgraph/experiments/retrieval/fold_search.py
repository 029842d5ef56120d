"""A fold of a search: what is learned of some pictures and captions, and asked of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64

from mmgraph.data.splits import Fold
from mmgraph.experiments.retrieval.questions import (
    CATEGORY,
    Questions,
    found,
    precise,
    stacked,
)
from mmgraph.experiments.retrieval.search_data import GROUPED, SearchData
from mmgraph.retrieval.held_out_matches import Question
from mmgraph.retrieval.model import RetrievalModel
from mmgraph.retrieval.retriever import Retriever
from mmgraph.retrieval.spaces.space import Places
from mmgraph.retrieval.texts.word_splitting import split_words

_FIRST = 10

_CALIBRATED = {
    "text to picture": str(Question(True, False, "images")),
    "picture to text": str(Question(False, True, "texts")),
}
"""The retriever's names of questions that have probabilities."""


@dataclass(frozen=True, eq=False)
class FoldSearch:
    """What was learned of training rows, and the rows that it is asked of.

    Attributes
    ----------
    data : SearchData
    model : RetrievalModel
    test : ndarray of int
        Rows of the data.
    pictures : ndarray of float32, shape (tested, width)
        Their places.
    """

    data: SearchData
    model: RetrievalModel
    test: Int64[np.ndarray, " tested"]
    pictures: Places

    @classmethod
    def of(
        cls,
        data: SearchData,
        features: Float32[np.ndarray, "rows features"],
        fold: Fold,
        finder: Retriever,
        calibrated: bool = True,
    ) -> FoldSearch:
        """Learn as a retriever does, perhaps without what scores mean, which takes as long again.

        Features are of the kinds of the retriever, which is not fitted itself.
        """
        training, test = fold
        texts = {language: [rows[row] for row in training] for language, rows in data.texts.items()}
        groups, seed = [data.groups[row] for row in training], finder.random_state
        settings = finder.chosen
        model = RetrievalModel.fitted(
            settings, features[training], texts, groups, seed, calibrated=calibrated
        )
        return cls(data, model, test, model.picture_places(features[test]))

    @cached_property
    def texts(self) -> dict[str, Places]:
        """The places of the tested captions by language."""
        return {
            language: self.model.text_places({language: [rows[row] for row in self.test]})
            for language, rows in self.data.texts.items()
        }

    @property
    def sources(self) -> Iterator[Int64[np.ndarray, " of_source"]]:
        """For each source the places of its rows among those tested."""
        sources = np.array([self.data.sources[row] for row in self.test])
        for source in dict.fromkeys(self.data.sources):
            yield np.flatnonzero(sources == source)

    @property
    def groups(self) -> Int64[np.ndarray, " tested"]:
        """The group of each row that is tested."""
        return self.data.groupings[GROUPED][self.test]

    def pairs(self) -> Questions:
        """Return whether captions find their pictures, and pictures their captions.

        They are searched among those of one source; equal captions are right as well.
        """
        questions: Questions = {}
        for language, texts in self.texts.items():
            spoken = f" ({language})" if len(self.texts) > 1 else ""
            captions = np.array([self.data.caption(row, language) for row in self.test])
            for question, calibrated in _CALIBRATED.items():
                calibration, parts = self.model.calibrations.get(calibrated), []
                for of_source in self.sources:
                    rows = of_source[texts[of_source].any(1)]  # that have a caption
                    scores = texts[rows] @ self.pictures[rows].T
                    scores = scores if question == "text to picture" else scores.T
                    same = captions[rows][:, None] == captions[rows]
                    part = found(scores, same, self.groups[rows], calibration)
                    parts.append({**part, CATEGORY: self.data.category_codes[self.test][rows]})
                questions[question + spoken] = stacked(parts)
        return questions

    def words(self) -> Questions:
        """Return the average precision of words that are asked for."""
        return {
            question: precise(self._scores(words.words), words.said[self.test].T)
            for question, words in self.data.asked_words().items()
        }

    def pictures_with(self, things: Sequence[str]) -> Questions:
        """Return the average precision of pictures whose caption has a word, of all sources."""
        words = self.data.words()
        bags = [words[row] for row in self.test]
        return {
            f"pictures with '{thing}'": precise(
                self._scores([thing]), np.array([[thing in bag for bag in bags]])
            )
            for thing in things
        }

    def shown(self, queries: Sequence[str], hits: int) -> dict[str, np.ndarray]:
        """Return what is drawn: places in the space, and the first hits of queries."""
        rows = next(self.sources)
        scores = self._scores(queries)[:, rows]
        chances = self.model.calibrations[_CALIBRATED["text to picture"]]
        probabilities = chances.probabilities(scores, len(rows))
        first = np.argsort(-scores, 1, kind="stable")[:, :hits]
        return {
            "tested": self.test[rows],
            "places": self.pictures[rows],
            "hits": self.test[rows][first],
            "probabilities": np.take_along_axis(probabilities, first, 1),
        }

    def _scores(self, words: Sequence[str]) -> Float32[np.ndarray, "words tested"]:
        texts = {self.data.language: list(words)}
        return np.asarray(self.model.text_places(texts) @ self.pictures.T)

    def halves(self) -> Questions:
        """Return what pictures find with half of their words: the rest of them, or another drawing.

        Of each caption in the first language a random half of the distinct words is asked, with its
        picture and without. The other half is among those of all tested captions; of two sources
        the picture is also that of the first, and the drawing that of the second.
        """
        random = np.random.default_rng(int(self.test[0]))
        language, (rows, *others) = self.data.language, self.sources
        asked, rest = [], []
        for row in self.test[rows]:
            words = sorted(set(split_words(self.data.caption(row))))
            random.shuffle(words)
            asked.append(" ".join(words[::2]))
            rest.append(" ".join(words[1::2]) or None)
        half, remaining = (self.model.text_places({language: texts}) for texts in (asked, rest))
        usable = np.flatnonzero(half.any(1) & remaining.any(1))
        half, pictures = half[usable], self.pictures[rows][usable]
        targets = {"the other half": remaining[usable]}
        if others:
            targets["another drawing"] = self.pictures[others[0]][usable]
        questions: Questions = {}
        for target, places in targets.items():
            itself, groups = np.eye(len(usable), dtype=bool), self.groups[rows][usable]
            picture, word, both = (
                found(query @ places.T, itself, groups)
                for query in (pictures, half, (pictures + half) / 2)
            )
            for name, alone in (("picture", picture), ("words", word)):
                both[f"gain_over_{name}"] = both["recall_at_10"] - alone["recall_at_10"]
            questions |= {
                f"picture to {target}": picture,
                f"half of the words to {target}": word,
                f"both to {target}": both,
            }
        return questions

    def languages(self) -> Questions:
        """Return how many of the first ten hits of a caption its twin in English finds, too."""
        first, *others = self.texts
        questions = {}
        for language in others:
            parts = []
            for rows in self.sources:
                tens = [
                    np.argsort(-(self.texts[one][rows] @ self.pictures[rows].T), 1)[:, :_FIRST]
                    for one in (first, language)
                ]
                shared = [len(set(a) & set(b)) / len(a) for a, b in zip(*tens, strict=True)]
                parts.append({"group": self.groups[rows], "overlap": np.array(shared)})
            questions[f"same hits in {first} and {language}"] = stacked(parts)
        return questions
