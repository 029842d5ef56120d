"""The pictures of a machine: calibration, monitors, receptive fields, samples, imputations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mmgraph.comparison.classification import MultimodalData
from mmgraph.comparison.machine_declaration import MachineDeclaration, ViewDeclaration
from mmgraph.comparison.machine_fold import FittedMachine
from mmgraph.comparison.metrics import BINS
from mmgraph.plots import confusion_matrix, reliability_diagram, save
from mmgraph.plots.machines import image_grid, in_rows, training_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIELDS, _COLUMNS = 64, 16
_SHOWN = 10
_CHAINS, _BURN_IN = 10, 500
_MONITORS = ("loss", "pseudo_likelihood", "reconstruction_error", "free_energy_gap", "saturation")


def draw_pictures(
    directory: Path,
    declaration: MachineDeclaration,
    fitted: FittedMachine,
    test: MultimodalData,
    joined: Mapping[str, np.ndarray],
    codes: np.ndarray,
    histories: Sequence[Sequence[Mapping[str, float]]],
) -> list[str]:
    """Draw everything into a directory and return the files written.

    Parameters
    ----------
    directory : Path
        Made if it is not there.
    declaration, fitted, test
        The machine of the first fold, and its test rows.
    joined : mapping of str to ndarray
        What all folds said, in the order of ``codes``; see :func:`machine_fold.run_fold`.
    codes : ndarray of int
        The true labels.
    histories : sequence
        The monitors of each fold's training.
    """
    directory.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figure] = {}
    tables = {
        " and ".join(given): joined[f"probabilities:{'+'.join(given)}"]
        for given in declaration.report.given
    }
    target = test.target
    figures["reliability"] = reliability_diagram(
        codes, tables, BINS, title=f"Calibration of {target.name}"
    )
    first, table = next(iter(tables.items()))
    figures["confusion"] = confusion_matrix(
        codes, table.argmax(1), target.labels, title=f"{target.name} given {first}"
    )
    named = {f"fold {i + 1}": history for i, history in enumerate(histories) if history}
    if named:
        occurring = {name for history in named.values() for epoch in history for name in epoch}
        losses = sorted(n for n in occurring if n.startswith("loss:"))
        figures["monitors"] = training_curves(named, [*_MONITORS, *losses], title="Training")
    for view in declaration.views:
        if view.image:
            figures.update(_of_images(view, declaration, fitted, test, joined))
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
        f"samples_{name}": _samples(fitted, name, shape),
    }
    for one in declaration.report.imputations:
        if one.imputed == name:
            guess = joined[f"imputed:{name}:{'+'.join(one.given)}"]
            figures[f"imputed_{name}"] = _imputed(fitted, test, guess, name, one.given, shape)
    return figures


def _receptive_fields(fitted: FittedMachine, name: str, shape: tuple[int, int]) -> Figure:
    """The weights into the hidden units of longest weight vectors."""
    machine = fitted.machine
    key = next(k for k in machine.parameters() if k.startswith(f"weights:{name}:"))
    weights = machine.parameters()[key].detach().double().numpy().T
    chosen = np.sort(np.argsort(-np.linalg.norm(weights, axis=1))[:_FIELDS])
    fields = weights[chosen].reshape(-1, *shape)
    return image_grid(
        in_rows(fields, _COLUMNS),
        title=f"Receptive fields of {len(fields)} hidden units above '{name}'",
        signed=True,
    )


def _samples(fitted: FittedMachine, name: str, shape: tuple[int, int]) -> Figure:
    """Means of a modality along Gibbs chains, the label held fixed."""
    machine, labels = fitted.machine, fitted.machine.labels
    assert labels is not None
    generator = torch.Generator().manual_seed(0)
    count = labels.cardinality
    evidence = {labels.name: torch.arange(count)}
    drawn = machine.sample(
        _CHAINS, evidence, generator, burn_in=_BURN_IN, chains=_CHAINS, thinning=1
    )
    first = next(v.name for v in machine.hidden if v.name.startswith(f"{name}."))
    rows = {}
    for code in range(count):
        given = {first: drawn[first][code], labels.name: torch.full((_CHAINS,), code)}
        mean = machine.impute(given, name, iterations=1, tolerance=0.0)[name]
        pixels = fitted.transforms[name].backward(mean.double().numpy())
        rows[str(labels.labels[code])] = pixels.reshape(-1, *shape)
    return image_grid(
        rows, title=f"'{name}' in {_CHAINS} Gibbs chains, the {labels.name} held fixed"
    )


def _imputed(
    fitted: FittedMachine,
    test: MultimodalData,
    guess: np.ndarray,
    name: str,
    given: tuple[str, ...],
    shape: tuple[int, int],
) -> Figure:
    """Imputed images beside the truth, one test row of each label."""
    rows = [int(np.flatnonzero(test.codes == code)[0]) for code in np.unique(test.codes)[:_SHOWN]]
    truth = test.features[name][rows].reshape(-1, *shape)
    filled = guess[rows].reshape(-1, *shape)  # the first fold stands first
    headings = [str(test.target.labels[int(test.codes[row])]) for row in rows]
    return image_grid(
        {"truth": truth, "imputed": filled},
        title=f"'{name}' imputed from {', '.join(given)}",
        headings=headings,
    )
