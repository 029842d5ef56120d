"""Fitted classifiers by a Boltzmann machine in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path

from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.variables import described, restored_variable
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.networks.boltzmann.multimodal import MultimodalDeepBoltzmannMachine
from mmgraph.predictors.learned_machine import LearnedMachine, MachineInputs
from mmgraph.predictors.machine_classifier import MachineClassifier
from mmgraph.predictors.stored.leaves import restored_preparation, take_apart
from mmgraph.predictors.stored.parts import Parts, read_parts, write_parts
from mmgraph.predictors.stored.row_classifiers import check_writable
from mmgraph.predictors.stored.tempered import (
    graph_parts,
    modalities_entry,
    restore_tempered,
    restored_graph_of,
    restored_modalities,
    tempered_parts,
    whole,
)


def write_model(classifier: MachineClassifier, path: str | os.PathLike[str]) -> None:
    """Write a fitted classifier, with the rows that it learned powers from, to a directory.

    Raises
    ------
    FormatError
        If it is not fitted, or the place cannot be written.
    MissingExtraError
        If skops is not installed.
    """
    path = checked_path(path)
    check_writable(classifier, MachineClassifier, path)
    try:
        parts = tempered_parts(classifier, _machine_parts)
    except MmgraphError as error:
        raise FormatError(f"{path}: {error}") from error
    hidden = classifier.hidden
    parts.settings["parameters"] = {
        "modalities": modalities_entry(classifier),
        "hidden": int(hidden) if isinstance(hidden, int) else [int(n) for n in hidden],
        "joint": int(classifier.joint),
        "epochs": int(classifier.epochs),
        "temper": bool(classifier.temper),
        "folds": int(classifier.folds),
        "random_state": whole(classifier.random_state),
    }
    write_parts(path, classifier.file_kind, parts)


def _machine_parts(learned: LearnedMachine) -> Parts:
    parts = Parts({"modalities": list(learned.inputs)})
    parts.put("machine", graph_parts(learned.machine))
    inputs = []
    for made in learned.inputs.values():
        one = Parts({"states": [described(variable) for variable in made.variables.values()]})
        take_apart(made.preparation, one)
        inputs.append(one)
    parts.put("inputs", *inputs, several=True)
    return parts


def restored_model(document: JsonObject, path: Path, size_limit: int) -> MachineClassifier:
    """Return the classifier of a directory whose ``network.json`` is read already.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what the others say, or holds a type that is not
        trusted.
    MissingExtraError
        If skops is not installed.
    """
    parts = read_parts(document, path, size_limit)
    entry = JsonObject(f"{document.where}, parameters", document.get("parameters", dict))
    hidden = entry.get("hidden", object)
    if not isinstance(hidden, int):
        hidden = tuple(entry.get("hidden", list))
    seed = entry.members.get("random_state")
    try:
        classifier = MachineClassifier(
            restored_modalities(entry),
            hidden=hidden,
            joint=entry.get("joint", int),
            epochs=entry.get("epochs", int),
            temper=entry.get("temper", bool),
            folds=entry.get("folds", int),
            random_state=None if seed is None else entry.get("random_state", int),
        )
        classifier._learned = restore_tempered(classifier, parts, _restored_machine)
    except FormatError:
        raise
    except MmgraphError as error:
        raise FormatError(f"{document.where}: {error}") from None
    held_out = [model for model, _ in classifier._held_out] if classifier.temper else []
    for learned in (classifier._learned, *held_out):
        labels = learned.machine.labels
        if labels is None or labels.cardinality != len(classifier.prior_):
            raise FormatError(f"{document.where}: a machine has other labels than the classifier")
    return classifier


def _restored_machine(parts: Parts) -> LearnedMachine:
    modalities = JsonObject(parts.where, parts.settings).names("modalities")
    made = [_restored_inputs(part) for part in parts.parts("inputs")]
    machine = restored_graph_of(parts.part("machine"), MultimodalDeepBoltzmannMachine)
    if len(made) != len(modalities) or len(set(modalities)) != len(modalities):
        raise FormatError(f"{parts.where}: expected the inputs of each modality")
    inputs = dict(zip(modalities, made, strict=True))
    wanted = [v for modality, one in inputs.items() for v in one.visible(modality)]
    found = list(machine.visible)
    alike = len(wanted) == len(found) and all(
        a.name == b.name and a.describes_same_as(b) for a, b in zip(wanted, found, strict=True)
    )
    if not alike:
        raise FormatError(f"{parts.where}: the machine has other units than its inputs")
    parts.finish()
    return LearnedMachine(machine, inputs)


def _restored_inputs(parts: Parts) -> MachineInputs:
    entries = JsonObject(parts.where, parts.settings).items("states")
    variables = {v.cardinality: v for v in map(restored_variable, entries)}
    return MachineInputs(restored_preparation(parts), variables)
