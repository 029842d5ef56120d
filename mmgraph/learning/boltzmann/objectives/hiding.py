"""What is hidden from a machine that learns to predict: whole modalities and single units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.variable import Variable
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.objectives.disturbance import Disturbance
from mmgraph.learning.training.options import check_number, check_options


class Given(NamedTuple):
    """What each row is given; in rows that are given it ``partly``, single units are hidden."""

    modalities: Bool[Tensor, "batch modalities"]
    labels: Bool[Tensor, " batch"]
    partly: Bool[Tensor, " batch"]


@dataclass(frozen=True)
class HidingDistribution:
    """A mixture over what a row is given; the rest is hidden.

    Parameters
    ----------
    modality : float, default 0.5
        The probability that a modality is hidden, each by itself, in rows of no kind below.
    everything : float, default 0
        The share of rows in which all modalities are given, and the labels alone are hidden.
    single : float, default 0
        The share of rows given one modality only.
    single_weights : mapping of str to float, optional
        How often each modality is that one, relative to 1 of those not named.
    situations : mapping of tuple of str to float, optional
        The share of rows given exactly these modalities.
    partly : float, default 0.2
        The share of rows in which single units of what is given are hidden.
    units : float, default 0.3
        The share of units hidden in those.
    labels : float, default 0.9
        The probability that labels are hidden in rows of no kind above; in the others they are.
    together : bool, default False
        Whether all rows of a batch are given the same modalities, which is faster: what a modality
        says is summed once, not in every sweep.

    Raises
    ------
    LearningError
        If a share is no probability, or shares of rows exceed one.
    """

    modality: float = 0.5
    everything: float = 0.0
    single: float = 0.0
    single_weights: Mapping[str, float] = field(default_factory=dict)
    situations: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    partly: float = 0.2
    units: float = 0.3
    labels: float = 0.9
    together: bool = False

    def __post_init__(self) -> None:
        check_options(
            self, "[0, 1]", "modality", "everything", "single", "partly", "units", "labels"
        )
        for named, share in self.situations.items():
            check_number(f"the share of the situation {named}", share, "[0, 1]")
        for name, weight in self.single_weights.items():
            check_number(f"the weight of '{name}' among single modalities", weight, "[0, inf)")
        if self._special > 1 + 1e-9:
            raise LearningError(f"the shares of rows add up to {self._special:g}, more than 1")

    @property
    def _special(self) -> float:
        """The share of rows that are no independent draws."""
        return self.everything + self.single + sum(self.situations.values())

    def check(self, modalities: Sequence[str]) -> None:
        """Refuse names that are no modalities, and single ones of which all have weight zero."""
        for name in (*self.single_weights, *(n for named in self.situations for n in named)):
            if name not in modalities:
                hint = suggestion(name, modalities)
                raise UnknownVariableError(f"no modality is called {name!r}{hint}")
        if self.single and not bool((self._weights(modalities) > 0).any()):
            raise LearningError("rows are given single modalities, but all weights of those are 0")

    def _weights(self, modalities: Sequence[str]) -> Float[Tensor, " modalities"]:
        return torch.tensor([float(self.single_weights.get(m, 1.0)) for m in modalities])

    def draw(
        self, modalities: Sequence[str], rows: int, generator: torch.Generator | None = None
    ) -> Given:
        """Draw what each row is given, on the generator's device."""
        if self.together and rows > 1:
            return Given(*(drawn.expand(rows, *drawn.shape[1:]) for drawn in
                           self.draw(modalities, 1, generator)))  # fmt: skip
        device = torch.device("cpu") if generator is None else generator.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=device)

        count = len(modalities)
        shown = uniform(rows, count) >= self.modality
        shown_labels = uniform(rows) >= self.labels
        partly = uniform(rows) < self.partly
        if self._special == 0:
            return Given(shown, shown_labels, partly)
        shares = [max(1 - self._special, 0.0), self.single, self.everything]
        chances = torch.tensor([*shares, *self.situations.values()], device=device)
        kind = torch.multinomial(chances, rows, replacement=True, generator=generator)
        fixed = torch.zeros(len(chances), count, dtype=torch.bool)
        fixed[2] = True
        for i, named in enumerate(self.situations):
            fixed[3 + i] = torch.tensor([m in named for m in modalities], dtype=torch.bool)
        shown = torch.where((kind == 0).unsqueeze(1), shown, fixed.to(device)[kind])
        if self.single:
            weights = self._weights(modalities).to(device)
            one = torch.multinomial(weights, rows, replacement=True, generator=generator)
            alone = torch.arange(count, device=device) == one.unsqueeze(1)
            shown = torch.where((kind == 1).unsqueeze(1), alone, shown)
        return Given(shown, shown_labels & (kind == 0), partly)


class HiddenBatch(NamedTuple):
    """A batch as it is, which known units are hidden (to be predicted), and the rest, disturbed."""

    clean: dict[str, Float[Tensor, "batch *statistics"]]
    hidden: dict[str, Bool[Tensor, "batch *shape"]]
    shown: dict[str, Clamped]


def hide(
    batch: Mapping[str, Clamped],
    variables: Mapping[str, Variable],
    labels: Sequence[str],
    hiding: HidingDistribution,
    disturbance: Disturbance,
    generator: torch.Generator | None = None,
    partners: Mapping[str, Clamped] | None = None,
) -> HiddenBatch:
    """Draw what is hidden of a batch, and disturb the rest; partners as of ``Disturbance.blend``.

    A variable without a modality is one by itself. Labels are given and hidden apart from
    modalities, all at once.
    """
    rows = len(next(iter(batch.values())).values)
    label = labels[0] if labels else None
    blended = disturbance.blend(batch, label, variables, generator, partners)
    modality_of = {n: variables[n].modality or n for n in batch if n not in labels}
    modalities = list(dict.fromkeys(modality_of.values()))
    hiding.check(modalities)
    drawn = hiding.draw(modalities, rows, generator)
    result = HiddenBatch({}, {}, {})
    for name, (values, known) in blended.items():
        if name in labels:
            rows_shown, partly = drawn.labels, None
        else:
            place = modalities.index(modality_of[name])
            rows_shown, partly = drawn.modalities[:, place], drawn.partly
        shown = _shown_units(variables[name], rows_shown, partly, hiding, generator).to(
            values.device
        )
        result.clean[name] = values
        result.hidden[name] = ~shown if known is None else known & ~shown
        if name not in labels or hiding.labels < 1:
            noisy = disturbance.noisy(variables[name], values, generator)
            result.shown[name] = Clamped(noisy, shown if known is None else known & shown)
    return _whole(result, batch) if hiding.together else result


def joined(parts: Sequence[HiddenBatch]) -> HiddenBatch:
    """Return the rows of several batches as one."""
    if len(parts) == 1:
        return parts[0]
    result = HiddenBatch({}, {}, {})
    for name in parts[0].clean:
        result.clean[name] = torch.cat([p.clean[name] for p in parts])
        result.hidden[name] = torch.cat([p.hidden[name] for p in parts])
        if any(name in p.shown for p in parts):
            # What a part does not hide at all has no mask; what it hides altogether is not shown.
            values, masks = [], []
            for p in parts:
                nothing = Clamped(p.clean[name], torch.zeros_like(p.hidden[name]))
                shown, known = p.shown.get(name, nothing)
                values.append(shown)
                masks.append(torch.ones_like(p.hidden[name]) if known is None else known)
            result.shown[name] = Clamped(torch.cat(values), torch.cat(masks))
    return result


def _shown_units(
    variable: Variable,
    rows_shown: Bool[Tensor, " batch"],
    partly: Bool[Tensor, " batch"] | None,
    hiding: HidingDistribution,
    generator: torch.Generator | None,
) -> Bool[Tensor, "batch *shape"]:
    """Which units are shown; a document is shown or hidden as a whole."""
    if variable.family == "replicated_softmax":
        return rows_shown
    ones = (1,) * len(variable.shape)
    shown = rows_shown.reshape(-1, *ones).expand(-1, *variable.shape)
    if partly is None or not hiding.partly or not hiding.units:
        return shown
    uniform = torch.rand(shown.shape, generator=generator, device=rows_shown.device)
    return shown & ((uniform >= hiding.units) | ~partly.reshape(-1, *ones))


def _whole(drawn: HiddenBatch, batch: Mapping[str, Clamped]) -> HiddenBatch:
    """Leave out masks of what is seen in every row, and what is seen in none."""
    shown = {}
    for name, (values, known) in drawn.shown.items():
        assert known is not None
        if bool(known.any()):
            nothing_hidden = batch[name].known is None and bool(known.all())
            shown[name] = Clamped(values, None if nothing_hidden else known)
    return drawn._replace(shown=shown)
