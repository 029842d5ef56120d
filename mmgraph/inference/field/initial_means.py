"""Means that layers of units start from: of mean field, and where annealing and tempering are hot.

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
    are several. Equal numbers of the view's rows belong to each row of the batch of evidence.
    """
    states = _even_draws(view, generator)
    for _ in range(_SWEEPS):
        sweep(view, colours, states, generator)
    sums = MomentSums(view, states)
    for _ in range(_SWEEPS):
        sweep(view, colours, states, generator, watch=sums.add)
    means = {}
    for name in view.free:
        mean = (sums.means[name] / _SWEEPS).to(view.dtype)
        check_finite(view, f"the mean of '{name}' along Gibbs chains", mean)
        rows = mean.unflatten(0, (batch, -1)).mean(1, keepdim=True)
        if not view.variables[name].is_real:
            even = view.families[name].mean(torch.zeros_like(mean)).unflatten(0, (batch, -1))
            rows = (1 - _EVEN_SHARE) * rows + _EVEN_SHARE * even[:, :1]
        means[name] = rows.expand(batch, len(mean) // batch, *mean.shape[1:]).flatten(0, 1)
    return means


def _even_draws(view: FieldView, generator: torch.Generator) -> States:
    """Values of free variables that lean to nothing; of real ones those that their biases say."""
    states = view.start(draw=True, generator=generator)
    for name in view.free:
        if not view.variables[name].is_real:
            drawn = view.families[name].sample(torch.zeros_like(states[name]), generator)
            states[name] = view.clamp(name, drawn)
    return states


def uninformed_means(view: FieldView) -> dict[str, Tensor]:
    """Return the mean of each variable given others that lean to no value; known units have theirs.

    The biases of a machine alone say little: they count with what layers say that are never at
    zero. Units with states and words lean to none of them; real ones have the means that those
    give them, so that nothing depends on the units that they are measured in. Where each row has
    the same means, there is one row of them.
    """
    even = {}
    for name, form in view.forms.items():
        nothing = torch.zeros(1, *form.shape, device=view.device, dtype=view.dtype)
        even[name] = view.families[name].mean(nothing)
    leaning = dict(even)
    for name, variable in view.variables.items():
        if variable.is_real and not view.is_whole(name):
            even[name] = view.families[name].mean(view.field(name, leaning))
    for name in view.clamped:  # known in every row or in some: it makes no difference
        even[name] = view.clamp(name, even[name])
    means = {}
    for name in view.variables:
        if view.is_whole(name):
            means[name] = view.clamped[name].values
            continue
        mean = view.mean(name, even)
        neighbours = {v.name for f in view.couplings[name] for v in f.scope}
        rows = max(len(view.unary[name]), *(len(even[n]) for n in (name, *neighbours)))
        means[name] = mean[:1] if rows == 1 and name not in view.clamped else mean
    return means
