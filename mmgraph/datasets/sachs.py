"""Protein signalling in single cells, under nine experimental conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmgraph.datasets.readers.tables import read_table
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
# What each reagent acts on among the proteins measured. LY294002 inhibits the kinase PI3K, which is
# not measured, so that it sets no protein here; others take PIP3, which that kinase makes, for it.
_TARGETS = {
    "akt_inhibitor": "pakts473",
    "g0076": "PKC",
    "psitectorigenin": "PIP2",
    "u0126": "pmek",
    "pma": "PKC",
    "b2camp": "PKA",
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
_PUBLISHED = (
    ("PKC", "praf"),
    ("PKC", "pmek"),
    ("PKC", "PKA"),
    ("PKC", "P38"),
    ("PKC", "pjnk"),
    ("PKA", "praf"),
    ("PKA", "pmek"),
    ("PKA", "p44/42"),
    ("PKA", "pakts473"),
    ("PKA", "P38"),
    ("PKA", "pjnk"),
    ("praf", "pmek"),
    ("pmek", "p44/42"),
    ("p44/42", "pakts473"),
    ("plcg", "PIP3"),
    ("plcg", "PIP2"),
    ("PIP3", "PIP2"),
)


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
    interventions : array of str, shape (7466,)
        The column that each cell's experiment sets, empty where none: neither the general stimuli
        nor ``ly294002``, which inhibits a kinase (PI3K) that is not measured.
    consensus_edges : tuple of (cause, effect)
        The graph of accepted links, by column name; among them a cycle of PIP2, PIP3 and plcg.
    consensus_source : str
        Which of the published versions :attr:`consensus_edges` is.
    published_edges : tuple of (cause, effect)
        The acyclic graph that Sachs et al. (2005) report in figure 3, 17 edges: that of the network
        ``sachs`` of the bnlearn repository, which most comparisons take as the consensus.
    network_names : dict of str to str
        Name of each column in the network ``sachs`` of the bnlearn repository, whose graph has 17
        edges (:attr:`published_edges`) and differs in the direction of some.
    """

    frame: pd.DataFrame
    experiment: NDArray[np.int64]
    experiments: tuple[str, ...]
    interventions: NDArray[np.object_]
    consensus_edges: tuple[Edge, ...]
    consensus_source: str
    published_edges: tuple[Edge, ...]
    network_names: dict[str, str]


def load() -> Sachs:
    """Load the protein signalling data set."""
    frame = read_table("sachs", "cyto_full_data.csv")
    target = read_table("sachs", "cyto_full_target.csv")
    sizes = list(_EXPERIMENTS.values())
    targets = [_TARGETS.get(name, "") for name in _EXPERIMENTS]
    if len(frame) != sum(sizes):
        raise DatasetError(f"cyto_full_data.csv has {len(frame)} rows, {sum(sizes)} expected")
    return Sachs(
        frame=frame,
        experiment=np.repeat(np.arange(len(sizes)), sizes),
        experiments=tuple(_EXPERIMENTS),
        interventions=np.repeat(np.array(targets, object), sizes),
        consensus_edges=tuple(zip(target["Cause"], target["Effect"], strict=True)),
        consensus_source="cyto_full_target.csv of cdt 0.6.0, 18 edges",
        published_edges=_PUBLISHED,
        network_names=dict(_NETWORK_NAMES),
    )
