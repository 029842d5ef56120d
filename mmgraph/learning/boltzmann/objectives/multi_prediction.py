"""Multi-prediction training: learn to predict what is hidden from what is left, by mean field.

Goodfellow, Mirza, Courville and Bengio (2013), "Multi-prediction deep Boltzmann machines": some of
the observed units are hidden, the mean field given the others is unrolled, and the negative
log-likelihood of the hidden ones under it is propagated back through all of its sweeps.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, UnknownVariableError, suggestion
from mmgraph.graph.exponential_family import ExponentialFamily
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import ascend, observed_last
from mmgraph.inference.field.initial_means import uninformed_means
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import Masks
from mmgraph.learning.boltzmann.objective import MEAN, Objective
from mmgraph.learning.boltzmann.objectives.hiding import HiddenBatch, hide, joined
from mmgraph.learning.boltzmann.objectives.prediction_settings import (
    PredictionRows,
    PredictionSettings,
)
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.learning.training.random_blocks import RandomBlocks


class MultiPrediction(Objective):
    """The multi-prediction objective of a machine.

    Labels are hidden and given by themselves, apart from the modalities. What is hidden, and what
    counts, may differ between shares of the rows. Partners are all rows of the data, which rows may
    be blended with; by default those of their batch.
    """

    def __init__(
        self,
        parameters: BoltzmannParameters,
        labels: Sequence[str] | str = (),
        settings: PredictionSettings | Sequence[PredictionRows] | None = None,
        random: RandomBlocks | None = None,
        partners: Mapping[str, Clamped] | None = None,
    ) -> None:
        super().__init__(parameters, random)
        self.partners = partners
        self.labels = (labels,) if isinstance(labels, str) else tuple(labels)
        if settings is None or isinstance(settings, PredictionSettings):
            settings = [PredictionRows(1.0, settings or PredictionSettings())]
        self.rows = tuple(settings)
        self.settings = self.rows[0].settings
        self._variables = parameters.working().variables
        for row in self.rows:
            self._check(row.settings)

    def _check(self, options: PredictionSettings) -> None:
        named = (*options.weights, *options.squared_error_weights, *options.dropout)
        for name in (*self.labels, *named):
            if name not in self._variables:
                hint = suggestion(name, self._variables)
                raise UnknownVariableError(f"the machine has no variable {name!r}{hint}")
        options.disturbance.check(self._variables)
        for name in ("sweeps", "gradient_sweeps", "scored_sweeps", "damping"):
            if getattr(options, name) != getattr(self.settings, name):
                raise MmgraphError(f"{name} must be the same in all rows")

    def gradients(
        self, batch: Mapping[str, Clamped]
    ) -> tuple[dict[str, Tensor], Mapping[str, float | Tensor]]:
        """Return the direction that lowers the losses, see :meth:`Objective.gradients`.

        What the data itself lacks is never predicted. The monitors are ``loss`` and, for each
        variable, ``loss:NAME``: the mean loss of a hidden unit (of a word), in nats.
        """
        tensors = self.parameters.tensors
        with torch.enable_grad():
            loss, parts, means = self.loss(batch)
        uphill: Sequence[Tensor | None] = [None] * len(tensors)
        if loss.requires_grad:  # else nothing was hidden that the data knows
            uphill = torch.autograd.grad(-loss, list(tensors.values()), allow_unused=True)
        gradients = {
            name: torch.zeros_like(tensor) if gradient is None else gradient
            for (name, tensor), gradient in zip(tensors.items(), uphill, strict=True)
        }
        for name in self.parameters.centres:
            if name not in batch:
                gradients[MEAN + name] = means[name].detach().mean(0)
        return gradients, {"loss": loss.detach(), **{f"loss:{n}": p for n, p in parts.items()}}

    def loss(
        self, batch: Mapping[str, Clamped]
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]], dict[str, Tensor]]:
        """Hide something of a batch; return the loss, its parts, and the means of all variables.

        The loss is differentiable by the parameters. The parts are the mean losses of hidden units.
        """
        options = self.settings
        rows = len(next(iter(batch.values())).values)
        drawn = self._hidden(batch, rows)
        parameters = self.parameters
        place = parameters.device, parameters.dtype
        view = FieldView.given(parameters.graph(), drawn.shown, rows, *place)
        kinds = self._kinds(rows)
        means, scales = uninformed_means(view), self.dropout_scales(rows)
        order = observed_last(parameters.colours, [n for n in batch if n not in self.labels])
        scored = [name for name in drawn.hidden if self._counts(name)]
        with torch.no_grad():
            self._sweep(view, order, means, options.sweeps - options.through, scales)
        self._sweep(view, order, means, options.through - options.scored_sweeps, scales)
        total = torch.zeros((), device=view.device, dtype=view.dtype)
        parts: dict[str, Tensor] = {}
        for left in reversed(range(options.scored_sweeps)):
            colours = order if left else _without_unheard(view, order, batch, scored)
            self._sweep(view, colours, means, 1, scales)
            for name in scored:
                mask, values = drawn.hidden[name], drawn.clean[name]
                part, parts[name] = self._score(view, means, name, values, mask, kinds)
                total = total + part / options.scored_sweeps
        return total, parts, means

    def described(self) -> dict[str, Any]:
        """Return the settings, see :meth:`Objective.described`."""
        rows = [{"share": r.share, "settings": r.settings.as_dict()} for r in self.rows]
        return {**super().described(), "labels": list(self.labels), "rows": rows}

    def _hidden(self, batch: Mapping[str, Clamped], rows: int) -> HiddenBatch:
        """Draw what is hidden, each block of rows with random numbers of its own."""
        drawn, every = [], TrainingRows(rows, dict(batch))
        for block, part in self.random.parts(rows).items():
            for row, place in zip(self.rows, self._shared(part), strict=True):
                if place.start < place.stop:
                    options, generator = row.settings, self.random.generators[block]
                    drawn.append(hide(
                        every.batch(place), self._variables, self.labels, options.hiding,
                        options.disturbance, generator, self.partners,
                    ))  # fmt: skip
        return joined(drawn)

    def _shared(self, part: slice) -> list[slice]:
        """The rows of each share among those of a block; rows come in random order."""
        total, passed, ends = sum(r.share for r in self.rows), 0.0, [part.start]
        for row in self.rows:
            passed += row.share
            ends.append(part.start + round((part.stop - part.start) * passed / total))
        return [slice(first, last) for first, last in itertools.pairwise(ends)]

    def _kinds(self, rows: int) -> Int64[Tensor, " batch"] | None:
        """Which of the shares each row belongs to; None where there is but one."""
        if len(self.rows) == 1:
            return None
        kinds = torch.empty(rows, dtype=torch.int64)
        for part in self.random.parts(rows).values():
            for kind, place in enumerate(self._shared(part)):
                kinds[place] = kind
        return kinds.to(self.parameters.device)

    def _by_row(
        self, values: Sequence[float], kinds: Tensor | None, axes: int
    ) -> float | Float[Tensor, "batch ..."]:
        """A number for each row, with so many axes; one for all where they do not differ."""
        if kinds is None or len(set(values)) == 1:
            return values[0]
        numbers = torch.tensor(values, device=kinds.device, dtype=self.parameters.dtype)
        return numbers[kinds].reshape(-1, *(1,) * (axes - 1))

    def dropout_scales(self, rows: int) -> dict[str, Tensor]:
        """Draw the factors of the means' distances from their centres: zero where silent."""
        scales, kinds = {}, self._kinds(rows)
        for name in dict.fromkeys(name for row in self.rows for name in row.settings.dropout):
            shape = self.parameters.centres[name].shape
            shares = [row.settings.dropout.get(name, 0.0) for row in self.rows]
            share = self._by_row(shares, kinds, 1 + len(shape))
            uniform = self.random.uniform(rows, shape)
            uniform = uniform.to(self.parameters.device, self.parameters.dtype)
            scales[name] = (uniform >= share).to(uniform.dtype) / (1 - share)
        return scales

    def _sweep(
        self,
        view: FieldView,
        order: Sequence[Masks],
        means: dict[str, Tensor],
        sweeps: int,
        scales: Mapping[str, Tensor],
    ) -> None:
        """Make some passes of mean field, with dropout after each colour."""
        damping = self.settings.damping
        if not scales:
            ascend(view, order, means, sweeps, damping=damping)
            return
        for _ in range(sweeps):
            for colour in order:
                ascend(view, [colour], means, 1, damping=damping)
                for name in colour:
                    if name in scales:
                        centre = self.parameters.centres[name]
                        means[name] = centre + (means[name] - centre) * scales[name]

    def _counts(self, name: str) -> bool:
        """Whether the predictions of a variable are looked at."""
        return any(
            row.settings.weights.get(name, 1.0) > 0
            or row.settings.squared_error_weights.get(name, 0) > 0
            for row in self.rows
        )

    def _score(
        self,
        view: FieldView,
        means: Mapping[str, Tensor],
        name: str,
        values: Tensor,
        mask: Tensor,
        kinds: Tensor | None,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The weighted loss of a variable's hidden units, and the mean loss of one."""
        every = [row.settings for row in self.rows]
        weights = [o.weights.get(name, 1.0) for o in every]
        squared = [o.squared_error_weights.get(name, 0.0) for o in every]
        smoothing = [o.label_smoothing if name in self.labels else 0.0 for o in every]
        variable, natural = self._variables[name], view.field(name, means)
        # A document may be longer or shorter than an unknown one is taken to be.
        family = view.families[name].of_values(values)
        smooth = self._by_row(smoothing, kinds, values.ndim)
        nats = negative_log_likelihood(family, natural, values, smooth)
        share = mask.to(nats)
        rows, units = len(values), 1 if family.inner and not variable.is_discrete else variable.size
        if family.lengths is not None:
            nats = nats / family.lengths.clamp_min(1.0)
        hidden = nats * share
        loss = (hidden * self._by_row(weights, kinds, hidden.ndim)).sum() / (rows * units)
        if any(squared):
            error = (values - family.mean(natural)).square()
            error = (error.mean(-1) if family.inner else error) * share
            weighted = error * self._by_row(squared, kinds, error.ndim)
            loss = loss + weighted.sum() / (rows * units)
        return loss, hidden.detach().sum() / share.sum().clamp_min(1.0)


def _without_unheard(
    view: FieldView, order: Sequence[Masks], observed: Container[str], scored: Sequence[str]
) -> list[Masks]:
    """The colours of the last sweep, without observed variables that nothing scored hears."""

    def is_heard(name: str) -> bool:
        others = {v.name for f in view.couplings[name] for v in f.scope} - {name}
        return name not in observed or not others.isdisjoint(scored)

    return [*order[:-1], {n: mask for n, mask in order[-1].items() if is_heard(n)}]


def negative_log_likelihood(
    family: ExponentialFamily,
    natural: Float[Tensor, "batch ..."],
    values: Float[Tensor, "batch ..."],
    smoothing: float | Float[Tensor, "batch ..."] = 0.0,
) -> Float[Tensor, "batch ..."]:
    """Return minus the log-density of each unit's statistics under its natural parameters.

    ``smoothing`` is the share of a categorical or Bernoulli value that is spread over all states.
    """
    target = values
    if isinstance(smoothing, Tensor) or smoothing:
        states = values.shape[-1] if family.inner else 2
        target = (1 - smoothing) * values + smoothing / states
    products = natural * target
    products = products.sum(-1) if family.inner else products
    return family.log_partition(natural) - products - family.log_base(values)
