"""The layers of a Boltzmann machine: pathways, their units, and what joins them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from mmgraph.graph.errors import GraphError, suggestion
from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.graph.variable import Variable

HiddenFamily = Literal["bernoulli", "rectified_gaussian"]
LabelLinks = Literal["joint", "all"]
LABEL_LINKS: tuple[LabelLinks, ...] = ("joint", "all")
HIDDEN_FAMILIES: tuple[HiddenFamily, ...] = ("bernoulli", "rectified_gaussian")

WEIGHT_SCALE = 0.01
"""The standard deviation of first weights (Hinton 2012, "A practical guide to training restricted
Boltzmann machines", section 8)."""


@dataclass(frozen=True, eq=False)
class Pathway:
    """The variables of one modality, and the hidden layers above them.

    Parameters
    ----------
    visible : Variable or sequence of Variable
        Of any families.
    hidden : int or sequence of int, default ()
        The units of each hidden layer, from below. Without any, the variables are joined to the
        joint layer.
    name : str, optional
        By default the modality of the first variable, or its name.
    hidden_family : {"bernoulli", "rectified_gaussian"}, optional
        Of the hidden units; by default that of the machine.

    Raises
    ------
    GraphError
        If there is no variable, a size is not positive, or the family is unknown.
    """

    visible: Variable | Sequence[Variable]
    hidden: int | Sequence[int] = ()
    name: str | None = None
    hidden_family: HiddenFamily | None = None

    def __post_init__(self) -> None:
        if isinstance(self.visible, int):
            raise GraphError(
                f"visible units are variables, or None to take them from the data, not "
                f"{self.visible}; hidden={self.visible} is so many hidden units"
            )
        if not self.variables:
            raise GraphError("a pathway needs at least one variable")
        for variable in self.variables:
            if not isinstance(variable, Variable):
                raise GraphError(f"a pathway is made of variables, not of {variable!r}")
        for size in self.sizes:
            check_size(f"a hidden layer of the pathway '{self.title}'", size)
        if self.hidden_family is not None:
            check_family(self.hidden_family)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The visible variables."""
        return (self.visible,) if isinstance(self.visible, Variable) else tuple(self.visible)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The units of each hidden layer, from below."""
        return (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)

    @property
    def title(self) -> str:
        """The name, given or by default."""
        return self.name or self.variables[0].modality or self.variables[0].name


def check_size(what: str, size: object) -> None:
    """Raise GraphError if this is no number of units."""
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise GraphError(f"{what} must have a whole number of units from 1 on, not {size!r}")


def check_family(family: str) -> None:
    """Raise GraphError if hidden units cannot be of a family."""
    if family not in HIDDEN_FAMILIES:
        hint = suggestion(family, HIDDEN_FAMILIES)
        raise GraphError(
            f"hidden units cannot be {family!r}{hint} (known: {', '.join(HIDDEN_FAMILIES)})"
        )


def hidden_layer(name: str, size: int, family: HiddenFamily) -> Variable:
    """Return a layer of hidden units."""
    check_size(f"the layer '{name}'", size)
    check_family(family)
    return Variable(name, shape=(size,), family=family)


def pathways_of(pathways: Sequence[Pathway]) -> tuple[Pathway, ...]:
    """Return pathways with their names.

    Raises
    ------
    GraphError
        If there is none, or a name or a variable is used twice.
    """
    named = tuple(replace(p, name=p.title) for p in pathways)
    if not named:
        raise GraphError("a machine needs at least one pathway")
    for kind, names in (
        ("pathways", [p.title for p in named]),
        ("variables", [v.name for p in named for v in p.variables]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise GraphError(f"two {kind} are called '{name}'")
    return named


def checked_labels(labels: Variable | None) -> Variable | None:
    """Return the label units.

    Raises
    ------
    GraphError
        If they are anything but one categorical quantity.
    """
    if labels is None:
        return None
    if not isinstance(labels, Variable):
        raise GraphError(f"labels are a categorical variable, not {labels!r}")
    if labels.family != "categorical" or labels.shape:
        shape = f" of shape {labels.shape}" if labels.shape else ""
        raise GraphError(
            f"the labels '{labels.name}' must be one categorical variable; they are "
            f"{labels.family}{shape}"
        )
    return labels


def check_label_links(links: str) -> None:
    """Raise GraphError if labels cannot be joined to these layers."""
    if links not in LABEL_LINKS:
        hint = suggestion(links, LABEL_LINKS)
        raise GraphError(f"label_links is {links!r}{hint} (known: {', '.join(LABEL_LINKS)})")


def shown_layers(pathways: Sequence[Pathway], joint: Variable) -> str:
    """Return the sizes of all layers as a machine shows them: ``(36-64, 16-64)-64``."""
    towers = [
        "-".join(["+".join(str(v.size) for v in p.variables), *map(str, p.sizes)]) for p in pathways
    ]
    below = towers[0] if len(towers) == 1 else f"({', '.join(towers)})" if towers else "?"
    return f"{below}-{joint.size}"


def levels_of(
    pathways: Sequence[Pathway],
    layers: Sequence[Sequence[Variable]],
    joint: Variable,
    labels: Variable | None,
) -> tuple[tuple[str, ...], ...]:
    """Return the names of all variables by level: data and labels, hidden layers, the joint one."""
    below = [v.name for p in pathways for v in p.variables]
    if labels is not None:
        below.append(labels.name)
    depth = max((len(tower) for tower in layers), default=0)
    between = [tuple(t[level].name for t in layers if len(t) > level) for level in range(depth)]
    return (tuple(below), *between, (joint.name,))


def factors_of(
    variables: Sequence[Variable],
    pathways: Sequence[Pathway],
    layers: Sequence[Sequence[Variable]],
    joint: Variable,
    labels: Variable | None,
    label_links: LabelLinks,
    dtype: torch.dtype,
    generator: torch.Generator | None,
) -> tuple[BiasFactor | BilinearFactor, ...]:
    """Return biases of zero, precisions of one and small random weights."""
    factors: list[BiasFactor | BilinearFactor] = []
    for variable in variables:
        precision = torch.ones(variable.shape, dtype=dtype) if variable.is_real else None
        bias = torch.zeros(statistics_shape(variable), dtype=dtype)
        factors.append(BiasFactor(variable, bias, precision))
    for first, second in _joined(pathways, layers, joint, labels, label_links):
        shape = (*statistics_shape(first), *statistics_shape(second))
        factors.append(BilinearFactor(first, second, _drawn(shape, dtype, generator)))
    return tuple(factors)


def _joined(
    pathways: Sequence[Pathway],
    layers: Sequence[Sequence[Variable]],
    joint: Variable,
    labels: Variable | None,
    label_links: LabelLinks,
) -> list[tuple[Variable, Variable]]:
    """The layers that are joined, the lower one first."""
    pairs = []
    for pathway, tower in zip(pathways, layers, strict=True):
        above = [*tower, joint]
        pairs += [(variable, above[0]) for variable in pathway.variables]
        pairs += list(itertools.pairwise(above))
    if labels is not None:
        pairs.append((labels, joint))
        tops = [tower[-1] for tower in layers if tower] if label_links == "all" else []
        pairs += [(labels, top) for top in tops]
    return pairs


def _drawn(shape: Sequence[int], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    device = "cpu" if generator is None else generator.device
    numbers = torch.randn(tuple(shape), generator=generator, dtype=dtype, device=device)
    return WEIGHT_SCALE * numbers.cpu()


def adopted(
    own: Iterable[BiasFactor | BilinearFactor], others: Iterable[BiasFactor | BilinearFactor]
) -> tuple[BiasFactor | BilinearFactor, ...]:
    """Return factors with copies of the numbers of others, of layers of the same description.

    Raises
    ------
    GraphError
        If a factor is missing, there is one too many, or layers differ.
    """
    given = {(type(f), *(v.name for v in f.scope)): f for f in others}
    made: list[BiasFactor | BilinearFactor] = []
    for factor in own:
        found = given.pop((type(factor), *(v.name for v in factor.scope)), None)
        if found is None:
            raise GraphError(f"there is no {factor!r}")
        for own_variable, variable in zip(factor.scope, found.scope, strict=True):
            if not own_variable.describes_same_as(variable):
                raise GraphError(f"{variable!r} is not {own_variable!r}")
        taken = factor.with_tensors(*(tensor.detach().clone() for tensor in found.tensors()))
        if isinstance(taken, BiasFactor) and isinstance(found, BiasFactor):
            taken.length = found.length
        made.append(taken)
    if given:
        raise GraphError(f"this machine has no {next(iter(given.values()))!r}")
    return tuple(made)


def balanced_scale(factor: BilinearFactor) -> float:
    """Return a scale at which signals neither grow nor fade from layer to layer, up and down.

    Half the variance of Glorot and Bengio (2010), "Understanding the difficulty of training deep
    feedforward neural networks", section 4.2: a unit between two layers hears both.
    """
    ends = [math.prod(statistics_shape(v)) for v in factor.scope]
    return 1 / math.sqrt(sum(ends))
