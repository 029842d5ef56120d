"""Protein signalling in single cells, under nine experimental conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmgraph.datasets.tables import read_table
from mmgraph.graph.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

Edge = tuple[str, str]

# The file holds the experiments one after the other and does not name them.
_EXPERIMENTS = {
    "cd3cd28": 853,
    "cd3cd28+icam2": 902,
    "akt_inhibitor": 911,
    "g0076": 723,
    "psitectorigenin": 810,
    "u0126": 799,
    "ly294002": 848,
    "pma": 913,
    "b2camp": 707,
}
_NETWORK_NAMES = {
    "praf": "Raf",
    "pmek": "Mek",
    "plcg": "Plcg",
    "PIP2": "PIP2",
    "PIP3": "PIP3",
    "p44/42": "Erk",
    "pakts473": "Akt",
    "PKA": "PKA",
    "PKC": "PKC",
    "P38": "P38",
    "pjnk": "Jnk",
}


@dataclass(frozen=True, eq=False)
class Sachs:
    """The protein signalling data set.

    Attributes
    ----------
    frame : pandas.DataFrame
        7,466 cells x 11 proteins, fluorescence as measured.
    experiment : array of int, shape (7466,)
        Index into :attr:`experiments` for each cell.
    experiments : tuple of str
        Names of the nine conditions by reagent: ``g0076`` inhibits PKC, ``psitectorigenin`` PIP2,
        ``u0126`` MEK; ``pma`` activates PKC, ``b2camp`` PKA. The first two are general stimuli.
    consensus_edges : tuple of (cause, effect)
        The graph of accepted links, by column name.
    consensus_source : str
        Which of the published versions :attr:`consensus_edges` is.
    network_names : dict of str to str
        Name of each column in the network ``sachs`` of the bnlearn repository, whose graph has 17
        edges and differs in the direction of some.
    """

    frame: pd.DataFrame
    experiment: NDArray[np.int64]
    experiments: tuple[str, ...]
    consensus_edges: tuple[Edge, ...]
    consensus_source: str
    network_names: dict[str, str]


def load() -> Sachs:
    """Load the protein signalling data set."""
    frame = read_table("sachs", "cyto_full_data.csv")
    target = read_table("sachs", "cyto_full_target.csv")
    sizes = list(_EXPERIMENTS.values())
    if len(frame) != sum(sizes):
        raise DatasetError(f"cyto_full_data.csv has {len(frame)} rows, {sum(sizes)} expected")
    return Sachs(
        frame=frame,
        experiment=np.repeat(np.arange(len(sizes)), sizes),
        experiments=tuple(_EXPERIMENTS),
        consensus_edges=tuple(zip(target["Cause"], target["Effect"], strict=True)),
        consensus_source="cyto_full_target.csv of cdt 0.6.0, 18 edges",
        network_names=dict(_NETWORK_NAMES),
    )
