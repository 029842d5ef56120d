"""What tells how training goes: pseudo-likelihood, reconstruction, free energies, log-likelihood.

Hinton (2012), "A practical guide to training restricted Boltzmann machines", sections 5, 6 and 15.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import one_hot
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import inferred, log_weights
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.sampling.annealing import annealed_importance_sampling
from mmgraph.learning.boltzmann.training_rows import TrainingRows, elementwise


class Monitors:
    """Numbers of one machine on a few fixed rows: of validation, if there are any, or of training.

    Free energies are exact where hidden layers do not touch each other, else bounds of mean field.
    """

    def __init__(
        self, rows: TrainingRows, validation: TrainingRows | None, mean_field_steps: int
    ) -> None:
        self.rows, self._watched = rows, validation or rows
        self._has_validation, self._steps = validation is not None, mean_field_steps

    @torch.no_grad()
    def of(self, graph: FactorGraph, seed: int) -> dict[str, float]:
        """Return the monitors of a machine.

        ``free_energy``, ``reconstruction_error`` and ``pseudo_likelihood`` are means over the
        validation rows, or the training rows where there are none; ``free_energy_gap`` is how much
        higher the free energy of the validation rows is than that of the training rows.
        """
        clamped = self._watched.clamped
        view, means = inferred(graph, clamped, self._steps)
        energy = -log_weights(view, means)
        monitors = {
            "free_energy": float(energy.double().mean()),
            "reconstruction_error": _reconstruction_error(graph, view, means, clamped),
        }
        if self._has_validation:
            learned = self._free_energy(graph, self.rows.clamped)
            monitors["free_energy_gap"] = monitors["free_energy"] - float(learned.double().mean())
        generator = torch.Generator().manual_seed(seed)
        likelihood = self._pseudo_likelihood(graph, clamped, energy, generator)
        if likelihood is not None:
            monitors["pseudo_likelihood"] = likelihood
        return monitors

    def log_likelihood(
        self, graph: FactorGraph, steps: int, chains: int, seed: int
    ) -> dict[str, float]:
        """Return the mean log-likelihood of the watched rows, by annealed importance sampling.

        Of deep machines it is a lower bound, up to the error of the partition function.
        """
        device = next(iter(self._watched.clamped.values())).values.device
        annealed = annealed_importance_sampling(
            graph.to(dtype=torch.float64),
            Evidence.of(None, graph.variables),
            steps=steps,
            chains=chains,
            generator=torch.Generator(device).manual_seed(seed),
        )
        log_partition = float(annealed.log_partition.reshape(-1)[0])
        with torch.no_grad():
            energy = float(self._free_energy(graph, self._watched.clamped).double().mean())
        return {"log_likelihood": -energy - log_partition, "log_partition": log_partition}

    def _free_energy(
        self, graph: FactorGraph, clamped: Mapping[str, Clamped]
    ) -> Float[Tensor, " rows"]:
        """Minus the log-weight of each row with the hidden units summed out."""
        return -log_weights(*inferred(graph, clamped, self._steps))

    def _pseudo_likelihood(
        self,
        graph: FactorGraph,
        clamped: Mapping[str, Clamped],
        energy: Float[Tensor, " rows"],
        generator: torch.Generator,
    ) -> float | None:
        """The rows' mean log-pseudo-likelihood of discrete observed units, if there are any.

        In each row one unit of each layer is drawn, and stands for all; ``energy`` is free.
        """
        layers = []
        for name, (values, known) in clamped.items():
            variable = graph.variables[name]
            if not variable.is_discrete:
                continue
            rows = len(values)
            unit = torch.randint(variable.size, (rows,), generator=generator).to(values.device)
            index = torch.arange(rows, device=values.device)
            here = values.reshape(rows, variable.size, -1)[index, unit]
            differences = [torch.zeros_like(energy)]
            states = _other_states(here, variable.family == "bernoulli")
            for other in states:
                changed = values.reshape(rows, variable.size, -1).clone()
                changed[index, unit] = other
                altered = {**clamped, name: Clamped(changed.reshape(values.shape), known)}
                differences.append(energy - self._free_energy(graph, altered))
            conditional = -torch.stack(differences).double().logsumexp(0)
            if known is not None:
                conditional = conditional[known.reshape(rows, -1)[index, unit]]
            if len(conditional):
                layers.append(variable.size * float(conditional.mean()))
        return sum(layers) if layers else None


def _reconstruction_error(
    graph: FactorGraph,
    view: FieldView,
    means: Mapping[str, Tensor],
    clamped: Mapping[str, Clamped],
) -> float:
    """The mean squared error of observed statistics, predicted by the hidden means."""
    back = FieldView.given(graph, {}, view.batch, view.device, view.dtype)
    total = torch.zeros((), device=view.device, dtype=torch.float64)
    count = 0.0
    for name, (values, known) in clamped.items():
        predicted = view.families[name].mean(back.field(name, means))
        errors = (predicted - values).square().double()
        if known is None:
            total, count = total + errors.sum(), count + errors.numel()
            continue
        mask = elementwise(known, errors).expand(errors.shape)
        total, count = total + errors[mask].sum(), count + float(mask.sum())
    return float(total) / count


def _other_states(
    here: Float[Tensor, "rows states"], bernoulli: bool
) -> list[Float[Tensor, "rows states"]]:
    """The statistics of every state that a unit is not in, by turns."""
    if bernoulli:
        return [1 - here]
    states = here.shape[1]
    code = here.argmax(1)
    return [one_hot((code + step) % states, states, here.dtype) for step in range(1, states)]
