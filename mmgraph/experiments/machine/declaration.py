"""The declaration of a multimodal deep Boltzmann machine: its data, pathways, training, report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmgraph.data.multimodal_data import GroupsDeclaration
from mmgraph.experiments.reader import Reader, ReadyModel, entry
from mmgraph.graph.errors import MmgraphError
from mmgraph.networks.boltzmann.layers import LABEL_LINKS

_UNITS = (1, 10**6)


@dataclass(frozen=True)
class ViewDeclaration:
    """The features of one modality, and the hidden layers above them.

    Attributes
    ----------
    modality : str
        Its name in the data, and of the variable.
    hidden : tuple of int
        The units of each hidden layer, from below.
    transform : {"standardise", "one_scale", "normal_quantiles"}
        As of :func:`~mmgraph.experiments.scales.fit_scale`.
    image : tuple of int, default ()
        Height and width, where the features are the pixels of an image that pictures can show.
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
    """The layers above the pathways.

    Attributes
    ----------
    joint : int
        Units of the joint layer.
    labels : str
        The label units' variable.
    label_links : {"joint", "all"}
        Whether labels are joined to the joint layer alone, or to the top of each pathway too.
    """

    joint: int = entry(within=_UNITS)
    labels: str = entry()
    label_links: str = entry("joint", among=LABEL_LINKS)


@dataclass(frozen=True)
class MachineReport:
    """What is reported: situations, imputations, and whether the representation is scored."""

    folds: int
    seed: int
    given: tuple[tuple[str, ...], ...]
    imputations: tuple[ImputationDeclaration, ...]
    representation: bool


@dataclass(frozen=True)
class MachineDeclaration(ReadyModel):
    """A ready model of the kind ``boltzmann_machine``.

    Attributes
    ----------
    label_column : str
        The column of labels, where the data set is a table.
    network, views, report
        The tables of these names.
    fit : mapping
        What :meth:`BoltzmannMachine.fit` is called with: the settings of training, and what it is
        to learn to predict.
    groups : str or tuple of int, optional
        As of :class:`~mmgraph.experiments.classification.declaration.ClassificationDeclaration`.
    """

    label_column: str
    network: NetworkDeclaration
    views: tuple[ViewDeclaration, ...]
    fit: Mapping[str, Any]
    report: MachineReport
    groups: GroupsDeclaration | None = None

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
    data = reader.only_in("data", "dataset", "target", "groups")
    views = _views(reader)
    modalities = [view.modality for view in views]
    declaration = reader.declaration(
        MachineDeclaration,
        label_column=reader.value(data, "target", str, "[data]") if "target" in data else "",
        views=views,
        fit=_fit(reader),
        report=_report(reader, modalities),
        groups=reader.groups(),
    )
    if declaration.network.labels in modalities:
        labels = declaration.network.labels
        raise reader.error(f"[network] 'labels' and a view are both called '{labels}'")
    return declaration


def _views(reader: Reader) -> tuple[ViewDeclaration, ...]:
    views = reader.records(ViewDeclaration, "view", "modality")
    for number, view in enumerate(views):
        where = f"[[view]] {view.modality}"
        if view.modality in [other.modality for other in views[:number]]:
            raise reader.error(f"there are two {where}")
        if view.image and (len(view.image) != 2 or min(view.image) < 1):
            raise reader.error(f"{where} 'image' is a height and a width, not {list(view.image)}")
    return views


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


def _report(reader: Reader, modalities: list[str]) -> MachineReport:
    table = reader.only_in("report", "folds", "seed", "given", "impute", "representation")
    entries, imputations = table.get("impute", []), []
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise reader.error("[report] 'impute' is a list of tables with 'imputed' and 'given'")
    for impute in entries:
        one = reader.record(ImputationDeclaration, impute, "[[report.impute]]")
        reader.lists_of_names([[one.imputed, *one.given]], modalities, "[[report.impute]]")
        if one.imputed in one.given:
            raise reader.error(f"[[report.impute]] gives '{one.imputed}', which is to be imputed")
        imputations.append(one)
    representation = table.get("representation", False)
    if not isinstance(representation, bool):
        raise reader.error(f"[report] 'representation' is true or false, not {representation!r}")
    folds = reader.value(table, "folds", int, "[report]")
    reader.within(folds, 2, 10**6, "[report] 'folds'")
    return MachineReport(
        folds=folds,
        seed=reader.value(table, "seed", int, "[report]"),
        given=reader.lists_of_names(table.get("given"), modalities, "[report] given"),
        imputations=tuple(imputations),
        representation=representation,
    )
