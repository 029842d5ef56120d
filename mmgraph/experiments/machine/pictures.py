"""The pictures of a machine: calibration, monitors, receptive fields, samples, imputations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mmgraph.comparison.cross_validation import CrossValidation
from mmgraph.comparison.metrics import BINS
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.machine.declaration import MachineDeclaration, ViewDeclaration
from mmgraph.experiments.machine.fold import FittedMachine
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import statistics_of
from mmgraph.graph.state_labels import index
from mmgraph.inference.field.block_gibbs import sweep
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.plots import confusion_matrix, reliability_diagram, save
from mmgraph.plots.machines import image_grid, in_rows, training_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIELDS, _COLUMNS = 64, 16
_SHOWN = 10
_SETTLING = 50
"""Sweeps in which everything but the image and the label forgets where it started."""
_SWEEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_MONITORS = ("loss", "pseudo_likelihood", "reconstruction_error", "free_energy_gap", "saturation")


def draw_predictions(
    directory: Path,
    declaration: MachineDeclaration,
    split: CrossValidation,
    joined: Mapping[str, np.ndarray],
    histories: Sequence[Sequence[Mapping[str, float]]],
) -> list[str]:
    """Draw calibration, confusion and training of a split's folds, and return the files written.

    Parameters
    ----------
    directory : Path
        Made if it is not there.
    declaration : MachineDeclaration
    split : CrossValidation
        Has the true labels. The files of a split by groups are named after it.
    joined : mapping of str to ndarray
        What all folds said, in the order of the split; see :func:`machine_fold.run_fold`.
    histories : sequence
        The monitors of each fold's training.
    """
    tables = {
        " and ".join(given): joined[f"probabilities:{'+'.join(given)}"]
        for given in declaration.report.given
    }
    target, codes = split.data.target, split.data.codes[split.tested]
    figures = {
        "reliability": reliability_diagram(
            codes, tables, BINS, title=split.titled(f"Calibration of {target.name}")
        )
    }
    first, table = next(iter(tables.items()))
    title = split.titled(f"{target.name} given {first}")
    figures["confusion"] = confusion_matrix(codes, table.argmax(1), target.labels, title=title)
    named = {f"fold {i + 1}": history for i, history in enumerate(histories) if history}
    if named:
        occurring = {name for history in named.values() for epoch in history for name in epoch}
        losses = sorted(n for n in occurring if n.startswith("loss:"))
        monitors = [*_MONITORS, *losses]
        figures["monitors"] = training_curves(named, monitors, title=split.titled("Training"))
    return _saved(directory, {f"{name}{split.suffix}": f for name, f in figures.items()})


def draw_images(
    directory: Path,
    declaration: MachineDeclaration,
    fitted: FittedMachine,
    test: MultimodalData,
    joined: Mapping[str, np.ndarray],
) -> list[str]:
    """Draw what a machine makes of images, where there are any, and return the files written.

    Parameters
    ----------
    directory : Path
        Made if it is not there.
    declaration, fitted, test
        The machine of the first fold, and its test rows.
    joined : mapping of str to ndarray
        What all folds said, those test rows first.
    """
    figures: dict[str, Figure] = {}
    for view in declaration.views:
        if view.image:
            figures.update(_of_images(view, declaration, fitted, test, joined))
    return _saved(directory, figures)


def _saved(directory: Path, figures: Mapping[str, Figure]) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in figures.items():
        path = directory / f"{name}.png"
        save(figure, path)
        files.append(str(path))
    return files


def _of_images(
    view: ViewDeclaration,
    declaration: MachineDeclaration,
    fitted: FittedMachine,
    test: MultimodalData,
    joined: Mapping[str, np.ndarray],
) -> dict[str, Figure]:
    """The pictures of a modality whose features are pixels."""
    name, shape = view.modality, (view.image[0], view.image[1])
    figures = {
        f"receptive_fields_{name}": _receptive_fields(fitted, name, shape),
        f"samples_{name}": _samples(fitted, test, name, shape),
    }
    for one in declaration.report.imputations:
        if one.imputed == name:
            guess = joined[f"imputed:{name}:{'+'.join(one.given)}"]
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
    colours, seen = colour_masks(machine), [some.features[name]]
    for passed in range(1, _SWEEPS[-1] + 1):
        sweep(view, colours, states, generator)
        if passed in _SWEEPS:
            mean = view.mean(name, states).double().numpy()
            seen.append(fitted.transforms[name].backward(mean))
    images = np.stack(seen, 1).reshape(len(rows), len(seen), *shape)
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
