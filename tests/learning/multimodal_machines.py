"""A small machine of several modalities, one of each family, and rows for it."""

from __future__ import annotations

import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.inference.field.clamping import Clamped

VISIBLE = {
    "pixels": mm.Variable("pixels", shape=(3,), family="bernoulli", modality="camera"),
    "depth": mm.Variable("depth", shape=(2,), family="gaussian", modality="camera"),
    "rate": mm.Variable("rate", shape=(2,), family="rectified_gaussian"),
    "colour": mm.Variable("colour", 3, shape=(2,)),
    "words": mm.Variable("words", shape=(4,), family="replicated_softmax"),
}
LABEL = mm.Variable("label", ("a", "b", "c"))


def multimodal_machine(seed: int = 0, scale: float = 0.4) -> mm.FactorGraph:
    """A hidden layer of three units under each visible one, and a joint layer with labels."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    def joined(first: mm.Variable, second: mm.Variable) -> mm.BilinearFactor:
        shape = (*statistics_shape(first), *statistics_shape(second))
        return mm.BilinearFactor(first, second, drawn(*shape))

    hidden = {
        n: mm.Variable(f"{n}.hidden1", shape=(3,), family="bernoulli") for n in VISIBLE
    }  # fmt: skip
    joint = mm.Variable("joint", shape=(4,), family="bernoulli")
    variables = [*VISIBLE.values(), *hidden.values(), joint, LABEL]
    factors: list[mm.BiasFactor | mm.BilinearFactor] = []
    for variable in variables:
        real = variable.family in ("gaussian", "rectified_gaussian")
        precision = drawn(*variable.shape).exp() if real else None
        factors.append(mm.BiasFactor(variable, drawn(*statistics_shape(variable)), precision, 5))
    for name, visible in VISIBLE.items():
        factors += [joined(visible, hidden[name]), joined(hidden[name], joint)]
    factors.append(joined(LABEL, joint))
    return mm.FactorGraph(variables, factors)


def multimodal_rows(count: int = 20, seed: int = 1) -> dict[str, Clamped]:
    """Rows whose label decides what every modality looks like, up to noise; nothing is missing."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(3, (count,), generator=generator)
    one_hot = torch.nn.functional.one_hot(label, 3).double()

    def noise(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, dtype=torch.float64)

    words = torch.zeros(count, 4, dtype=torch.float64)
    likely = torch.multinomial(one_hot + 0.1, 5, replacement=True, generator=generator)
    words.scatter_add_(1, likely, torch.ones(count, 5, dtype=torch.float64))
    return {
        "pixels": Clamped((one_hot + 0.3 * noise(3) > 0.5).double()),
        "depth": Clamped(one_hot[:, :2] + 0.3 * noise(2)),
        "rate": Clamped((one_hot[:, 1:] + 0.3 * noise(2)).abs()),
        "colour": Clamped(torch.stack([one_hot, one_hot], 1)),
        "words": Clamped(words),
        "label": Clamped(one_hot),
    }


def with_missing(rows: dict[str, Clamped], name: str, missing: Tensor, fill: float) -> dict:
    """The rows with a variable unknown in some of them; ``fill`` stands in its place."""
    values = rows[name].values.clone()
    values[missing] = fill
    documents = name in ("words", "label")
    known = (
        ~missing if documents else ~missing.unsqueeze(1).expand(len(missing), *VISIBLE[name].shape)
    )
    return {**rows, name: Clamped(values, known)}
