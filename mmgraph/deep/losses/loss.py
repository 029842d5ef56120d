"""What every loss is: a number of each member, from what a net makes of rows; sums of losses."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.fusion.fusion import Present, Scores
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack

MemberLosses = Float[Tensor, " members"]
RowLosses = Float[Tensor, "members rows"]


class NetOutput(NamedTuple):
    """What a net makes of rows, and what these are.

    Attributes
    ----------
    cells : mapping of str to Cells
        Of each modality, as the net saw them.
    present : mapping of str to Tensor of bool, shape (rows,)
        Which rows have each modality.
    codes : mapping of str to Tensor, shape (members, rows, width)
        Of each modality; of rows without it anything finite.
    weights : Tensor, shape (rows,)
        How much each row counts, 1 on average.
    scores : Scores, optional
    targets : Tensor, optional
        Shares of classes, ``(rows, classes)``, or numbers, ``(rows, outputs)``.
    encode : callable, optional
        From other cells of these rows to codes.
    """

    cells: Mapping[str, Cells]
    present: Present
    codes: Mapping[str, Codes]
    weights: Float[Tensor, " rows"]
    scores: Scores | None = None
    targets: Float[Tensor, "rows outputs"] | None = None
    encode: Callable[[Mapping[str, Cells]], Mapping[str, Codes]] | None = None


class Loss(nn.Module, abc.ABC):
    """A loss of each member; ``a + 0.1 * b`` is one, too."""

    compares_rows: bool = False
    """Whether rows of a batch are compared with each other: processes have but a share of these."""
    needs_classes: bool = False
    """Whether rows have to have a class."""
    ties_codes: bool = False
    """Whether modalities' codes are compared with each other: they are to be several."""

    @property
    def name(self) -> str:
        """What messages call the loss."""
        return type(self).__name__

    def terms(self) -> Iterator[Loss]:
        """Yield the losses that it consists of, and itself."""
        return (module for module in self.modules() if isinstance(module, Loss))

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Make the parameters that the loss has, for cells and codes of these sizes.

        Raises
        ------
        LearningError
            If the loss does not take such modalities.
        """

    @abc.abstractmethod
    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the loss of each member, a mean over all rows."""

    def contributions(self, output: NetOutput) -> dict[str, MemberLosses]:
        """Return what each loss adds to the sum, by its name."""
        return {self.name: self(output)}

    def extra_repr(self) -> str:
        """Return the options, by which checkpoints know the loss."""
        plain = {k: v for k, v in vars(self).items() if isinstance(v, int | float | str | list)}
        plain.pop("training")
        return ", ".join(f"{name}={value!r}" for name, value in plain.items() if name[0] != "_")

    def __add__(self, other: Loss) -> Loss:
        return WeightedSum([*self._terms(), *other._terms()])

    def __mul__(self, factor: float) -> Loss:
        return WeightedSum([(loss, factor * own) for loss, own in self._terms()])

    __rmul__ = __mul__

    def _terms(self) -> list[tuple[Loss, float]]:
        return [(self, 1.0)]


class WeightedSum(Loss):
    """Losses with fixed weights."""

    def __init__(self, terms: list[tuple[Loss, float]]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(loss for loss, _ in terms)
        self.factors = [factor for _, factor in terms]

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Make the parameters of each."""
        for loss, _ in self._terms():
            loss.prepare(shapes, widths, pack)

    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the weighted sum of the losses of each member."""
        return torch.stack(list(self.contributions(output).values())).sum(0)

    def contributions(self, output: NetOutput) -> dict[str, MemberLosses]:
        """Return each loss times its weight, by its name."""
        return _numbered((loss.name, factor * loss(output)) for loss, factor in self._terms())

    def _terms(self) -> list[tuple[Loss, float]]:
        return list(zip(self.losses, self.factors, strict=True))  # type: ignore[arg-type]


class UncertaintyWeighted(Loss):
    """Negative log-likelihoods, each over a variance that is learned with the net.

    A loss ``L`` counts as ``L / v + log(v) / 2``: Kendall, Gal and Cipolla (2018), "Multi-task
    learning using uncertainty to weigh losses for scene geometry and semantics".

    Parameters
    ----------
    *losses : Loss
    """

    def __init__(self, *losses: Loss) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Make variances of 1, and the parameters of each loss."""
        self.log_variances = nn.Parameter(torch.zeros(len(self.losses), pack.members))
        for loss in self.losses:
            loss.prepare(shapes, widths, pack)  # type: ignore[operator]

    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the weighted sum of the losses of each member."""
        return torch.stack(list(self.contributions(output).values())).sum(0)

    def contributions(self, output: NetOutput) -> dict[str, MemberLosses]:
        """Return each loss over its variance, and half the logarithm of that, by its name."""
        return _numbered(
            (str(loss.name), loss(output) * (-log_variance).exp() + log_variance / 2)
            for loss, log_variance in zip(self.losses, self.log_variances, strict=True)
        )


def _numbered(losses: Iterable[tuple[str, MemberLosses]]) -> dict[str, MemberLosses]:
    """Losses by name, of which one that comes again has a number."""
    named: dict[str, MemberLosses] = {}
    for name, value in losses:
        number = sum(other == name or other.startswith(f"{name} ") for other in named)
        named[f"{name} {number + 1}" if number else name] = value
    return named


def precise(tensor: Tensor) -> Tensor:
    """Return a tensor in single precision, where it has but half of that."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def row_mean(
    losses: RowLosses, weights: Float[Tensor, " rows"], counted: Bool[Tensor, " rows"] | None = None
) -> MemberLosses:
    """Return weighted means over all rows, to which those that do not count add nothing."""
    if counted is not None:
        losses = losses.masked_fill(~counted, 0.0)
    return (losses * weights).sum(-1) / max(losses.shape[-1], 1)
