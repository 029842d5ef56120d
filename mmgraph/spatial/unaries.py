"""What one sensor says of every pixel: log-likelihoods of the classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from mmgraph.graph.arrays import first_place
from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.leaves.gaussian_mixture import GaussianMixtureLeaf
from mmgraph.graph.variable import Variable
from mmgraph.spatial.arrays import real_array, unmasked

Image = Float[np.ndarray, "*shape bands"]
Rows = Float[np.ndarray, "rows bands"]
Codes = Int64[np.ndarray, " rows"]
LogLikelihood = Float[np.ndarray, "*shape classes"]

FLOOR = 1e-4
"""The share of the even distribution that is mixed in: not all that is seen has been learned."""

_ROWS = 1 << 16
_SMALLEST = 1e-12
_FEW = 3
"""Features that are kept however few pixels there are."""


class Unary:
    """One sensor's opinion; missing pixels (NaN in any band) say nothing: zero for every class."""

    @property
    def learns(self) -> bool:
        """Whether it must be fitted to labelled pixels, and so has a :meth:`fitted` of its own."""
        return type(self).fitted is not Unary.fitted

    def fitted(self, rows: Rows, codes: Codes, classes: Sequence[str], seed: int = 0) -> Unary:
        """Return a unary that has learned from labelled pixels; this one is left as it is.

        Parameters
        ----------
        rows : ndarray, shape (rows, bands)
            What the sensor sees in the labelled pixels; complete.
        codes : ndarray of int64, shape (rows,)
            Their class indices.
        classes : sequence of str
            The names of all classes.
        seed : int
            Of what is random.

        Raises
        ------
        LearningError
            If a class has no pixel; the message names it.
        """
        return self

    def log_likelihood(self, image: Image, classes: Sequence[str]) -> LogLikelihood:
        """Return the logarithm of what each class makes the pixel worth, up to a constant a pixel.

        Parameters
        ----------
        image : ndarray, shape (*shape, bands)
            NaN, and what a mask hides, is missing.
        classes : sequence of str
            The names of the classes.

        Returns
        -------
        ndarray, shape (*shape, classes)
            Finite; zero where the pixel is missing.
        """
        image = unmasked(image)
        known = np.isfinite(image).all(-1)
        rows = image[known]
        result = np.zeros((*known.shape, len(classes)))
        parts = [self._scores(rows[i : i + _ROWS]) for i in range(0, len(rows), _ROWS)]
        if parts:
            result[known] = floored(np.concatenate(parts))
        return result

    def _scores(self, rows: Rows) -> Float[np.ndarray, "rows classes"]:
        """Unnormalised log-likelihoods of complete rows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def floored(scores: Float[np.ndarray, "*shape classes"], floor: float = FLOOR) -> LogLikelihood:
    """Return normalised logarithms, none of which is below ``floor / classes``.

    A share ``floor`` of the even distribution is mixed in, so that no class is ruled out by
    accident.
    """
    top = scores.max(-1, keepdims=True)
    probabilities = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    probabilities /= probabilities.sum(-1, keepdims=True)
    return np.log((1 - floor) * probabilities + floor / scores.shape[-1])


def check_every_class(codes: Codes, classes: Sequence[str]) -> None:
    """Raise LearningError if a class has no labelled pixel, naming all that have none."""
    counts = np.bincount(codes, minlength=len(classes))
    absent = [name for name, count in zip(classes, counts, strict=True) if not count]
    if absent:
        named = ", ".join(f"'{name}'" for name in absent[:8])
        what = "class has" if len(absent) == 1 else "classes have"
        raise LearningError(f"these {what} no labelled pixel to learn from: {named}")


class SilentUnary(Unary):
    """Of a sensor that has nothing to say: zero for every class of every pixel."""

    def log_likelihood(self, image: Image, classes: Sequence[str]) -> LogLikelihood:
        """Return zeros, see :meth:`Unary.log_likelihood`."""
        return np.zeros((*image.shape[:-1], len(classes)))


@dataclass(frozen=True, eq=False, repr=False)
class PartialUnary(Unary):
    """A fitted unary of a sensor that saw labelled pixels of the ``learned`` classes alone.

    The likelihood of a class that it has not learned is the mean over those that it has. The sensor
    then moves these against each other and leaves the probability of the others where it was,
    under an even prior exactly so.
    """

    unary: Unary
    learned: Codes

    def log_likelihood(self, image: Image, classes: Sequence[str]) -> LogLikelihood:
        """Fill in the classes that were not learned, see :meth:`Unary.log_likelihood`."""
        learned = self.unary.log_likelihood(image, [classes[code] for code in self.learned])
        mean = np.logaddexp.reduce(learned, -1, keepdims=True) - math.log(len(self.learned))
        result = np.repeat(mean, len(classes), -1)
        result[..., self.learned] = learned
        return result

    def __repr__(self) -> str:
        return f"PartialUnary({self.unary!r}, {self.learned.tolist()})"


@dataclass(frozen=True, eq=False, repr=False)
class GaussianMixtureUnary(Unary):
    """A mixture of normal densities for each class.

    Bands are standardised; of more than ``features`` bands the largest principal components of the
    labelled pixels are kept. Covariances are drawn to their pooled one, the more the fewer pixels
    there are.

    Parameters
    ----------
    components : int, default 2
        Normal densities a class; fewer where the smallest class has not ten pixels for each.
    features : int, default 20
        The most features that a density is over; fewer where a class has not three pixels for each.
    shrinkage : float, optional
        Share of the pooled covariance, 0 to 1; by default ``features / (features + n)`` with ``n``
        the labelled pixels a density has on average.
    iterations : int, default 20
        Of expectation maximisation.

    References
    ----------
    Hastie and Tibshirani, "Discriminant analysis by Gaussian mixtures" (1996); Friedman,
    "Regularized discriminant analysis" (1989).
    """

    components: int = 2
    features: int = 20
    shrinkage: float | None = None
    iterations: int = 20
    _leaf: GaussianMixtureLeaf | None = None
    _centre: Any = None
    _projection: Any = None

    def fitted(self, rows: Rows, codes: Codes, classes: Sequence[str], seed: int = 0) -> Unary:
        """Fit by expectation maximisation, see :meth:`Unary.fitted`."""
        check_every_class(codes, classes)
        centre, projection = self._axes(rows, len(rows) // (3 * len(classes)))
        values = torch.from_numpy((rows - centre) @ projection)
        smallest = int(np.bincount(codes).min())
        components = max(1, min(self.components, smallest // 10))
        shrinkage = self.shrinkage
        if shrinkage is None:
            each = len(rows) / (components * len(classes))
            shrinkage = values.shape[1] / (values.shape[1] + each)
        label = Variable("label", tuple(classes))
        child = Variable("bands", shape=(values.shape[1],), family="gaussian")
        observed = torch.nn.functional.one_hot(torch.from_numpy(codes), len(classes)).double()
        leaf = GaussianMixtureLeaf.initialised(
            child,
            (label,),
            values,
            observed,
            torch.Generator().manual_seed(seed),
            components=components,
            shrinkage=shrinkage,
            pseudo_count=1.0,
        )
        for _ in range(self.iterations if components > 1 else 1):
            leaf = leaf.updated(
                leaf.expected_statistics(values, observed), shrinkage=shrinkage, pseudo_count=1.0
            )
        return replace(self, _leaf=leaf, _centre=centre, _projection=projection)

    def _axes(self, rows: Rows, affordable: int) -> tuple[np.ndarray, np.ndarray]:
        """The mean, and what turns deviations from it into features of about unit variance."""
        centre, scale = rows.mean(0), rows.std(0)
        varying = scale > _SMALLEST * np.maximum(np.abs(centre), 1.0)
        projection = np.diag(np.where(varying, 1 / np.where(varying, scale, 1.0), 0.0))
        most = min(self.features, max(affordable, _FEW))
        if rows.shape[1] > most and varying.any():
            _, spread, axes = np.linalg.svd((rows - centre) @ projection, full_matrices=False)
            rank = min(most, int((spread > 1e-6 * spread[0]).sum()))
            projection = projection @ axes[:rank].T * (math.sqrt(len(rows)) / spread[:rank])
        elif varying.any():
            projection = projection[:, varying]
        else:
            raise LearningError("the labelled pixels have the same values in every band")
        return centre, projection

    def _scores(self, rows: Rows) -> Float[np.ndarray, "rows classes"]:
        if self._leaf is None:
            raise LearningError("the Gaussian mixtures have not been fitted")
        values = torch.from_numpy((rows - self._centre) @ self._projection)
        evidence = Evidence.of({"bands": values}, {v.name: v for v in self._leaf.scope})
        table = self._leaf.likelihood(evidence)
        assert table is not None  # every row is complete
        return np.asarray(table.values)


@dataclass(frozen=True, eq=False, repr=False)
class ModuleUnary(Unary):
    """A torch module that has been trained elsewhere.

    Parameters
    ----------
    module : torch.nn.Module or function
        Pixels are sent to the device of its parameters, and logits brought back. From pixels
        ``(rows, bands)`` to logits ``(rows, classes)``; or with ``whole_image`` from an
        image ``(1, bands, *shape)`` to ``(1, classes, *shape)``, as convolutional networks are.
    whole_image : bool, default False
        Which of the two.
    prepare : function, optional
        From the image ``(*shape, bands)`` to the array that the module was trained on.
    """

    module: Callable[[torch.Tensor], torch.Tensor]
    whole_image: bool = False
    prepare: Callable[[Image], Image] | None = None

    def log_likelihood(self, image: Image, classes: Sequence[str]) -> LogLikelihood:
        """Run the module; missing values are zeros to it, see :meth:`Unary.log_likelihood`."""
        image = unmasked(image)
        hidden = ~np.isfinite(image).all(-1)
        values = image if self.prepare is None else np.asarray(self.prepare(image))
        dtype, device = self._kind()
        tensor = torch.from_numpy(np.nan_to_num(values)).to(dtype).to(device)
        with torch.no_grad(), _as_for_prediction(self.module):
            if self.whole_image:
                logits = self.module(tensor.movedim(-1, 0)[None])[0].movedim(0, -1)
            else:
                rows = tensor.reshape(-1, tensor.shape[-1])
                logits = torch.cat([self.module(part) for part in rows.split(_ROWS)])
                logits = logits.reshape(*image.shape[:-1], -1)
        expected = (*image.shape[:-1], len(classes))
        if tuple(logits.shape) != expected:
            raise LearningError(
                f"the module gives logits of shape {tuple(logits.shape)}; {expected} was expected"
            )
        scores = logits.cpu().double().numpy()
        if not np.isfinite(scores[~hidden]).all():
            raise LearningError("the module gives a logit that is NaN or infinite")
        result = np.zeros(expected)
        result[~hidden] = floored(scores[~hidden])
        return result

    def _kind(self) -> tuple[torch.dtype, torch.device]:
        """Return the type of number and the device that the module's parameters have."""
        weights = self.module.parameters() if isinstance(self.module, torch.nn.Module) else ()
        kinds = ((weight.dtype, weight.device) for weight in weights)
        return next(kinds, (torch.float32, torch.device("cpu")))


@contextmanager
def _as_for_prediction(module: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Switch dropout and the like off for a while."""
    if not isinstance(module, torch.nn.Module) or not module.training:
        yield
        return
    module.eval()
    try:
        yield
    finally:
        module.train()


@dataclass(frozen=True, eq=False, repr=False)
class ArrayUnary(Unary):
    """An opinion that is there already.

    Parameters
    ----------
    probabilities, log_likelihoods : array-like, shape (*shape, classes)
        One of the two. Probabilities are floored as by :func:`floored`; log-likelihoods are taken
        as they are, minus infinity forbids a class. A pixel with NaN, or with a number that a mask
        hides, says nothing.

    Attributes
    ----------
    silent : ndarray of bool, shape (*shape,)
        The pixels that say nothing.

    Raises
    ------
    LearningError
        If both or neither are given, a number is negative or infinite, or a pixel forbids all; the
        message names the first such pixel.
    """

    probabilities: Any = None
    log_likelihoods: Any = None
    silent: Any = field(init=False)
    _values: Any = field(init=False)

    def __post_init__(self) -> None:
        if (self.probabilities is None) == (self.log_likelihoods is None):
            raise LearningError("give either probabilities or log_likelihoods")
        likely = self.probabilities is None
        opinions = self.log_likelihoods if likely else self.probabilities
        values = real_array(opinions, "an array of opinions")
        silent = np.isnan(values).any(-1)
        values[silent] = 0.0 if likely else 1.0
        if not likely:
            wrong = (values < 0) | np.isinf(values)
            _refuse_pixel(wrong.any(-1), "a probability that is negative or infinite")
            with np.errstate(divide="ignore"):
                values = np.log(values)
        _refuse_pixel(np.isposinf(values).any(-1), "an infinite log-likelihood")
        _refuse_pixel(np.isneginf(values).all(-1), "every class forbidden")
        if not likely:
            values[~silent] = floored(values[~silent])
        object.__setattr__(self, "silent", silent)
        object.__setattr__(self, "_values", values)

    def log_likelihood(self, image: Image, classes: Sequence[str]) -> LogLikelihood:
        """Return what was given, see :meth:`Unary.log_likelihood`."""
        expected = (*image.shape[:-1], len(classes))
        if self._values.shape != expected:
            raise LearningError(
                f"probabilities or log-likelihoods of shape {self._values.shape}; {expected} was "
                "expected"
            )
        hidden: Bool[np.ndarray, "*shape"] = ~np.isfinite(unmasked(image)).all(-1)
        return np.where(hidden[..., None], 0.0, self._values)


def _refuse_pixel(wrong: Any, what: str) -> None:
    if wrong.any():
        raise LearningError(f"the pixel at {first_place(wrong)} has {what}")
