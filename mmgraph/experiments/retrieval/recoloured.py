"""Garments in eleven colours: is a red dress found where no red dress was among the examples?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from mmgraph.experiments.retrieval.garments import Drawing
from mmgraph.experiments.retrieval.recolouring import COLOURS, recolour
from mmgraph.retrieval.measures.ranking import ranks_against_ties

if TYPE_CHECKING:
    from mmgraph.retrieval.retriever import Retriever

_CHINESE = "黑色 白色 灰色 红色 绿色 黄色 蓝色 棕色 橙色 粉色 紫色"
_SPANISH = "negro blanco gris rojo verde amarillo azul marrón naranja rosa morado"
COLOUR_WORDS = {"en": [*COLOURS], "zh": _CHINESE.split(), "es": _SPANISH.split()}
"""By language, in the order of ``COLOURS``."""
CAPTIONS = {
    "en": "{colour} {garment}",
    "zh": "{colour}{garment}",
    "es": "{garment} de color {colour}",
}
"""In Spanish, words that agree with no gender: *vestido de color rojo*."""

_VARIATION = 0.02
"""The standard deviation of colours of one name, in Oklab: about what one just sees."""


@dataclass(frozen=True, eq=False)
class ColouredGarments:
    """Drawings in each colour.

    Attributes
    ----------
    pictures : list of ndarray of uint8, shape (height, width, 4)
    captions : dict of str to list of str
        By language.
    garments, colours : ndarray of int64, shape (pictures,)
        Which kind of garment it is, by its English name in order, and which of ``COLOURS``.
    sources : list of str
        Whose drawing it is.
    """

    pictures: list[UInt8[np.ndarray, "height width 4"]]
    captions: dict[str, list[str]]
    garments: Int64[np.ndarray, " pictures"]
    colours: Int64[np.ndarray, " pictures"]
    sources: list[str]

    @property
    def held_out(self) -> Bool[np.ndarray, " pictures"]:
        """Whether a picture's pair of garment and colour is held out: three colours of a garment.

        They move on by three from garment to garment, so that with eleven garments or more each
        colour remains with eight of eleven.
        """
        return (self.colours - 3 * self.garments) % len(COLOURS) < 3

    def one_of_each_pair(
        self, among: Bool[np.ndarray, " pictures"]
    ) -> Int64[np.ndarray, " queries"]:
        """Return the first picture of each pair of garment and colour among some pictures."""
        rows = np.flatnonzero(among)
        pairs = self.garments[rows] * len(COLOURS) + self.colours[rows]
        return rows[np.unique(pairs, return_index=True)[1]]

    def figures(
        self,
        scores: Float[np.ndarray, "queries items"],
        queries: Int64[np.ndarray, " queries"],
        items: Int64[np.ndarray, " items"],
    ) -> dict[str, float]:
        """Return how often the first hit has the right colour, garment, and both; ties against.

        Queries and items are pictures or the captions of pictures, which rows of this record name.
        """
        colour = self.colours[queries][:, None] == self.colours[items]
        garment = self.garments[queries][:, None] == self.garments[items]
        ranks = ranks_against_ties(scores, colour & garment)
        return {
            "recall_at_1": float((ranks == 1).mean()),
            "recall_at_10": float((ranks <= 10).mean()),
            "colour_right": float((ranks_against_ties(scores, colour) == 1).mean()),
            "garment_right": float((ranks_against_ties(scores, garment) == 1).mean()),
        }


def coloured_garments(drawings: Sequence[Drawing], seed: int = 0) -> ColouredGarments:
    """Return each drawing in each colour, which varies a little from picture to picture."""
    random = np.random.default_rng(seed)
    names = sorted({drawing.names["en"] for drawing in drawings})
    rows = [(drawing, code, name) for drawing in drawings for code, name in enumerate(COLOURS)]
    return ColouredGarments(
        [
            recolour(drawing.picture, name, tuple(random.normal(0, _VARIATION, 3)))
            for drawing, _, name in rows
        ],
        {
            language: [
                caption.format(colour=COLOUR_WORDS[language][code], garment=drawing.names[language])
                for drawing, code, _ in rows
            ]
            for language, caption in CAPTIONS.items()
        },
        np.array([names.index(drawing.names["en"]) for drawing, _, _ in rows], np.int64),
        np.array([code for _, code, _ in rows], np.int64),
        [drawing.source for drawing, _, _ in rows],
    )


def unseen_pair_figures(
    finder: Retriever,
    made: ColouredGarments,
    features: Float32[np.ndarray, "pictures features"],
    unseen_source: str | None = None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Fit a retriever to pairs that are not held out, and return what it finds of the others.

    Parameters
    ----------
    finder : Retriever
    made : ColouredGarments
    features : ndarray of float32, shape (pictures, features)
        Of ``finder.picture_features(made.pictures)``.
    unseen_source : str, optional
        Whose drawings no example is by, and alone are searched; by default all are searched,
        examples, too.

    Returns
    -------
    dict
        :meth:`ColouredGarments.figures` by language and direction: ``"text_to_picture"`` has a
        query of each pair held out; ``"picture_to_text"`` has each of their pictures, and the
        captions of all pairs.
    """
    searched = np.array([unseen_source in (None, source) for source in made.sources])
    examples = ~made.held_out if unseen_source is None else ~made.held_out & ~searched
    captions = {
        language: [said[row] for row in np.flatnonzero(examples)]
        for language, said in made.captions.items()
    }
    finder.fit(features[examples], captions)
    pictures, items = finder.picture_places(features), np.flatnonzero(searched)
    unseen = np.flatnonzero(made.held_out & searched)
    queries, pairs = map(made.one_of_each_pair, (made.held_out & searched, searched))
    figures = {}
    for language, said in made.captions.items():
        texts = finder.text_places({language: said})
        figures[language] = {
            "text_to_picture": made.figures(texts[queries] @ pictures[items].T, queries, items),
            "picture_to_text": made.figures(pictures[unseen] @ texts[pairs].T, unseen, pairs),
        }
    return figures
