"""The declaration of a multimodal deep Boltzmann machine: its data, pathways, training, report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmgraph.experiments.reader import Names, Reader, entry
from mmgraph.experiments.rows import RowsModel
from mmgraph.graph.errors import MmgraphError
from mmgraph.networks.boltzmann.layers import LABEL_LINKS

_UNITS = (1, 10**6)


@dataclass(frozen=True)
class ViewDeclaration:
    """The features of one modality, and the units of each hidden layer above them, from below.

    ``transform`` is one of :func:`~mmgraph.experiments.scales.fit_scale`; ``image`` the height and
    width where the features are the pixels of an image that pictures can show.
    """

    modality: str
    hidden: tuple[int, ...] = entry(within=_UNITS)
    transform: str = entry("standardise", among=("standardise", "one_scale", "normal_quantiles"))
    image: tuple[int, ...] = ()


@dataclass(frozen=True)
class ImputationDeclaration:
    """A modality to fill in, and those that are given."""

    imputed: str
    given: tuple[str, ...]


@dataclass(frozen=True)
class NetworkDeclaration:
    """The layers above the pathways: units of the joint layer, and the label units' variable.

    Labels are linked to the joint layer alone, or to the top of each pathway too.
    """

    joint: int = entry(within=_UNITS)
    labels: str = entry()
    label_links: str = entry("joint", among=LABEL_LINKS)


@dataclass(frozen=True, kw_only=True)
class MachineReport:
    """What is reported: situations, imputations, and whether the representation is scored."""

    folds: int = entry(within=(2, 10**6))
    seed: int
    given: Names
    imputations: tuple[ImputationDeclaration, ...] = entry((), key="impute")
    representation: bool = False


@dataclass(frozen=True, kw_only=True)
class MachineDeclaration(RowsModel):
    """A ready model of the kind ``boltzmann_machine``.

    ``fit`` is what :meth:`BoltzmannMachine.fit` is called with: the settings of training, and what
    it is to learn to predict.
    """

    network: NetworkDeclaration
    views: tuple[ViewDeclaration, ...] = entry(key="view")
    fit: Mapping[str, Any]
    report: MachineReport

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in order."""
        return tuple(view.modality for view in self.views)

    @property
    def epochs(self) -> int:
        """The epochs of training."""
        from mmgraph.learning.boltzmann.settings import TrainingSettings

        return int(self.fit.get("epochs", TrainingSettings.epochs))


def read_machine(name: str | os.PathLike[str]) -> MachineDeclaration:
    """Read the declaration of a machine."""
    reader = Reader(name)
    reader.only("kind", "title", "data", "network", "view", "training", "prediction", "report")
    declaration = reader.declaration(MachineDeclaration, fit=_fit(reader))
    modalities, labels = declaration.modalities, declaration.network.labels
    if labels in modalities:
        raise reader.error(f"[network] 'labels' and a view are both called '{labels}'")
    for number, view in enumerate(declaration.views):
        where = f"[[view]] {view.modality}"
        if view.modality in modalities[:number]:
            raise reader.error(f"there are two {where}")
        if view.image and (len(view.image) != 2 or min(view.image) < 1):
            raise reader.error(f"{where} 'image' is a height and a width, not {list(view.image)}")
    reader.known(declaration.report.given, modalities, "[report] given")
    for one in declaration.report.imputations:
        reader.known(((one.imputed, *one.given),), modalities, "[[report.impute]]")
        if one.imputed in one.given:
            raise reader.error(f"[[report.impute]] gives '{one.imputed}', which is to be imputed")
    return declaration


def _fit(reader: Reader) -> dict[str, Any]:
    """What training is called with, checked now: data may take long to load."""
    from mmgraph.networks.boltzmann.options import fit_options

    fit = dict(reader.table("training"))
    if "prediction" in fit:
        raise reader.error("[training] has 'prediction', which is a table of its own")
    if "prediction" in reader.content:
        fit["prediction"] = reader.table("prediction")
    try:
        fit_options(None, None, fit)
    except MmgraphError as error:
        raise reader.error(f"[training] and [prediction]: {error}") from None
    return fit
