"""The pictures of a run: the network; of each split the confusion matrices and reliability."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmgraph.comparison.cross_validation import CrossValidation
from mmgraph.comparison.metrics import BINS
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.plots import confusion_matrix, draw_network, reliability_diagram, save


def draw_structure(directory: Path, network: BayesianNetwork) -> list[str]:
    """Draw a network, coloured by modality, and return the file written.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "network.png"
    draw_network(network, path)
    return [str(path)]


def draw_calibration(
    directory: Path, split: CrossValidation, predictions: Mapping[tuple[str, ...], np.ndarray]
) -> list[str]:
    """Draw how good the predictions of a split are, and return the files written.

    Parameters
    ----------
    directory : Path
        Made if it is not there.
    split : CrossValidation
        Has the true states. The files of a split by groups are named after it.
    predictions : mapping of tuple of str to ndarray
        For each situation (the modalities given) the posteriors of all test rows.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    target, labels = split.data.target, split.data.codes[split.tested]
    named = {" and ".join(given): table for given, table in predictions.items()}
    figures = {
        f"confusion_{'_'.join(given)}": confusion_matrix(
            labels,
            table.argmax(1),
            target.labels,
            title=split.titled(f"{target.name} given {' and '.join(given)}"),
        )
        for given, table in predictions.items()
    }
    title = split.titled(f"Calibration of {target.name}")
    figures["reliability"] = reliability_diagram(labels, named, BINS, title=title)
    files = []
    for name, figure in figures.items():
        path = directory / f"{name}{split.suffix}.png"
        save(figure, path)
        files.append(str(path))
    return files
