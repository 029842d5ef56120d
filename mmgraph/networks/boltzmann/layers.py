"""The layers of a Boltzmann machine: pathways, their units, and what joins them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from mmgraph.graph.errors import GraphError, check_choice
from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.graph.factors.layers import LayerFactor
from mmgraph.graph.variable import Variable
from mmgraph.learning.boltzmann.training.initial_parameters import WEIGHT_SCALE

HiddenFamily = Literal["bernoulli", "rectified_gaussian"]
LabelLinks = Literal["joint", "all"]
LABEL_LINKS: tuple[LabelLinks, ...] = ("joint", "all")
HIDDEN_FAMILIES: tuple[HiddenFamily, ...] = ("bernoulli", "rectified_gaussian")


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
    check_choice("hidden_family", family, HIDDEN_FAMILIES, GraphError)


def hidden_layer(name: str, size: int, family: HiddenFamily) -> Variable:
    """Return a layer of hidden units."""
    check_size(f"the layer '{name}'", size)
    check_family(family)
    return Variable(name, shape=(size,), family=family)


@dataclass(frozen=True, eq=False)
class Layers:
    """All layers of a machine, and what is joined.

    There are no pathways, and no other layers than the joint one at the top, where data that has
    not been seen yet gives them. Towers are the hidden layers of each pathway, from below. Labels
    are joined to the joint layer, or to ``"all"``: to the last hidden layer of each pathway, too.
    """

    pathways: tuple[Pathway, ...]
    towers: tuple[tuple[Variable, ...], ...]
    joint: Variable
    labels: Variable | None = None
    label_links: LabelLinks = "joint"

    def __post_init__(self) -> None:
        check_label_links(self.label_links)
        named = tuple(replace(p, name=p.title) for p in self.pathways)
        for kind, names in (
            ("pathways", [p.title for p in named]),
            ("variables", [v.name for p in named for v in p.variables]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise GraphError(f"two {kind} are called '{name}'")
        object.__setattr__(self, "pathways", named)
        if self.labels is not None:
            _check_labels(self.labels)

    @property
    def visible(self) -> tuple[Variable, ...]:
        """The variables of all pathways, in order; labels are not among them."""
        return tuple(v for pathway in self.pathways for v in pathway.variables)

    @property
    def observed(self) -> tuple[Variable, ...]:
        """What data may know: the visible variables, and the labels if there are any."""
        return self.visible if self.labels is None else (*self.visible, self.labels)

    @property
    def hidden(self) -> tuple[Variable, ...]:
        """The hidden layers: pathway after pathway, each from below, and the joint layer last."""
        return (*(v for tower in self.towers for v in tower), self.joint) if self.pathways else ()

    @property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The names of all variables by their distance from the data; labels are at the bottom."""
        if not self.pathways:
            return ()
        depth = max(len(tower) for tower in self.towers)
        between = [tuple(t[i].name for t in self.towers if len(t) > i) for i in range(depth)]
        return (tuple(v.name for v in self.observed), *between, (self.joint.name,))

    def joined(self) -> list[tuple[Variable, Variable]]:
        """Return the layers that are joined, the lower one first."""
        pairs = []
        for pathway, tower in zip(self.pathways, self.towers, strict=True):
            above = [*tower, self.joint]
            pairs += [(variable, above[0]) for variable in pathway.variables]
            pairs += list(itertools.pairwise(above))
        if self.labels is not None:
            pairs.append((self.labels, self.joint))
            tops = [t[-1] for t in self.towers if t] if self.label_links == "all" else []
            pairs += [(self.labels, top) for top in tops]
        return pairs

    def factors(
        self, dtype: torch.dtype, generator: torch.Generator | None
    ) -> tuple[BiasFactor | BilinearFactor, ...]:
        """Return biases of zero, precisions of one and small random weights."""
        factors: list[BiasFactor | BilinearFactor] = []
        for variable in (*self.observed, *self.hidden):
            precision = torch.ones(variable.shape, dtype=dtype) if variable.is_real else None
            bias = torch.zeros(statistics_shape(variable), dtype=dtype)
            factors.append(BiasFactor(variable, bias, precision))
        device = "cpu" if generator is None else generator.device
        for first, second in self.joined():
            shape = (*statistics_shape(first), *statistics_shape(second))
            drawn = torch.randn(shape, generator=generator, dtype=dtype, device=device)
            factors.append(BilinearFactor(first, second, WEIGHT_SCALE * drawn.cpu()))
        return tuple(factors)

    def __str__(self) -> str:
        """The sizes of all layers: ``(36-64, 16-64)-64``."""
        towers = [
            "-".join(["+".join(str(v.size) for v in p.variables), *map(str, p.sizes)])
            for p in self.pathways
        ]
        below = towers[0] if len(towers) == 1 else f"({', '.join(towers)})" if towers else "?"
        return f"{below}-{self.joint.size}"


def columns_count(variables: Sequence[Variable]) -> int:
    """Return how many columns variables take side by side."""
    return sum(v.size for v in variables)


def _check_labels(labels: Variable) -> None:
    """Raise GraphError if labels are anything but one categorical quantity."""
    if not isinstance(labels, Variable):
        raise GraphError(f"labels are a categorical variable, not {labels!r}")
    if labels.family != "categorical" or labels.shape:
        shape = f" of shape {labels.shape}" if labels.shape else ""
        raise GraphError(
            f"the labels '{labels.name}' must be one categorical variable; they are "
            f"{labels.family}{shape}"
        )


def check_label_links(links: str) -> None:
    """Raise GraphError if labels cannot be joined to these layers."""
    check_choice("label_links", links, LABEL_LINKS, GraphError)


def adopted(factors: Iterable[LayerFactor], others: Iterable[Factor]) -> tuple[LayerFactor, ...]:
    """Return factors with copies of the numbers of others, of layers of the same description."""
    left = {(type(f), *(v.name for v in f.scope)): f for f in others}
    made: list[LayerFactor] = []
    for factor in factors:
        other = left.pop((type(factor), *(v.name for v in factor.scope)), None)
        if other is None:
            raise GraphError(f"there is no {factor!r}")
        for variable, adopted_one in zip(factor.scope, other.scope, strict=True):
            if not variable.describes_same_as(adopted_one):
                raise GraphError(f"{adopted_one!r} is not {variable!r}")
        numbers = {name: t.detach().clone() for name, t in other.parameters().items()}
        made.append(factor.restore(factor.scope, None, numbers, other.settings()))
    if left:
        raise GraphError(f"this machine has no {next(iter(left.values()))!r}")
    return tuple(made)
