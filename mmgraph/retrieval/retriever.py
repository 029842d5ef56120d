"""Pictures found by words, words by pictures, and pictures by both."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np
from jaxtyping import Bool

from mmgraph.graph.errors import (
    LearningError,
    NotFittedError,
    check_choice,
    needs,
)
from mmgraph.retrieval.collection import (
    MOST_EXACT,
    SEARCHES,
    SIDES,
    Collection,
    Side,
)
from mmgraph.retrieval.held_out_matches import Question
from mmgraph.retrieval.hits import Hits
from mmgraph.retrieval.images.described import PictureFeatures, Progress
from mmgraph.retrieval.indices.index import Id
from mmgraph.retrieval.items import described_items
from mmgraph.retrieval.model import RetrievalModel
from mmgraph.retrieval.queries import check_query, unknown_words
from mmgraph.retrieval.spaces.explanation import Reason, reasons
from mmgraph.retrieval.spaces.named import chosen_space
from mmgraph.retrieval.spaces.space import Places, Space
from mmgraph.retrieval.spaces.tag_network import FittedTagNetworkSpace
from mmgraph.retrieval.texts.features import TextFeatures
from mmgraph.retrieval.texts.language_terms import Texts
from mmgraph.retrieval.texts.named import text_features

if TYPE_CHECKING:
    from mmgraph.retrieval.images.described import Images
    from mmgraph.retrieval.images.reading import Picture


_CALIBRATED_HITS = 200


with needs("retrieval", "scikit-learn", "retrievers"):
    from sklearn.base import BaseEstimator


class Retriever(BaseEstimator):
    """Search of pictures by words, of words by pictures, and of pictures by both.

    Pairs are learned from (``fit``), other items indexed (``index``) and found (``search``). Items
    have a picture, a text, or both.

    Parameters
    ----------
    representation : str or Space
        The space in which pictures and texts are compared: a name of
        :data:`~mmgraph.retrieval.spaces.named.SPACES`, or its settings. ``"cca"`` ties a space each
        by canonical correlations, ``"kernel_cca"`` the same with a Gaussian kernel of pictures,
        ``"contrastive"`` by nets that tell a pair among the others of a batch, ``"deep_cca"`` by
        nets whose outputs correlate; ``"joint"`` is one model of both.
    image : str, or sequence of str
        What a picture is described by: names of
        :data:`~mmgraph.retrieval.images.named.IMAGE_FEATURES`, of which several stand side by side.
    text : str or TextFeatures
        What a text is described by: a name of
        :data:`~mmgraph.retrieval.texts.named.TEXT_FEATURES`, or its settings.
    random_state : int

    Attributes
    ----------
    model_ : RetrievalModel
        How pictures and texts are described and placed, and how probable matches are.
    collection_ : Collection
        The items that are searched.

    Raises
    ------
    LearningError
        By ``fit``, if there are too few pairs, or an option is unknown.

    Examples
    --------
    >>> finder = mm.Retriever(image="efficientnet_lite0")      # doctest: +SKIP
    >>> finder.fit(files, captions).index(others)                    # doctest: +SKIP
    >>> finder.search("red dress", k=3).ids                          # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "retriever"
    """The name of the kind in files."""

    def __init__(
        self,
        representation: str | Space = "cca",
        *,
        image: str | Sequence[str] = "pixels",
        text: str | TextFeatures = "words_and_letters",
        random_state: int = 0,
    ) -> None:
        self.representation = representation
        self.image = image
        self.text = text
        self.random_state = random_state

    def fit(
        self,
        images: Images,
        texts: Texts,
        *,
        groups: Sequence[Hashable] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn the space from pairs, and what its scores mean; return the retriever.

        What was indexed before is forgotten.

        Parameters
        ----------
        images : sequence of pictures, or ndarray of shape (rows, features)
            Files, bytes, arrays or images of Pillow, or their features as
            :meth:`picture_features` returns them. None where a row has no picture.
        texts : sequence of (str, sequence of str, or None), or mapping of str to such sequences
            The text of each row, or several; or such a sequence of each language.
        groups : sequence, optional
            Rows of one group, such as drawings of one series, are never on both sides when
            probabilities are calibrated on pairs held out.
        progress : callable, optional
            Told how many pictures of how many have been read.

        Raises
        ------
        LearningError
            If there are too few pairs, texts hold no words, an option is unknown, or images and
            texts differ in number.
        FormatError
            If a picture cannot be read (which).
        MissingExtraError
            If a package is not installed that the representation or the pictures need.
        """
        self.model_ = RetrievalModel.fitted(
            self.chosen, images, texts, groups, self.random_state, progress
        )
        self.collection_ = Collection.empty(self.model_.space.width)
        return self

    def index(
        self,
        images: Images | None = None,
        ids: Sequence[Id] | None = None,
        *,
        texts: Texts | None = None,
        files: Sequence[str | os.PathLike[str] | None] | None = None,
        search: str = "auto",
        progress: Progress | None = None,
    ) -> Self:
        """Index items in place of those there were, and return the retriever.

        Parameters
        ----------
        images : as of :meth:`fit`, optional
        ids : sequence of str or int, optional
            Each item's own; by default files' names where all are different, or numbers from 0.
        texts : as of :meth:`fit`, optional
        files : sequence of (path or None), optional
            Where the pictures lie, to be shown with hits, if ``images`` are their features.
        search : {"auto", "exact", "neighbours"}
            Whether each item is compared with a query, or usearch finds nearly all of the best; by
            default the latter beyond 100,000 items.
        progress : callable, optional
            As of :meth:`fit`.

        Raises
        ------
        LearningError
            If there are no items, an item has neither picture nor text, or two have one id (which).
        FormatError
            If a picture cannot be read (which).
        """
        check_choice("search", search, SEARCHES, LearningError)
        if search == "neighbours":  # before pictures are read for nothing
            Collection.empty(self._fitted.space.width, search)
        new = described_items(self._fitted, images, ids, texts, files, progress)
        if search == "auto":
            search = "neighbours" if len(new.ids) > MOST_EXACT else "exact"
        collection = Collection.empty(self._fitted.space.width, search)
        collection.add(new)
        self.collection_ = collection
        return self

    def add(
        self,
        images: Images | None = None,
        ids: Sequence[Id] | None = None,
        *,
        texts: Texts | None = None,
        files: Sequence[str | os.PathLike[str] | None] | None = None,
    ) -> Self:
        """Index more items, all or none, as :meth:`index`; return the retriever."""
        collection = self._fitted_collection
        first = collection.next_number
        collection.add(described_items(self._fitted, images, ids, texts, files, first=first))
        return self

    def delete(self, ids: Id | Iterable[Id]) -> Self:
        """Delete items, all or none; return the retriever.

        Raises
        ------
        LearningError
            If there is no such item (with the nearest id).
        """
        self._fitted_collection.delete([ids] if isinstance(ids, str | int) else list(ids))
        return self

    @overload
    def search(
        self,
        query: str | None = None,
        *,
        image: Picture | None = None,
        k: int = 10,
        find: Side | None = None,
        language: str | None = None,
    ) -> Hits: ...
    @overload
    def search(
        self,
        query: list[str] | tuple[str, ...],
        *,
        k: int = 10,
        find: Side | None = None,
        language: str | None = None,
    ) -> list[Hits]: ...
    def search(
        self,
        query: str | Sequence[str] | None = None,
        *,
        image: Picture | None = None,
        k: int = 10,
        find: Side | None = None,
        language: str | None = None,
    ) -> Hits | list[Hits]:
        """Return the items that match words, a picture, or both.

        Parameters
        ----------
        query : str, or sequence of str, optional
            Words; of several queries there are the hits of each.
        image : picture, optional
            Its place and that of the words count alike.
        k : int
            How many items are found; fewer where there are no more.
        find : {"images", "texts"}, optional
            Whether pictures or texts of items are compared; by default texts of a picture without
            words, where any are indexed, and else pictures.
        language : str, optional
            Of the words; by default those that know most of them.

        Raises
        ------
        EvidenceError
            If the query is empty.
        LearningError
            If nothing is indexed that could be found, or an option is unknown.
        FormatError
            If the picture cannot be read.

        Warns
        -----
        UnknownWordsWarning
            If no caption that was learned from has a word of the query: groups of its letters count
            then, where the texts' features have those. A query of which nothing is known at all has
            no hits.
        """
        collection = self._fitted_collection
        words: list[Any] = list(query) if isinstance(query, list | tuple) else [query]
        for number, text in enumerate(words):
            check_query(text, image, f"the query {number}" if len(words) > 1 else "the query")
        places, has_words = self._query_places(words, image, language)
        if find is None:
            of_texts = not has_words.any() and image is not None
            find = "texts" if of_texts and len(collection.indices["texts"]) else "images"
        check_choice("find", find, SIDES, LearningError)
        if not len(collection.indices[find]):
            raise LearningError(f"no {find} are indexed: call index first")
        unknown = unknown_words(self._fitted.terms, words, language)
        questions = [Question(known, image is not None, find) for known in has_words.tolist()]
        asked = zip(places, questions, unknown, strict=True)
        answers = [self._hits(place, k, question, lacking) for place, question, lacking in asked]
        return answers if isinstance(query, list | tuple) else answers[0]

    def explain(self, query: str, image: Picture, *, language: str | None = None) -> list[Reason]:
        """Return why a picture matches words, those first that say most for it.

        Raises
        ------
        LearningError
            If the representation is not ``"network"``, whose tags and clusters have names.
        FormatError
            If the picture cannot be read.
        """
        space = self._fitted.space
        if not isinstance(space, FittedTagNetworkSpace):
            raise LearningError("matches are explained by the representation 'network' alone")
        check_query(query, None, "the query")
        terms, described = self._fitted.terms, self._fitted.pictures
        names = [fitted.names for fitted in terms.languages.values()]
        texts: Texts = [query] if language is None else {language: [query]}
        return reasons(
            space, names, described.features(described.only(image)), terms.features(texts)
        )

    def picture_places(self, images: Images, progress: Progress | None = None) -> Places:
        """Return the places of pictures in the space: NaN where a row has none.

        Products with the places of texts and other pictures are their similarities.
        """
        return self._fitted.picture_places(images, progress)

    def text_places(self, texts: Texts) -> Places:
        """Return the places of texts in the space: zero where nothing of them is known."""
        return self._fitted.text_places(texts)

    def picture_features(self, images: Images, progress: Progress | None = None) -> np.ndarray:
        """Return what pictures are described by, ``(rows, features)``; NaN where a row has none.

        It may be given to all methods in place of the pictures, which are then not read again.
        """
        return PictureFeatures.named(self.image).features(images, progress)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the retriever with what is indexed, for :func:`mmgraph.read` to read.

        Parameters
        ----------
        path : str or path
            A directory ``NAME.mmgraph``, which is written whole or not at all, without pickle.

        Raises
        ------
        FormatError
            If it is not fitted, the name has another ending, or the place cannot be written.
        """
        from mmgraph.formats.resolve import write  # which loads every kind of model

        write(self, path)

    @property
    def chosen(self) -> tuple[PictureFeatures, TextFeatures, Space]:
        """The features of pictures and of texts, and the space, that the parameters name."""
        pictures, texts = PictureFeatures.named(self.image), text_features(self.text)
        return pictures, texts, chosen_space(self.representation)

    @property
    def is_fitted(self) -> bool:
        """Whether it has learned a space."""
        return hasattr(self, "collection_")

    @property
    def _fitted(self) -> RetrievalModel:
        self._check_fitted()
        return self.model_

    @property
    def _fitted_collection(self) -> Collection:
        self._check_fitted()
        return self.collection_

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise NotFittedError("the retriever is not fitted: call fit first")

    def _query_places(
        self, words: Sequence[str | None], image: Picture | None, language: str | None
    ) -> tuple[Places, Bool[np.ndarray, " queries"]]:
        """The places of queries, and which have words that are known."""
        texts: Texts = words if language is None else {language: words}
        places = self.text_places(texts)
        has_words = np.asarray(places.any(1))
        if image is not None:
            picture = self.picture_places(self._fitted.pictures.only(image))
            places = np.where(has_words[:, None], (places + picture) / 2, picture)
        return places, has_words

    def _hits(self, place: Places, k: int, question: Question, unknown: tuple[str, ...]) -> Hits:
        index, items = self.collection_.indices[question.find], self.collection_.items
        if not place.any():
            return Hits([], np.zeros(0, np.float32), np.zeros(0), [], [], unknown)
        # Probabilities are told by as many hits, however few are asked for.
        positions, scores = index.search(place[None], max(k, _CALIBRATED_HITS))
        calibration = self._fitted.calibrations[str(question)]
        probabilities = calibration.probabilities(scores, len(index))[0]
        names = index.ids
        ids = [names[position] for position in positions[0, :k]]
        captions, pictures = [items[i].caption for i in ids], [items[i].picture for i in ids]
        return Hits(ids, scores[0, :k], probabilities[:k], captions, pictures, unknown)
