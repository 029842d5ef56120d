"""The parameters of a Boltzmann machine as they are trained: centred, and scaled by precisions.

Montavon and Müller (2012), "Deep Boltzmann machines and the centering trick", section 3: every
unit is spoken of by its distance from a centre, which keeps the gradients of weights and biases
from disturbing each other. The weights of a Gaussian unit are multiplied by its precision, so that
the mean of the unit does not move when its precision does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor, biases
from mmgraph.graph.factors.bilinear import BilinearFactor, bilinear_factors
from mmgraph.graph.factors.layers import LayerFactor, layer_factors
from mmgraph.inference.pairwise.colouring import Masks, colour_masks
from mmgraph.learning.kept_state import part

Natural = list[tuple[Tensor, ...]]
"""The tensors of every factor, in the order of the graph."""


def natural_of(graph: FactorGraph) -> Natural:
    """Return the natural parameters of a machine."""
    return [factor.tensors() for factor in layer_factors(graph.factors)]


def copied(natural: Natural, dtype: torch.dtype | None = None) -> Natural:
    """Return natural parameters that no step changes, in a precision."""
    return [tuple(t.detach().to(dtype or t.dtype, copy=True) for t in row) for row in natural]


def same_natural(one: Natural, other: Natural) -> bool:
    """Whether natural parameters are equal."""
    pairs = (zip(a, b, strict=True) for a, b in zip(one, other, strict=True))
    return all(torch.equal(a, b) for row in pairs for a, b in row)


def with_natural(graph: FactorGraph, natural: Sequence[tuple[Tensor, ...]]) -> list[LayerFactor]:
    """Return the factors of a machine with other natural parameters."""
    factors = zip(layer_factors(graph.factors), natural, strict=True)
    return [factor.with_tensors(*row) for factor, row in factors]


@torch.no_grad()
def write_natural(graph: FactorGraph, natural: Sequence[tuple[Tensor, ...]]) -> None:
    """Copy natural parameters into a machine, but those that are its tensors already."""
    for tensors, row in zip(natural_of(graph), natural, strict=True):
        for tensor, other in zip(tensors, row, strict=True):
            if tensor.data_ptr() != other.data_ptr():
                tensor.copy_(other)
    graph.numbers_changed()


def named(prefix: str, natural: Natural) -> dict[str, Tensor]:
    """Return natural parameters by names ``"PREFIX:FACTOR:NUMBER"``."""
    return {f"{prefix}:{i}:{j}": t for i, row in enumerate(natural) for j, t in enumerate(row)}


def natural_named(prefix: str, tensors: Mapping[str, Tensor], device: torch.device) -> Natural:
    """Return copies of what :func:`named` has named, on a device; empty if there is nothing."""
    rows: dict[int, dict[int, Tensor]] = {}
    for place, tensor in part(tensors, f"{prefix}:").items():
        i, j = map(int, place.split(":"))
        rows.setdefault(i, {})[j] = tensor.to(device).clone()
    return [tuple(row[j] for j in sorted(row)) for _, row in sorted(rows.items())]


class Phase(NamedTuple):
    """Expected statistics under the data (positive) or under the model (negative).

    Squares are those of the variables that have a precision. The share is what the mean over the
    rows counts: one, or the share of a process among several.
    """

    statistics: Mapping[str, Float[Tensor, "rows *statistics"]]
    squares: Mapping[str, Float[Tensor, "rows *shape"]]
    share: float = 1.0


class BoltzmannParameters:
    """The centred parameters of a graph of biases and bilinear factors.

    With centres ``c``, precisions ``p`` (of Gaussian units; one for all others) and ``d = x - c``
    the log-weight is the sum of ``p b d`` over biases and of ``(p d)^T W (p d)`` over weights,
    apart from the precisions' own terms. The numbers of the graph are the start.

    Attributes
    ----------
    tensors : dict of str to Tensor
        ``"bias:NAME"``, ``"log_precision:NAME"`` and ``"weights:FIRST:SECOND"``, in the shapes of
        the factors' tensors; leaves that ask for gradients.
    centres : dict of str to Tensor
        In the shape of one row of the statistics; zero by default.
    """

    def __init__(self, graph: FactorGraph, centres: Mapping[str, Tensor] | None = None) -> None:
        self._structure = FactorGraph(graph.variables.values(), graph.factors)
        self._biases, self._joints = _kinds(graph)
        self.tensors: dict[str, Tensor] = {}
        self.centres: dict[str, Tensor] = {
            name: torch.zeros_like(factor.bias) for name, factor in self._biases.items()
        }
        with torch.no_grad():
            self._start()
            if centres:
                self.recentre(centres)
        for tensor in self.tensors.values():
            tensor.requires_grad_()
        self._stale = True
        self._working = self._made([self._in_place(row) for row in self.natural()])

    def _in_place(self, row: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Tensors of the working graph; weights without a scale are the parameters themselves."""
        parameters = {t.data_ptr() for t in self.tensors.values()}
        return tuple(t.detach() if t.data_ptr() in parameters else t.detach().clone() for t in row)

    def _start(self) -> None:
        """Take the numbers of the graph, with centres at zero."""
        for name, factor in self._biases.items():
            bias, precision = factor.bias.detach(), factor.precision
            if precision is not None:
                self.tensors[f"log_precision:{name}"] = precision.detach().log()
            scale = self._scale(name)
            self.tensors[f"bias:{name}"] = bias.clone() if scale is None else bias / scale
        for key, joint in self._joints.items():
            weights = joint.weights.detach().clone()
            self.tensors[key] = self._scaled(joint, weights, inverse=True)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(iter(self.tensors.values())).device

    @property
    def dtype(self) -> torch.dtype:
        """Their precision."""
        return next(iter(self.tensors.values())).dtype

    @property
    def colours(self) -> list[Masks]:
        """Groups of layers that can be updated at once."""
        return colour_masks(self._working)

    @property
    def joints(self) -> Mapping[str, BilinearFactor]:
        """The bilinear factor of each entry of weights; its numbers are those of the start."""
        return self._joints

    @property
    def with_precision(self) -> list[str]:
        """The variables that have a precision."""
        return [n for n, f in self._biases.items() if f.precision is not None]

    def natural(self) -> Natural:
        """Return the tensors of every factor, differentiable by :attr:`tensors`."""
        weights = {key: self._scaled(f, self.tensors[key]) for key, f in self._joints.items()}
        biases = {}
        for name in self._biases:
            bias, scale = self.tensors[f"bias:{name}"], self._scale(name)
            biases[name] = bias if scale is None else bias * scale
        for key, joint in self._joints.items():
            first, second = (v.name for v in joint.scope)
            matrix = weights[key].reshape(self.centres[first].numel(), -1)
            to_first = matrix @ self.centres[second].reshape(-1)
            to_second = self.centres[first].reshape(-1) @ matrix
            biases[first] = biases[first] - to_first.reshape(biases[first].shape)
            biases[second] = biases[second] - to_second.reshape(biases[second].shape)
        result: Natural = []
        for factor in self._structure.factors:
            if len(factor.scope) == 2:
                result.append((weights[_key(factor)],))
                continue
            name = factor.scope[0].name
            logarithm = self.tensors.get(f"log_precision:{name}")
            extra = () if logarithm is None else (logarithm.exp(),)
            result.append((biases[name], *extra))
        return result

    def graph(self) -> FactorGraph:
        """Return the graph of the present parameters, differentiable by :attr:`tensors`."""
        return self._made(self.natural())

    def _made(self, natural: Natural) -> FactorGraph:
        return self._structure.with_factors(with_natural(self._structure, natural))

    def working(self) -> FactorGraph:
        """Return the graph of the present parameters, one that stays the same object.

        It is brought up to date where :meth:`changed` was called; no gradients flow.
        """
        if self._stale:
            with torch.no_grad():
                write_natural(self._working, self.natural())
            self._stale = False
        return self._working

    def changed(self) -> None:
        """Note that :attr:`tensors` or :attr:`centres` were written to."""
        self._stale = True

    @torch.no_grad()
    def recentre(self, centres: Mapping[str, Float[Tensor, "*statistics"]]) -> None:
        """Move some centres, and the biases with them: the distribution stays what it is."""
        moved = {n: c.to(self.centres[n]) - self.centres[n] for n, c in centres.items()}
        for key, joint in self._joints.items():
            first, second = (v.name for v in joint.scope)
            if first not in moved and second not in moved:
                continue
            # The scale of an end cancels in its own bias, and stays in that of the other end.
            matrix = self.tensors[key].reshape(self.centres[first].numel(), -1)
            for name, other, across in ((first, second, matrix), (second, first, matrix.T)):
                if other in moved:
                    scale = self._scale(other)
                    step = moved[other] if scale is None else moved[other] * scale
                    bias = self.tensors[f"bias:{name}"]
                    bias += (across @ step.reshape(-1)).reshape(bias.shape)
        for name, step in moved.items():
            self.centres[name] += step
        self._stale = True

    @torch.no_grad()
    def gradients(self, positive: Phase, negative: Phase) -> dict[str, Tensor]:
        """Return the derivatives of the log-likelihood by :attr:`tensors`.

        They are differences of centred statistics: one matrix product a bilinear factor, over the
        rows of both phases. Where the shares of the phases differ, the gradients are right when
        those of all processes are added.
        """
        rows = [len(next(iter(p.statistics.values()))) for p in (positive, negative)]
        weight = torch.full((sum(rows), 1), positive.share / rows[0], device=self.device,
                            dtype=self.dtype)  # fmt: skip
        weight[rows[0] :] = -negative.share / rows[1]
        centred, result = {}, {}
        for name, centre in self.centres.items():
            both = torch.cat([positive.statistics[name], negative.statistics[name]])
            both = both.reshape(sum(rows), -1)
            centred[name] = both.sub_(centre.reshape(-1))
            gradient, scale = (weight.T @ both).reshape(centre.shape), self._scale(name)
            result[f"bias:{name}"] = gradient if scale is None else gradient * scale
        for name in self.with_precision:
            squares = torch.cat([positive.squares[name], negative.squares[name]])
            squares = squares.reshape(sum(rows), -1)
            gradient = (weight.T @ squares).reshape(self.centres[name].shape) * -0.5
            key, bias = f"log_precision:{name}", f"bias:{name}"
            result[key] = gradient * self.tensors[key].exp()
            if self._scale(name) is not None:
                result[key] += result[bias] * self.tensors[bias]
        for key, joint in self._joints.items():
            first, second = (centred[v.name] for v in joint.scope)
            if first.shape[1] < second.shape[1]:
                gradient = (first * weight).T @ second
            else:
                gradient = first.T @ (second * weight)
            weights = self.tensors[key]
            result[key] = scaled = self._scaled(joint, gradient.reshape(weights.shape))
            product = None
            for axis, variable in ((1, joint.scope[0]), (0, joint.scope[1])):
                if self._scale(variable.name) is not None:
                    if product is None:
                        product = (scaled * weights).reshape(gradient.shape)
                    entry = result[f"log_precision:{variable.name}"]
                    entry += product.sum(axis).reshape(entry.shape)
        return result

    def _scale(self, name: str) -> Tensor | None:
        """The precisions of Gaussian units; rectified units have weights of their own scale."""
        if self._structure.variables[name].family != "gaussian":
            return None
        return self.tensors[f"log_precision:{name}"].exp()

    def _scaled(self, joint: BilinearFactor, weights: Tensor, inverse: bool = False) -> Tensor:
        """Weights multiplied (or divided) by the precisions of both ends."""
        first, second = joint.scope
        for variable in joint.scope:
            scale = self._scale(variable.name)
            if scale is None:
                continue
            scale = scale.reciprocal() if inverse else scale
            if variable is first:
                scale = scale.reshape(*scale.shape, *(1,) * len(statistics_shape(second)))
            weights = weights * scale
        return weights


def _key(factor: Factor) -> str:
    first, second = factor.scope
    return f"weights:{first.name}:{second.name}"


def _kinds(graph: FactorGraph) -> tuple[dict[str, BiasFactor], dict[str, BilinearFactor]]:
    """The factors by what they speak of."""
    alone: dict[str, BiasFactor] = {}
    joints: dict[str, BilinearFactor] = {}
    for factor in graph.factors:
        if not factor.compact:
            raise GraphError(
                f"{factor!r} is neither a bias nor bilinear; a Boltzmann machine is made of those"
            )
    for bias in biases(graph.factors):
        name = bias.scope[0].name
        if name in alone:
            raise GraphError(f"two factors give '{name}' a bias; one is trained")
        alone[name] = bias
    for joint in bilinear_factors(graph.factors):
        first, second = (v.name for v in joint.scope)
        if _key(joint) in joints or f"weights:{second}:{first}" in joints:
            raise GraphError(f"two factors join '{first}' and '{second}'; one is trained")
        joints[_key(joint)] = joint
    for name in graph.variables:
        if name not in alone:
            raise GraphError(f"no BiasFactor speaks of '{name}', whose bias centring moves")
    return alone, joints
