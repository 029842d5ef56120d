"""What is to be labelled: sensors, labels of some pixels, and unaries, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from mmgraph.graph.errors import LearningError, MmgraphError, suggestion
from mmgraph.spatial.annotations import UNLABELLED, Annotations
from mmgraph.spatial.classifiers import as_unary
from mmgraph.spatial.pixel_model import Progress, Window
from mmgraph.spatial.unaries import ArrayUnary, LogLikelihood, ModuleUnary, Unary

Image = Float[np.ndarray, "*shape bands"]


@dataclass(frozen=True, eq=False)
class Task:
    """A task that was read by :func:`read_task`.

    Attributes
    ----------
    sensors : dict of str to ndarray, shape (*shape, bands)
        NaN in all bands where a sensor does not see.
    unaries : dict of str to Unary
        One for each sensor, not yet fitted.
    codes : ndarray of int64, shape (*shape,)
        Class indices, ``UNLABELLED`` where nothing is known.
    classes : tuple of str
        Their names.
    seed : int
        Of what is random.
    progress : function or None
        Told of every step.
    """

    sensors: dict[str, Image]
    unaries: dict[str, Unary]
    codes: Int64[np.ndarray, "*shape"]
    classes: tuple[str, ...]
    seed: int
    progress: Progress | None

    def report(self, text: str, done: int, total: int | None) -> None:
        """Tell how far the work has come."""
        if self.progress is not None:
            self.progress(text, done, total)

    def sees(self, name: str) -> Bool[np.ndarray, "*shape"]:
        """Return which pixels a sensor sees."""
        return np.asarray(np.isfinite(self.sensors[name]).all(-1))

    def learns_every_class(self, name: str, labelled: Bool[np.ndarray, "*shape"]) -> bool:
        """Return whether a sensor sees a labelled pixel of every class, or sees none at all."""
        seen = self.sees(name)
        counts = np.bincount(self.codes[labelled & seen], minlength=len(self.classes))
        return bool((counts > 0).all()) or not seen.any()

    def fitted(self, name: str, labelled: Bool[np.ndarray, "*shape"]) -> Unary:
        """Fit one sensor's unary to the labelled pixels that it sees.

        Raises
        ------
        LearningError
            If that cannot be done; the message names the sensor.
        """
        unary, seen = self.unaries[name], self.sees(name)
        if not seen.any() or len(self.classes) == 1:  # nothing to learn from, or nothing to tell
            return ArrayUnary(log_likelihoods=np.zeros((*seen.shape, len(self.classes))))
        chosen = labelled & seen
        rows, codes = self.sensors[name][chosen], self.codes[chosen]
        try:
            return unary.fitted(rows, codes, self.classes, self.seed)
        except (LearningError, ValueError) as error:  # ValueError: what scikit-learn complains of
            raise LearningError(f"sensor '{name}': {error}") from None

    def opinion(self, name: str, unary: Unary, window: Window = ()) -> LogLikelihood:
        """Return what a fitted unary says of the image, or of a part of it."""
        return unary.log_likelihood(self.sensors[name][window], self.classes)

    def log_prior(self, prior: str | Sequence[float]) -> Float[np.ndarray, " classes"]:
        """Return the logarithm of the classes' probabilities before any sensor speaks."""
        count = len(self.classes)
        if isinstance(prior, str):
            if prior == "even":
                return np.zeros(count)
            if prior != "annotated":
                hint = suggestion(prior, ("even", "annotated"))
                raise MmgraphError(
                    f"the prior is 'even', 'annotated' or numbers, not {prior!r}{hint}"
                )
            counts = np.bincount(self.codes[self.codes != UNLABELLED], minlength=count) + 1.0
            return np.asarray(np.log(counts / counts.sum()))
        try:
            values = np.asarray(prior, np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (count,) or not (values > 0).all() or not np.isfinite(values).all():
            raise MmgraphError(f"the prior must be {count} positive numbers, not {prior!r}")
        return np.asarray(np.log(values / values.sum()))

    def missing_notes(self) -> tuple[str, ...]:
        """Say of each sensor how many pixels it does not see, if any."""
        notes = []
        for name in self.sensors:
            seen = self.sees(name)
            if not seen.any():
                notes.append(f"sensor '{name}' sees no pixel at all; it is left out")
            elif not seen.all():
                hidden = int((~seen).sum())
                notes.append(f"sensor '{name}' does not see {hidden:,} of {seen.size:,} pixels")
        return tuple(notes)

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
    classes: Sequence[object] | None,
    unaries: object,
    missing: Mapping[str, object] | None,
    generator: torch.Generator | None,
    progress: Progress | None,
) -> Task:
    """Read what :func:`~mmgraph.spatial.labelling.label_image` was given, which says what it is.

    Raises
    ------
    LearningError, MmgraphError
        As there.
    """
    given = dict(sensors) if isinstance(sensors, Mapping) else {"image": sensors}
    if not given:
        raise LearningError("there is no sensor")
    notes = annotations
    if notes is not None and not isinstance(notes, Annotations):
        notes = Annotations.of(notes, classes)
    axes = None if notes is None else notes.codes.ndim
    images = {name: _image(name, values, axes) for name, values in given.items()}
    shape = next(iter(images.values())).shape[:-1]
    sizes = {f"sensor '{name}'": image.shape[:-1] for name, image in images.items()}
    if notes is None:
        if classes is None:
            raise LearningError("without annotations the classes must be given")
        names = tuple(str(name) for name in classes)
        codes = np.full(shape, UNLABELLED, np.int64)
    else:
        names, codes = notes.classes, notes.codes
        sizes["annotations"] = codes.shape
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{what} {' x '.join(map(str, size))}" for what, size in sizes.items())
        raise LearningError(f"sizes differ: {listed}")
    if not names:
        raise LearningError("no pixel is labelled, and no classes are given")
    _hide(images, missing or {})
    chosen = unaries if isinstance(unaries, Mapping) else dict.fromkeys(images, unaries)
    for name in chosen:
        _check_sensor(name, images)
    named = {name: as_unary(chosen.get(name, "gaussian_mixture"), name) for name in images}
    _check_labelled(codes, names, named)
    seed = int(torch.randint(2**31, (), generator=generator or torch.Generator().manual_seed(0)))
    return Task(images, named, codes, names, seed, progress)


def _image(name: str, values: object, axes: int | None) -> Image:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise LearningError(f"sensor '{name}' holds {array.dtype}, and not real numbers")
    if array.ndim == 2 or (axes is not None and array.ndim == axes):
        array = array[..., None]
    if array.ndim not in (3, 4) or not array.size or (axes is not None and array.ndim != axes + 1):
        raise LearningError(
            f"sensor '{name}' has the shape {array.shape}; (height, width, bands) or (depth, "
            "height, width, bands) was expected, as the annotations have it"
        )
    image = array.astype(np.float64)
    image[~np.isfinite(image).all(-1)] = np.nan
    return image


def _hide(images: dict[str, Image], missing: Mapping[str, object]) -> None:
    for name, mask in missing.items():
        _check_sensor(name, images)
        hidden = np.asarray(mask)
        if hidden.shape != images[name].shape[:-1]:
            raise LearningError(
                f"the mask of sensor '{name}' has the shape {hidden.shape}, its image "
                f"{images[name].shape[:-1]}"
            )
        images[name][hidden.astype(bool)] = np.nan


def _check_sensor(name: str, sensors: Mapping[str, object]) -> None:
    if name not in sensors:
        raise MmgraphError(f"there is no sensor {name!r}{suggestion(name, sensors)}")


def _check_labelled(
    codes: Int64[np.ndarray, "*shape"], classes: Sequence[str], unaries: Mapping[str, Unary]
) -> None:
    """Raise LearningError if a class has no pixel to learn from and a unary learns."""
    if all(isinstance(unary, ArrayUnary | ModuleUnary) for unary in unaries.values()):
        return
    absent = [name for code, name in enumerate(classes) if not (codes == code).any()]
    if absent:
        named = ", ".join(f"'{name}'" for name in absent)
        raise LearningError(f"no pixel is labelled as {named}; every class needs one to learn from")


def check_name(what: str, given: object, known: Sequence[str]) -> None:
    """Raise MmgraphError if a name is not among those known; with the nearest one."""
    if given not in known:
        raise MmgraphError(
            f"no {what} is called {given!r}{suggestion(given, known)} (known: {', '.join(known)})"
        )
