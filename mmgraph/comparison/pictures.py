"""The pictures of a run: the network, a confusion matrix a situation, the reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmgraph.comparison.metrics import BINS
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.plots import confusion_matrix, draw_network, reliability_diagram, save


def draw_pictures(
    directory: Path,
    network: BayesianNetwork,
    target: Variable,
    predictions: Mapping[tuple[str, ...], np.ndarray],
    labels: np.ndarray,
) -> list[str]:
    """Draw everything into a directory and return the files written.

    Parameters
    ----------
    directory : Path
        Made if it is not there.
    network : BayesianNetwork
        Coloured by modality.
    target : Variable
        Gives the labels of the confusion matrices.
    predictions : mapping of tuple of str to ndarray
        For each situation (the modalities given) the posteriors of all rows.
    labels : ndarray of int
        The true states of the same rows.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / "network.png"]
    draw_network(network, files[0])
    for given, table in predictions.items():
        situation = " and ".join(given)
        path = directory / f"confusion_{'_'.join(given)}.png"
        save(
            confusion_matrix(
                labels, table.argmax(1), target.labels, title=f"{target.name} given {situation}"
            ),
            path,
        )
        files.append(path)
    path = directory / "reliability.png"
    named = {" and ".join(given): table for given, table in predictions.items()}
    save(reliability_diagram(labels, named, BINS, title=f"Calibration of {target.name}"), path)
    return [str(file) for file in (*files, path)]
