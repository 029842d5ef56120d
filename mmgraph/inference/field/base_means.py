"""Rough means of layers of units, from a few sweeps: where annealing and tempering are hot.

The biases of layers by themselves may lie far from anything that the model does; what is
independent at high temperature had better be near it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.inference.field.block_gibbs import States, sweep
from mmgraph.inference.field.finiteness import check_finite
from mmgraph.inference.field.moments import MomentSums
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import Masks

_SWEEPS = 25
_EVEN_SHARE = 0.1
"""How far means of units with states are drawn towards leaning to none of them."""


def gibbs_means(
    view: FieldView, colours: Sequence[Masks], batch: int, generator: torch.Generator
) -> dict[str, Float[Tensor, "rows ..."]]:
    """Return mean statistics of free variables, the same for all rows that belong together.

    Chains start from values that lean to nothing, so that they end in several modes where there
    are several.

    Parameters
    ----------
    view : FieldView
        Of layers of units.
    colours : sequence of masks
    batch : int
        Rows of evidence: equal numbers of the view's rows, one after the other, belong to each.
    generator : torch.Generator
        On the device of the view.

    Raises
    ------
    MmgraphError
        If a mean is not finite.
    """
    states = _even_draws(view, generator)
    for _ in range(_SWEEPS):
        sweep(view, colours, states, generator)
    sums = MomentSums(view, states)
    for _ in range(_SWEEPS):
        sweep(view, colours, states, generator, watch=sums.add)
    found = {}
    for name in view.free:
        mean = (sums.means[name] / _SWEEPS).to(view.dtype)
        check_finite(view, f"the mean of '{name}' along Gibbs chains", mean)
        rows = mean.unflatten(0, (batch, -1)).mean(1, keepdim=True)
        if not view.variables[name].is_real:
            even = view.families[name].mean(torch.zeros_like(mean)).unflatten(0, (batch, -1))
            rows = (1 - _EVEN_SHARE) * rows + _EVEN_SHARE * even[:, :1]
        found[name] = rows.expand(batch, len(mean) // batch, *mean.shape[1:]).flatten(0, 1)
    return found


def _even_draws(view: FieldView, generator: torch.Generator) -> States:
    """Values of free variables that lean to nothing; of real ones those that their biases say."""
    states = view.start(draw=True, generator=generator)
    for name in view.free:
        if not view.variables[name].is_real:
            drawn = view.families[name].sample(torch.zeros_like(states[name]), generator)
            states[name] = view.kept(name, drawn)
    return states
