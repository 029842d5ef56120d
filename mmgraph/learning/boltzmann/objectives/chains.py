"""How well the chains of the negative phase mix: what is recorded of them over an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.inference.numerics.diagnostics import split_r_hat
from mmgraph.learning.kept_state import part

_OCCUPANCY_RATE = 0.02
_SATURATED = 0.01
LEAST_DRAWS = 8
"""Steps below which nothing is said of mixing."""
_LONGEST = 1000
"""Steps of an epoch that are kept; later ones replace the oldest half."""


class ChainRecord:
    """Mean activations of hidden layers, chain by chain, and of every unit over the chains."""

    def __init__(self) -> None:
        self._traces: dict[tuple[int, str], list[Tensor]] = {}
        self._occupancy: dict[tuple[int, str], Tensor] = {}

    def add(self, block: int, states: Mapping[str, Float[Tensor, "chains *shape"]]) -> None:
        """Record the hidden states of a block after a step."""
        for name, values in states.items():
            flat = values.reshape(len(values), -1)
            trace = self._traces.setdefault((block, name), [])
            if trace and len(trace[0]) != len(flat):
                trace.clear()  # the last batch was a smaller one, whose chains are others
            trace.append(flat.mean(1))
            if len(trace) > _LONGEST:
                del trace[: _LONGEST // 2]
            mean = flat.mean(0)
            self._occupancy.setdefault((block, name), mean).lerp_(mean, _OCCUPANCY_RATE)

    def report(self) -> dict[str, float]:
        """Return the largest R-hat of the layers and the share of saturated units; forget traces.

        R-hat is of the chains' mean activations; a unit is saturated whose mean
        over chains and steps is within 0.01 of 0 or of 1.
        """
        health: dict[str, float] = {}
        names = dict.fromkeys(name for _, name in self._traces)
        worst = 0.0
        for name in names:
            traces = [torch.stack(t) for (_, n), t in self._traces.items() if n == name and t]
            shortest = min((len(t) for t in traces), default=0)
            if shortest >= LEAST_DRAWS:
                together = torch.cat([t[-shortest:] for t in traces], 1)
                worst = max(worst, split_r_hat(together.double().numpy(force=True)))
        if worst:
            health["r_hat"] = worst
        units = [
            torch.stack([o for (_, n), o in self._occupancy.items() if n == name]).mean(0)
            for name in names
        ]
        if units:
            every = torch.cat(units)
            edge = (every < _SATURATED) | (every > 1 - _SATURATED)
            health["saturated"] = float(edge.double().mean())
        self._traces.clear()
        return health

    def state(self) -> dict[str, Tensor]:
        """Return the record as tensors."""
        state = {f"block:{b}:trace:{n}": torch.stack(t) for (b, n), t in self._traces.items() if t}
        state.update({f"block:{b}:occupancy:{n}": o for (b, n), o in self._occupancy.items()})
        return state

    def load(self, state: Mapping[str, Tensor], blocks: Sequence[int]) -> None:
        """Go on from a record."""
        self._traces, self._occupancy = {}, {}
        for block in blocks:
            for name, trace in part(state, f"block:{block}:trace:").items():
                self._traces[block, name] = [t.clone() for t in trace]
            for name, occupancy in part(state, f"block:{block}:occupancy:").items():
                self._occupancy[block, name] = occupancy.clone()
