"""The pictures of a machine: calibration, monitors, receptive fields, samples, imputations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from mmgraph.comparison.cross_validation import CrossValidation
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.machine.declaration import MachineDeclaration, ViewDeclaration
from mmgraph.experiments.machine.fold import FittedMachine
from mmgraph.experiments.pictures import calibration_figures
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import statistics_of
from mmgraph.graph.state_labels import index
from mmgraph.inference.field.block_gibbs import sweep
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.plots.machines import image_grid, in_rows, training_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIELDS, _COLUMNS = 64, 16
_SHOWN = 10
_SETTLING = 50
"""Sweeps in which everything but the image and the label forgets where it started."""
_SWEEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_MONITORS = ("loss", "pseudo_likelihood", "reconstruction_error", "free_energy_gap", "saturation")


def prediction_figures(
    declaration: MachineDeclaration,
    split: CrossValidation,
    predicted: Mapping[str, np.ndarray],
    histories: Sequence[Sequence[Mapping[str, float]]],
) -> dict[str, Figure]:
    """Return calibration, confusion given everything, and training of a split's folds."""
    tables = {
        " and ".join(given): predicted[f"probabilities:{'+'.join(given)}"]
        for given in declaration.report.given
    }
    figures = calibration_figures(split, tables, {"confusion": next(iter(tables))})
    named = {f"fold {i + 1}": history for i, history in enumerate(histories) if history}
    if named:
        occurring = {name for history in named.values() for epoch in history for name in epoch}
        losses = sorted(n for n in occurring if n.startswith("loss:"))
        monitors = [*_MONITORS, *losses]
        figures["monitors"] = training_curves(named, monitors, title=split.titled("Training"))
    return figures


def image_figures(
    declaration: MachineDeclaration,
    fitted: FittedMachine,
    test: MultimodalData,
    predicted: Mapping[str, np.ndarray],
) -> dict[str, Figure]:
    """Return what a machine makes of images, where there are any."""
    figures: dict[str, Figure] = {}
    for view in declaration.views:
        if view.image:
            figures |= _of_images(view, declaration, fitted, test, predicted)
    return figures


def _of_images(
    view: ViewDeclaration,
    declaration: MachineDeclaration,
    fitted: FittedMachine,
    test: MultimodalData,
    predicted: Mapping[str, np.ndarray],
) -> dict[str, Figure]:
    """The pictures of a modality whose features are pixels."""
    name, shape = view.modality, (view.image[0], view.image[1])
    figures = {
        f"receptive_fields_{name}": _receptive_fields(fitted, name, shape),
        f"samples_{name}": _samples(fitted, test, name, shape),
    }
    for one in declaration.report.imputations:
        if one.imputed == name:
            guess = predicted[f"imputed:{name}:{'+'.join(one.given)}"]
            figures[f"imputed_{name}"] = _imputed(fitted, test, guess, name, one.given, shape)
    return figures


def _receptive_fields(fitted: FittedMachine, name: str, shape: tuple[int, int]) -> Figure:
    """What hidden units add to the mean image; those that add most."""
    parameters = {k: t.detach().double().numpy() for k, t in fitted.machine.parameters().items()}
    key = next(k for k in parameters if k.startswith(f"weights:{name}:"))
    weights = (parameters[key] / parameters[f"precision:{name}"][:, None]).T
    chosen = np.sort(np.argsort(-np.linalg.norm(weights, axis=1))[:_FIELDS])
    fields = weights[chosen].reshape(-1, *shape)
    return image_grid(
        in_rows(fields, _COLUMNS),
        title=f"What {len(fields)} hidden units add to the mean of '{name}': red more, blue less",
        signed=True,
    )


def _samples(
    fitted: FittedMachine, test: MultimodalData, name: str, shape: tuple[int, int]
) -> Figure:
    """Means of a modality along Gibbs chains that start from test rows, the label held fixed."""
    machine, labels = fitted.machine, fitted.machine.labels
    assert labels is not None
    rows = _one_of_each(test)
    some = test.rows(rows)
    generator = torch.Generator().manual_seed(0)
    held = {labels.name: index(some.codes)}
    drawn = machine.sample(
        1, {**fitted.evidence(some, (name,)), **held}, generator, burn_in=_SETTLING
    ).codes
    view = FieldView(machine, Evidence.of(held, machine.variables), machine.device, machine.dtype)
    states = {
        v.name: statistics_of(v, drawn[v.name][:, 0], machine.dtype)
        for v in machine.variables.values()
    }
    colours, shown = colour_masks(machine), [some.features[name]]
    for passed in range(1, _SWEEPS[-1] + 1):
        sweep(view, colours, states, generator)
        if passed in _SWEEPS:
            mean = view.mean(name, states).double().numpy()
            shown.append(fitted.scales[name].backward(mean))
    images = np.stack(shown, 1).reshape(len(rows), len(shown), *shape)
    return image_grid(
        {str(labels.labels[code]): one for code, one in zip(some.codes, images, strict=True)},
        title=f"'{name}' after sweeps of Gibbs sampling from test rows, the {labels.name} held",
        headings=["start", *(f"{n:,}" for n in _SWEEPS)],
        limits=_limits(test, name),
    )


def _one_of_each(test: MultimodalData) -> np.ndarray:
    """The first row of each label."""
    return np.unique(test.codes, return_index=True)[1][:_SHOWN]


def _limits(test: MultimodalData, name: str) -> tuple[float, float]:
    """The range of a modality; images that reach beyond it are as white, or as black."""
    low, high = float(test.features[name].min()), float(test.features[name].max())
    return low, high if high > low else low + 1


def _imputed(
    fitted: FittedMachine,
    test: MultimodalData,
    guess: np.ndarray,
    name: str,
    given: tuple[str, ...],
    shape: tuple[int, int],
) -> Figure:
    """Imputed images beside the truth, one test row of each label."""
    rows = _one_of_each(test)
    truth = test.features[name][rows].reshape(-1, *shape)
    filled = guess[rows].reshape(-1, *shape)  # the first fold stands first
    headings = [str(test.target.labels[int(test.codes[row])]) for row in rows]
    return image_grid(
        {"truth": truth, "imputed": filled},
        title=f"'{name}' imputed from {', '.join(given)}",
        headings=headings,
        limits=_limits(test, name),
    )
