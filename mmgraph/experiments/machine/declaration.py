"""The declaration of a multimodal deep Boltzmann machine: its data, pathways, training, report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmgraph.data.multimodal_data import GroupsDeclaration
from mmgraph.experiments.classification.declaration import read_groups
from mmgraph.experiments.reader import Reader
from mmgraph.graph.errors import MmgraphError, suggestion
from mmgraph.networks.boltzmann.layers import LABEL_LINKS

TRANSFORMS = ("standardise", "one_scale", "normal_quantiles")


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
        Fitted on the training rows: mean zero and variance one of each feature; one scale for all
        features, so that those that hardly vary stay small; quantiles of a normal distribution.
    image : tuple of int, default ()
        Height and width, where the features are the pixels of an image that pictures can show.
    """

    modality: str
    hidden: tuple[int, ...]
    transform: str = "standardise"
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

    joint: int
    labels: str
    label_links: str = "joint"


@dataclass(frozen=True)
class MachineReport:
    """What is reported: situations, imputations, and whether the representation is scored."""

    folds: int
    seed: int
    given: tuple[tuple[str, ...], ...]
    imputations: tuple[ImputationDeclaration, ...]
    representation: bool


@dataclass(frozen=True)
class MachineDeclaration:
    """A ready model of the kind ``boltzmann_machine``.

    Attributes
    ----------
    name, title : str
        Its file name without ending, and what it says of itself.
    dataset, label_column : str
        The entry of the catalogue, and the column of labels where the data is a table.
    network, views, report
        See there.
    fit : mapping
        What :meth:`BoltzmannMachine.fit` is called with: the settings of training, and what it is
        to learn to predict.
    groups : str or tuple of int, optional
        As of :class:`~mmgraph.experiments.classification.declaration.Declaration`.
    """

    name: str
    title: str
    dataset: str
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
    """Read the declaration of a machine.

    Raises
    ------
    FormatError
        If the file is not TOML, or an entry is missing, unknown or of the wrong kind.
    """
    reader = Reader(name)
    reader.only("kind", "title", "data", "network", "view", "training", "prediction", "report")
    data = reader.table("data")
    _only(reader, data, "[data]", "dataset", "target", "groups")
    views = _views(reader)
    network = reader.record(NetworkDeclaration, reader.table("network"), "[network]")
    reader.choice(network.label_links, LABEL_LINKS, "[network] label_links")
    reader.within(network.joint, 1, 10**6, "[network] 'joint'")
    if network.labels in [view.modality for view in views]:
        raise reader.error(f"[network] 'labels' and a view are both called '{network.labels}'")
    return MachineDeclaration(
        name=reader.path.stem,
        title=reader.value(reader.content, "title", str, "the file"),
        dataset=reader.value(data, "dataset", str, "[data]"),
        label_column=reader.value(data, "target", str, "[data]") if "target" in data else "",
        network=network,
        views=views,
        fit=_fit(reader),
        report=_report(reader, [view.modality for view in views]),
        groups=read_groups(reader, data),
    )


def _only(reader: Reader, table: Mapping[str, Any], where: str, *known: str) -> None:
    for key in table:
        if key not in known:
            raise reader.error(f"{where} has '{key}'{suggestion(key, known)}")


def _views(reader: Reader) -> tuple[ViewDeclaration, ...]:
    views: list[ViewDeclaration] = []
    for entry in reader.list_of_tables("view"):
        where = f"[[view]] {entry.get('modality', '')}".strip()
        view = reader.record(ViewDeclaration, entry, where)
        if view.modality in [other.modality for other in views]:
            raise reader.error(f"there are two {where}")
        reader.choice(view.transform, TRANSFORMS, f"{where} transform")
        for units in view.hidden:
            reader.within(units, 1, 10**6, f"{where} 'hidden'")
        if view.image and (len(view.image) != 2 or min(view.image) < 1):
            raise reader.error(f"{where} 'image' is a height and a width, not {list(view.image)}")
        views.append(view)
    return tuple(views)


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
    table = reader.table("report")
    _only(reader, table, "[report]", "folds", "seed", "given", "impute", "representation")
    entries, imputations = table.get("impute", []), []
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise reader.error("[report] 'impute' is a list of tables with 'imputed' and 'given'")
    for entry in entries:
        one = reader.record(ImputationDeclaration, entry, "[[report.impute]]")
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
