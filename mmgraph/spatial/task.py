"""What is to be labelled: sensors, labels of some pixels, and unaries, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from mmgraph.graph.errors import FormatError, LearningError, MmgraphError, suggestion
from mmgraph.spatial.annotations.annotations import UNLABELLED, Annotations, Classes, Unlabelled
from mmgraph.spatial.annotations.colour_labels import refuse_wide_colours, unlabelled_hint
from mmgraph.spatial.annotations.strokes import are_strokes
from mmgraph.spatial.arrays import read_cells, real_array, reversal_hint
from mmgraph.spatial.classifiers import as_unary
from mmgraph.spatial.images.raster import size_text
from mmgraph.spatial.pixel_model import Progress, Window
from mmgraph.spatial.unaries import (
    ArrayUnary,
    LogLikelihood,
    PartialUnary,
    SilentUnary,
    Unary,
)

Image = Float[np.ndarray, "*shape bands"]

PRIORS = ("auto", "even", "annotated")
"""The priors that have a name."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(Annotations):
    """The annotations of what sensors see; a unary for each of them, which is not yet fitted.

    Sensors are NaN in all bands where they do not see. The seed is that of all that is random.
    """

    sensors: dict[str, Image]
    unaries: dict[str, Unary]
    seed: int
    progress: Progress | None

    def report(self, text: str, done: int, total: int | None) -> None:
        """Tell how far the work has come."""
        if self.progress is not None:
            self.progress(text, done, total)

    def sees(self, name: str) -> Bool[np.ndarray, "*shape"]:
        """Return which pixels a sensor sees."""
        return np.asarray(np.isfinite(self.sensors[name]).all(-1))

    def left_out(self, name: str) -> str | None:
        """Say why a sensor has no part in the answer, if so: it sees nothing, or always the same.

        A constant sensor whose opinion is there already, or is not learned, keeps its part.
        """
        rows = self.sensors[name][self.sees(name)]
        if not len(rows):
            return "sees no pixel at all"
        if self.unaries[name].learns and not (rows != rows[0]).any():
            return "sees the same value in all pixels"
        return None

    def says_nothing(self, name: str) -> Bool[np.ndarray, "*shape"]:
        """Return of which pixels a sensor says nothing: unseen, or left out of a ready opinion."""
        unary = self.unaries[name]
        unseen = ~self.sees(name)
        if isinstance(unary, ArrayUnary) and unary.silent.shape == unseen.shape:
            return np.asarray(unseen | unary.silent)
        return unseen

    def fitted(self, name: str, labelled: Bool[np.ndarray, "*shape"]) -> Unary:
        """Fit one sensor's unary to the labelled pixels that it sees.

        Of classes without such a pixel it then says nothing, and nothing at all where it sees
        labelled pixels of one class alone, or the same of all of them.
        """
        unary, visible = self.unaries[name], self.sees(name)
        if not unary.learns:
            return unary if visible.any() else SilentUnary()
        chosen = labelled & visible
        rows, codes = self.sensors[name][chosen], self.codes[chosen]
        learned, codes = np.unique(codes, return_inverse=True)
        if len(learned) < 2 or not (rows != rows[0]).any():
            return SilentUnary()
        names = [self.classes[code] for code in learned]
        try:
            unary = unary.fitted(rows, codes, names, self.seed)
        except (LearningError, ValueError) as error:  # ValueError: what scikit-learn complains of
            raise LearningError(f"sensor '{name}': {error}") from None
        return unary if len(names) == len(self.classes) else PartialUnary(unary, learned)

    def opinion(self, name: str, unary: Unary, window: Window = ()) -> LogLikelihood:
        """Return what a fitted unary says of the image, or of a part of it."""
        return unary.log_likelihood(self.sensors[name][window], self.classes)

    def log_prior(
        self, prior: str | Sequence[float] | Mapping[str, float]
    ) -> Float[np.ndarray, " classes"]:
        """Return the logarithm of the classes' probabilities before any sensor speaks.

        ``"auto"`` is even where labels were drawn, as the length of strokes says nothing of the
        classes' areas, and as annotated where they are scattered.
        """
        count = len(self.classes)
        if not isinstance(prior, str):
            return _logarithms(prior, self.classes)
        check_name("prior", prior, PRIORS)
        labelled = self.codes != UNLABELLED
        if prior == "even" or (prior == "auto" and are_strokes(labelled)):
            return np.full(count, -np.log(count))
        counts = np.bincount(self.codes[labelled], minlength=count) + 1.0
        return np.asarray(np.log(counts / counts.sum()))

    def sensor_notes(self) -> tuple[str, ...]:
        """Say of each sensor which pixels and which classes it says nothing of, if any."""
        notes = []
        for name, unary in self.unaries.items():
            visible = self.sees(name)
            if reason := self.left_out(name):
                notes.append(f"sensor '{name}' {reason}; it is left out")
                continue
            if not visible.all():
                hidden = int((~visible).sum())
                notes.append(f"sensor '{name}' does not see {hidden:,} of {visible.size:,} pixels")
            left_out = int((self.says_nothing(name) & visible).sum())
            if left_out:
                notes.append(
                    f"sensor '{name}' says nothing of {left_out:,} pixels, which its array of "
                    "opinions leaves out"
                )
            notes += self._unlearned_notes(name) if unary.learns else []
        return tuple(notes)

    def _unlearned_notes(self, name: str) -> list[str]:
        """Say which classes a sensor cannot learn, as it sees no labelled pixel of them."""
        chosen = self.sees(name) & (self.codes != UNLABELLED)
        codes, rows = self.codes[chosen], self.sensors[name][chosen]
        if len(np.unique(codes)) > 1 and not (rows != rows[0]).any():
            return [f"sensor '{name}' sees the same value in all labelled pixels; it is left out"]
        counts = np.bincount(codes, minlength=len(self.classes))
        absent = ", ".join(
            f"'{label}'" for label, count in zip(self.classes, counts, strict=True) if not count
        )
        if not absent:
            return []
        rest = "speaks of the other classes only" if (counts > 0).sum() > 1 else "is left out"
        return [f"sensor '{name}' sees no labelled pixel of {absent}; it {rest}"]

    def fully_labelled_note(self) -> str:
        """Say that nothing is left to label, and which number may stand for no label."""
        most = int(np.bincount(self.codes.reshape(-1)).argmax())
        hint = 0 if 0 in self.values else self.values[most]
        said = unlabelled_hint(hint if self.colours is None else self.colours[most])
        return (
            "every pixel is labelled, so that nothing is left to label; if one of the classes "
            f"stands for pixels without a label, say {said} (in an array these are -1, NaN and "
            "what a mask hides)"
        )

    def lost_notes(self, labels: Int64[np.ndarray, "*shape"]) -> tuple[str, ...]:
        """Say of each labelled class if it was given to no pixel but its own labelled ones."""
        if not (self.codes == UNLABELLED).any():
            return ()
        return tuple(
            f"class '{name}' was given to no pixel beyond those labelled as it; neighbours may "
            "count too much, or its labels be too few"
            for code, name in enumerate(self.classes)
            if (self.codes == code).any() and not (labels[self.codes != code] == code).any()
        )


def read_task(
    sensors: object,
    annotations: object,
    classes: Classes | None,
    unlabelled: Unlabelled,
    unaries: object,
    missing: Mapping[str, object] | None,
    generator: torch.Generator | None,
    progress: Progress | None,
) -> Task:
    """Read what :func:`~mmgraph.spatial.labelling.label_image` was given, which says what it is."""
    inputs = dict(sensors) if isinstance(sensors, Mapping) else {"image": sensors}
    if not inputs:
        raise LearningError("there is no sensor")
    if annotations is not None and not isinstance(annotations, Annotations):
        colours = isinstance(classes, Mapping) or isinstance(unlabelled, str | Sequence)
        cells, hidden = read_cells(annotations, "the annotations", FormatError)
        refuse_wide_colours(
            cells, hidden, [tuple(getattr(v, "shape", ())) for v in inputs.values()], colours
        )
    notes = _notes(annotations, classes, unlabelled)
    axes = None if notes is None else notes.codes.ndim
    images = {name: _image(name, values, axes) for name, values in inputs.items()}
    shape = next(iter(images.values())).shape[:-1]
    sizes = {f"sensor '{name}'": image.shape[:-1] for name, image in images.items()}
    if notes is None:
        names = tuple(str(name) for name in classes or ())
        notes = Annotations(
            np.full(shape, UNLABELLED, np.int64), names, tuple(range(1, len(names) + 1))
        )
    else:
        sizes["annotations"] = notes.codes.shape
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{what} {size_text(size)}" for what, size in sizes.items())
        raise LearningError(f"sizes differ: {listed}{reversal_hint(sizes)}")
    _check_classes(notes.classes)
    _hide(images, {} if missing is None else missing)
    chosen = unaries if isinstance(unaries, Mapping) else dict.fromkeys(images, unaries)
    for name in chosen:
        _check_sensor(name, images)
    named = {name: as_unary(chosen.get(name, "gaussian_mixture"), name) for name in images}
    _check_labelled(notes, named)
    seed = _seed(generator)
    return Task(**vars(notes), sensors=images, unaries=named, seed=seed, progress=progress)


def _seed(generator: torch.Generator | None) -> int:
    """Draw a seed, the same one without a generator."""
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    if not isinstance(generator, torch.Generator):
        raise LearningError(f"the generator must be a torch.Generator, not {generator!r:.40}")
    return int(torch.randint(2**31, (), generator=generator, device=generator.device))


def _notes(
    annotations: object,
    classes: Classes | None,
    unlabelled: Unlabelled,
) -> Annotations | None:
    """Return the annotations, read if they have not been."""
    if annotations is None:
        if classes is None:
            raise LearningError("without annotations the classes must be given")
        return None
    if not isinstance(annotations, Annotations):
        return Annotations.of(annotations, classes, unlabelled=unlabelled)
    if unlabelled is not None:
        raise MmgraphError(
            "unlabelled= is for annotations given as an array; these have been read already"
        )
    return annotations


def _check_classes(names: Sequence[str]) -> None:
    """Raise LearningError unless there are at least two classes."""
    if not names:
        raise LearningError("no pixel is labelled, and no classes are given")
    if len(names) == 1:
        raise LearningError(
            f"there is one class only, '{names[0]}', and nothing to tell it from: label some "
            "pixels of what it is not as a class of their own"
        )


def _image(name: str, values: object, axes: int | None) -> Image:
    image = real_array(values, f"sensor '{name}'")
    if image.ndim == 2 or (axes is not None and image.ndim == axes):
        image = image[..., None]
    if image.ndim not in (3, 4) or not image.size or (axes is not None and image.ndim != axes + 1):
        raise LearningError(
            f"sensor '{name}' has the shape {np.shape(image)}; (height, width, bands) or (depth, "
            "height, width, bands) was expected, as the annotations have it"
        )
    image[~np.isfinite(image).all(-1)] = np.nan
    return image


def _hide(images: dict[str, Image], missing: Mapping[str, object]) -> None:
    if not isinstance(missing, Mapping):
        raise LearningError(
            f"missing: masks by the names of sensors were expected, {{'{next(iter(images))}': …}}, "
            f"not {type(missing).__name__}"
        )
    for name, mask in missing.items():
        _check_sensor(name, images)
        values, unknown = read_cells(mask, f"the mask of sensor '{name}'")
        hidden = (values != 0) | unknown  # where a mask is itself masked, nobody vouches for it
        if not hidden.ndim:
            hidden = np.full(images[name].shape[:-1], hidden)
        if hidden.shape != images[name].shape[:-1]:
            raise LearningError(
                f"the mask of sensor '{name}' has the shape {hidden.shape}, its image "
                f"{images[name].shape[:-1]}"
            )
        images[name][hidden] = np.nan


def _check_sensor(name: str, sensors: Mapping[str, object]) -> None:
    if name not in sensors:
        raise MmgraphError(f"there is no sensor {name!r}{suggestion(name, sensors)}")


def _check_labelled(notes: Annotations, unaries: Mapping[str, Unary]) -> None:
    """Raise LearningError if a class has no pixel to learn from and a unary learns."""
    if not any(unary.learns for unary in unaries.values()):
        return
    absent = [code for code in range(len(notes.classes)) if not (notes.codes == code).any()]
    if absent:
        drawn = [f" ({colour})" for colour in notes.colours or ()] or [""] * len(notes.classes)
        named = ", ".join(f"'{notes.classes[code]}'{drawn[code]}" for code in absent)
        raise LearningError(f"no pixel is labelled as {named}; every class needs one to learn from")


def _logarithms(
    prior: Sequence[float] | Mapping[str, float], classes: Sequence[str]
) -> Float[np.ndarray, " classes"]:
    if isinstance(prior, Mapping):
        for name in prior:
            check_name("class", name, classes)
        absent = next((name for name in classes if name not in prior), None)
        if absent is not None:
            raise MmgraphError(f"the prior of '{absent}' is missing")
        prior = [prior[name] for name in classes]
    try:
        values = real_array(prior, "the prior")
    except LearningError:
        values = np.empty(0)
    if values.shape == (len(classes),) and np.isnan(values).any():
        name = classes[int(np.isnan(values).argmax())]
        raise MmgraphError(f"the prior of '{name}' is missing (masked or NaN)")
    if values.shape != (len(classes),) or not (values > 0).all() or not np.isfinite(values).all():
        raise MmgraphError(f"the prior must be {len(classes)} positive numbers, not {prior!r}")
    return np.asarray(np.log(values / values.sum()))


def check_name(what: str, name: object, known: Sequence[str]) -> None:
    """Raise MmgraphError if a name is not among those known; with the nearest one."""
    if name not in known:
        raise MmgraphError(
            f"no {what} is called {name!r}{suggestion(name, known)} (known: {', '.join(known)})"
        )
