"""Multi-prediction training: learn to predict what is hidden from what is left, by mean field.

Goodfellow, Mirza, Courville and Bengio (2013), "Multi-prediction deep Boltzmann machines": some of
the observed units are hidden, the mean field given the others is unrolled, and the negative
log-likelihood of the hidden ones under it is propagated back through all of its sweeps.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, UnknownVariableError, suggestion
from mmgraph.graph.exponential_family import ExponentialFamily, ReplicatedSoftmax
from mmgraph.inference.clamping import Clamped
from mmgraph.inference.colouring import Masks
from mmgraph.inference.few_sweeps import even_start, observed_last
from mmgraph.inference.field_view import FieldView
from mmgraph.inference.mean_field import ascend
from mmgraph.learning.boltzmann_objective import MEAN, Objective, RandomBlocks
from mmgraph.learning.boltzmann_parameters import BoltzmannParameters
from mmgraph.learning.disturbance import Disturbance
from mmgraph.learning.hiding import HiddenBatch, HidingDistribution, hide, joined


@dataclass(frozen=True)
class PredictionSettings:
    """What is predicted, from what, and how much it counts.

    Parameters
    ----------
    sweeps : int, default 8
        The passes of mean field that are unrolled.
    gradient_sweeps : int, optional
        Only the last so many are differentiated; by default all.
    scored_sweeps : int, default 1
        The losses are averaged over the means after each of the last so many sweeps.
    damping : float in [0, 1), default 0
        The share of the old means that an update keeps.
    weights : mapping of str to float, optional
        What the prediction loss of a variable counts: the nats of its hidden units, divided by its
        number of units (of a document by its words), averaged over rows. 1 of those not named.
    squared_error_weights : mapping of str to float, optional
        What the squared error of a variable's predicted means counts besides, in the same measure;
        0 of those not named.
    label_smoothing : float in [0, 1), default 0
        The share of a label that is spread over all of them.
    dropout : mapping of str to float, optional
        The share of the units of a hidden layer that are silent in a row (they stay at their
        centre, and what the others say beyond theirs is scaled up), after Srivastava et al. (2014),
        "Dropout: a simple way to prevent neural networks from overfitting"; 0 of those not named.
    hiding : HidingDistribution
        What is hidden.
    disturbance : Disturbance
        What is done to inputs.

    Raises
    ------
    MmgraphError
        If a number is out of its range.
    """

    sweeps: int = 8
    gradient_sweeps: int | None = None
    scored_sweeps: int = 1
    damping: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    squared_error_weights: Mapping[str, float] = field(default_factory=dict)
    label_smoothing: float = 0.0
    dropout: Mapping[str, float] = field(default_factory=dict)
    hiding: HidingDistribution = field(default_factory=HidingDistribution)
    disturbance: Disturbance = field(default_factory=Disturbance)

    def __post_init__(self) -> None:
        if self.sweeps < 1:
            raise MmgraphError(f"sweeps must be at least 1, not {self.sweeps}")
        for name, count, most in (
            ("gradient_sweeps", self.through, self.sweeps),
            ("scored_sweeps", self.scored_sweeps, self.through),
        ):
            if not 1 <= count <= most:
                raise MmgraphError(f"{name} must lie between 1 and {most}, but it is {count}")
        for name in ("damping", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise MmgraphError(f"{name} must lie in [0, 1), but it is {getattr(self, name)}")
        for name, share in self.dropout.items():
            if not 0 <= share < 1:
                raise MmgraphError(f"the dropout of '{name}' must lie in [0, 1), but it is {share}")
        for group in (self.weights, self.squared_error_weights):
            for name, weight in group.items():
                if not 0 <= weight < torch.inf:
                    raise MmgraphError(f"the weight of '{name}' must not be negative: {weight}")

    @property
    def through(self) -> int:
        """The sweeps that are differentiated."""
        return self.sweeps if self.gradient_sweeps is None else self.gradient_sweeps


class MultiPrediction(Objective):
    """The multi-prediction objective of a machine.

    Parameters
    ----------
    parameters : BoltzmannParameters
        What is trained.
    labels : str or sequence of str, default ()
        Variables that are hidden and given by themselves, apart from the modalities.
    settings : PredictionSettings, optional
    random : RandomBlocks, optional
        Generators of this process's blocks of rows: they draw what is hidden, and noise.
    partners : mapping of str to Clamped, optional
        All rows of the data, which rows may be blended with; by default those of their batch.

    Raises
    ------
    MmgraphError
        If the settings name what the machine does not have.
    """

    def __init__(
        self,
        parameters: BoltzmannParameters,
        labels: Sequence[str] | str = (),
        settings: PredictionSettings | None = None,
        random: RandomBlocks | None = None,
        partners: Mapping[str, Clamped] | None = None,
    ) -> None:
        self.parameters, self.partners = parameters, partners
        self.labels = (labels,) if isinstance(labels, str) else tuple(labels)
        self.settings = PredictionSettings() if settings is None else settings
        self.random = RandomBlocks(1, 0, parameters.device) if random is None else random
        self._variables = parameters.working().variables
        options = self.settings
        named = (*options.weights, *options.squared_error_weights, *options.dropout)
        for name in (*self.labels, *named):
            if name not in self._variables:
                hint = suggestion(name, self._variables)
                raise UnknownVariableError(f"the machine has no variable {name!r}{hint}")
        options.disturbance.check(self._variables)

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
        found: Sequence[Tensor | None] = [None] * len(tensors)
        if loss.requires_grad:  # else nothing was hidden that the data knows
            found = torch.autograd.grad(-loss, list(tensors.values()), allow_unused=True)
        gradients = {
            name: torch.zeros_like(tensor) if gradient is None else gradient
            for (name, tensor), gradient in zip(tensors.items(), found, strict=True)
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
        view = FieldView.given(
            parameters.graph(), drawn.shown, rows, parameters.device, parameters.dtype
        )
        means, scales = even_start(view), self._dropped(rows)
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
                part, parts[name] = self._score(view, means, name, values, mask)
                total = total + part / options.scored_sweeps
        return total, parts, means

    def state(self) -> dict[str, Tensor]:
        """Return the state of the random numbers."""
        return self.random.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self.random.load(state)

    def _hidden(self, batch: Mapping[str, Clamped], rows: int) -> HiddenBatch:
        """Draw what is hidden, each block of rows with random numbers of its own."""
        drawn = []
        for block, part in self.random.parts(rows).items():
            if part.start == part.stop:
                continue
            some = {
                n: Clamped(v[part], None if k is None else k[part]) for n, (v, k) in batch.items()
            }
            options, generator = self.settings, self.random.generators[block]
            drawn.append(
                hide(
                    some,
                    self._variables,
                    self.labels,
                    options.hiding,
                    options.disturbance,
                    generator,
                    self.partners,
                )
            )
        return joined(drawn)

    def _dropped(self, rows: int) -> dict[str, Tensor]:
        """What the distance of each mean from its centre is multiplied by: zero where silent."""
        scales = {}
        for name, share in self.settings.dropout.items():
            shape = self.parameters.centres[name].shape
            drawn = [
                torch.rand(
                    part.stop - part.start, *shape, generator=generator, device=generator.device
                )
                for part, generator in zip(
                    self.random.parts(rows).values(), self.random.generators.values(), strict=True
                )
            ]
            heard = (torch.cat(drawn) >= share).to(self.parameters.device, self.parameters.dtype)
            scales[name] = heard / (1 - share)
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
        options = self.settings
        return options.weights.get(name, 1.0) > 0 or options.squared_error_weights.get(name, 0) > 0

    def _score(
        self, view: FieldView, means: Mapping[str, Tensor], name: str, values: Tensor, mask: Tensor
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The weighted loss of a variable's hidden units, and the mean loss of one."""
        options = self.settings
        weight = options.weights.get(name, 1.0)
        squared = options.squared_error_weights.get(name, 0.0)
        variable, family = self._variables[name], view.families[name]
        natural = view.field(name, means)
        if isinstance(family, ReplicatedSoftmax):
            # The document is longer or shorter than an unknown one is taken to be.
            family = ReplicatedSoftmax(values.sum(-1))
        smoothing = options.label_smoothing if name in self.labels else 0.0
        nats = negative_log_likelihood(family, natural, values, smoothing)
        share = mask.to(nats)
        rows, units = len(values), 1 if family.inner and not variable.is_discrete else variable.size
        if isinstance(family, ReplicatedSoftmax):
            nats = nats / family.lengths.clamp_min(1.0)
        summed = (nats * share).sum()
        loss = weight * summed / (rows * units)
        if squared:
            error = (values - family.mean(natural)).square()
            error = error.mean(-1) if family.inner else error
            loss = loss + squared * (error * share).sum() / (rows * units)
        return loss, summed.detach() / share.sum().clamp_min(1.0)


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
    smoothing: float = 0.0,
) -> Float[Tensor, "batch ..."]:
    """Return minus the log-density of each unit's statistics under its natural parameters.

    Parameters
    ----------
    family : ExponentialFamily
    natural, values : Tensor, shape (batch, *statistics)
    smoothing : float, default 0
        The share of a categorical value that is spread over all states; of a Bernoulli one over
        both.
    """
    target = values
    if smoothing:
        states = values.shape[-1] if family.inner else 2
        target = (1 - smoothing) * values + smoothing / states
    said = natural * target
    return (
        family.log_partition(natural)
        - (said.sum(-1) if family.inner else said)
        - (family.log_base(values))
    )
