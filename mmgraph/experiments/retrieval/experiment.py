"""A ready search: how well pictures and captions find each other that were not learned from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from mmgraph.data.splits import Fold, grouped_folds, train_and_test
from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.pictures import save_figures
from mmgraph.experiments.retrieval.declaration import RetrievalDeclaration, read_retrieval
from mmgraph.experiments.retrieval.fold_search import FoldSearch
from mmgraph.experiments.retrieval.pictures import search_figures
from mmgraph.experiments.retrieval.questions import (
    Columns,
    Questions,
    figures,
    flat,
    stacked,
    unflat,
)
from mmgraph.experiments.retrieval.search_data import (
    ALL_SETS,
    GROUPED,
    TAGS,
    SearchData,
    search_data,
)
from mmgraph.experiments.retrieval.side_tasks import (
    Shown,
    coloured_figures,
    learned_words,
    vendors_assigned,
)
from mmgraph.experiments.retrieval.stored_features import stored_features
from mmgraph.graph.errors import DatasetError, MmgraphError
from mmgraph.plots import alignment_matrix
from mmgraph.retrieval.images.described import PictureFeatures
from mmgraph.retrieval.retriever import Retriever

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PARTS = 100
"""Of progress, in a step that reads pictures."""
_HITS = 8
"""How many hits a sheet shows of a query."""
_OF_ALL_SETS = " of all sets"
_BY_CATEGORY = "recall_at_10_by_category"


class Search(NamedTuple):
    """What is compared: a representation, and what pictures are described by."""

    representation: str
    image: tuple[str, ...]


def job(name: str | os.PathLike[str], directory: Path | None) -> SearchJob:
    """Return the job of a declaration."""
    return SearchJob(read_retrieval(name), directory)


class SearchJob(Job):
    """A retriever that is cross-validated, beside other representations, with tasks of its own."""

    kind = "retrieval"
    declaration: RetrievalDeclaration

    def __init__(self, declaration: RetrievalDeclaration, directory: Path | None) -> None:
        super().__init__(declaration, directory)
        self.data = declaration.data()
        self._features: dict[tuple[str, str], Float32[np.ndarray, "pictures features"]] = {}
        self._folds_run = declaration.folds
        for split in declaration.splits:
            if split not in self.data.groupings:
                known = ", ".join(self.data.groupings)
                raise DatasetError(f"the pictures cannot be split by {split}; splits are {known}")

    @property
    def main(self) -> Search:
        """What is declared, beside what else is compared."""
        return Search(self.declaration.representation, self.declaration.image)

    def arrays(self) -> Iterable[np.ndarray]:
        """Return digests of the pictures, captions and groups."""
        return self.data.arrays()

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each fold of each split and search, and those of tasks.

        Raises
        ------
        MmgraphError
            If there are not so many folds.
        """
        declared = self.declaration
        if limit is not None and limit > declared.folds:
            raise MmgraphError(f"there are {declared.folds} folds, not {limit}")
        self._folds_run = limit or declared.folds
        beside = [Search(one, declared.image) for one in declared.beside]
        beside += [Search(declared.representation, (one,)) for one in declared.images_beside]
        # Features are stored by themselves, so that this step is always taken.
        steps = [Step("pictures", "", self._describe, _PARTS, keeps=False)]
        for split in declared.splits:
            for search in [self.main, *(beside if split == GROUPED else ())]:
                label = f"split {split}, {search.representation} of {' and '.join(search.image)}"
                name = f"{split}-{search.representation}-{'-'.join(search.image)}"
                steps += self._in_folds(name, label, partial(self._fold, split, search))
        if "alignment" in declared.tasks:
            steps += self._in_folds("alignment", "words learned by EM", self._learned_words)
        if "all_sets" in declared.tasks:
            steps += self._in_folds("all_sets", "all sets", self._all_sets, _PARTS)
        if "vendors" in declared.tasks:
            steps.append(Step("vendors", "drawings of two vendors assigned", self._vendors))
        if "coloured_garments" in declared.tasks:
            steps.append(Step("garments", "coloured garments", self._garments, _PARTS))
        return steps

    def _in_folds(
        self, name: str, label: str, run: Callable[..., Answer], parts: int = 1
    ) -> list[Step]:
        return [
            Step(f"{name}-{number}", f"{label}, fold {number + 1}", partial(run, number), parts)
            for number in range(self._folds_run)
        ]

    def fold(self, data: SearchData, split: str, number: int) -> Fold:
        """Return the training and test rows of a fold, of those that have a picture."""
        folds = grouped_folds(data.groupings[split], self.declaration.folds, self.declaration.seed)
        there = np.array([one is not None for one in data.pictures])
        training, test = train_and_test(folds)[number]
        return training[there[training]], test[there[test]]

    def finder(self, search: Search) -> Retriever:
        """Return a retriever that is not fitted yet."""
        text, seed = self.declaration.text, self.declaration.seed
        return Retriever(search.representation, image=search.image, text=text, random_state=seed)

    def features(
        self, progress: StepProgress, image: Sequence[str], name: str = "", pictures: Any = None
    ) -> Float32[np.ndarray, "pictures features"]:
        """Return features of a set of pictures, by default the own, each kind made once."""
        for kind in image:
            if (name, kind) not in self._features:
                chosen = self.data.pictures if pictures is None else pictures
                self._features[name, kind] = stored_features(chosen, kind, progress)
        return np.concatenate([self._features[name, kind] for kind in image], axis=1)

    def _describe(self, progress: StepProgress, scratch: Path | None) -> Answer:
        self.features(progress, [*self.main.image, *self.declaration.images_beside])
        return Answer({})

    def _fold(
        self, split: str, search: Search, number: int, progress: StepProgress, scratch: Path | None
    ) -> Answer:
        features = self.features(progress, search.image)
        fold = self.fold(self.data, split, number)
        # What scores mean is learned once: it takes as long as all the rest.
        main = search == self.main and split == GROUPED
        made = FoldSearch.of(self.data, features, fold, self.finder(search), calibrated=main)
        questions, arrays = made.pairs() | made.words(), {}
        if main:
            questions |= made.halves() | made.languages()
            if number == 0:
                arrays = made.shown(self.declaration.queries, _HITS)
        return Answer(flat(questions) | arrays, _place(split, search))

    def _learned_words(self, number: int, progress: StepProgress, scratch: Path | None) -> Answer:
        fold = self.fold(self.data, GROUPED, number)
        questions, shown = learned_words(self.data, self.features(progress, self.main.image), fold)
        place = _place(GROUPED, Search("alignment by EM", self.main.image))
        return _aligned(questions, shown, place, "Words of pictures, learned by EM")

    def _all_sets(self, number: int, progress: StepProgress, scratch: Path | None) -> Answer:
        own, language = self.declaration.dataset, self.data.language
        others = {name: search_data(name, [language]) for name in ALL_SETS if name != own}
        described = [self.features(progress, self.main.image)]
        for name, one in others.items():
            described.append(self.features(progress, self.main.image, name, one.pictures))
        data = SearchData.union({own: self.data, **others})
        fold, finder = self.fold(data, GROUPED, number), self.finder(self.main)
        made = FoldSearch.of(data, np.concatenate(described), fold, finder, calibrated=False)
        questions = made.pairs() | made.pictures_with(self.declaration.pictures_with)
        place = _place(GROUPED, Search(self.main.representation + _OF_ALL_SETS, self.main.image))
        return Answer(flat(questions), place)

    def _vendors(self, progress: StepProgress, scratch: Path | None) -> Answer:
        widths = PictureFeatures.named(self.main.image).widths
        features = self.features(progress, self.main.image)
        questions, shown = vendors_assigned(self.data, features, widths)
        place = _place("none", Search("assignment", self.main.image))
        return _aligned(questions, shown, place, "Drawings of two vendors")

    def _garments(self, progress: StepProgress, scratch: Path | None) -> Answer:
        # Colours need all features that there are.
        image = (*self.main.image, *self.declaration.images_beside)
        search = Search(self.main.representation, image)
        place = _place("pairs held out", search)
        made = coloured_figures(self.finder(search), progress)
        return Answer({}, {"rows": [place | row for row in made]})

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return rows of figures by split, search and question, and what they come to in words."""
        lots: dict[tuple[str, ...], list[Columns]] = {}
        rows: list[dict[str, Any]] = []
        for answer in answers.values():
            notes = answer.notes or {}
            rows += notes.get("rows", [])
            for question, columns in unflat(answer.arrays).items():
                place = (question, notes["split"], notes["model"], *notes["image"])
                lots.setdefault(place, []).append(columns)
        made = []
        for (question, split, model, *image), folds in lots.items():
            sets = ALL_SETS if model.endswith(_OF_ALL_SETS) else self.data.categories
            row = figures(stacked(folds), sorted({*sets}))
            where = _place(split, Search(model, tuple(image)))
            made.append({"question": question, **where, **row})
        return {
            "rows": len(self.data),
            "folds": {"run": self._folds_run, "declared": self.declaration.folds},
            "results": made + rows,
            "words": self._sentences(made),
        }

    def _sentences(self, rows: list[dict[str, Any]]) -> list[str]:
        """What the splits and categories of the declared search come to, and the tags."""
        first, said = self.declaration.splits[0], []
        for row in (row for row in rows if row["split"] == first):
            model = row["model"].removesuffix(_OF_ALL_SETS)
            if (model, tuple(row["image"])) != self.main or _BY_CATEGORY not in row:
                continue
            same = [r for r in rows if all(r[k] == row[k] for k in ("question", "model", "image"))]
            splits = ", ".join(f"{one['recall_at_10']:.3f} ({one['split']})" for one in same)
            parts = ", ".join(
                f"{recall:.3f} of {name}" for name, recall in row[_BY_CATEGORY].items()
            )
            said.append(
                f"Recall at 10 of {row['question']}, {row['model']}: {splits}; ({first}) {parts}."
            )
        tags = self.data.asked_words().get(TAGS)
        if tags is not None:
            said.append(f"The {len(tags.words)} tags that are asked for: {', '.join(tags.words)}.")
        return said

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the hits of queries, the space by category, and what was aligned."""
        made: dict[str, Figure] = {}
        for answer in answers.values():
            if "hits" in answer.arrays:
                title = self.declaration.title or self.declaration.name
                made |= search_figures(self.data, self.declaration.queries, answer.arrays, title)
            if "matrix" in answer.arrays and "alignment" not in made:
                notes = answer.notes
                made["alignment"] = alignment_matrix(
                    answer.arrays["matrix"],
                    notes["shown_rows"],
                    notes["shown_columns"],
                    label=notes["label"],
                    title=notes["title"],
                )
        return save_figures(directory, made)


def _place(split: str, search: Search) -> dict[str, Any]:
    """What rows of results say of where they come from."""
    return {"split": split, "model": search.representation, "image": [*search.image]}


def _aligned(questions: Questions, shown: Shown, place: dict[str, Any], title: str) -> Answer:
    names = {"shown_rows": shown.rows, "shown_columns": shown.columns, "label": shown.label}
    return Answer(flat(questions) | {"matrix": shown.matrix}, {**place, **names, "title": title})
