"""Leaves taken apart into settings, numbers and objects of scikit-learn, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.data.blocks.preparation import Preparation
from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.graph.errors import FormatError
from mmgraph.graph.leaves.gaussian_mixture import GaussianMixtureLeaf
from mmgraph.predictors.leaves.encoder import EncoderLeaf, FittedEncoder
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf
from mmgraph.predictors.leaves.mixture import FittedMixture, MixtureLeaf, density_scope
from mmgraph.predictors.leaves.module_layers import layers_of, recipe_of
from mmgraph.predictors.leaves.perceptrons import FittedPerceptrons, PerceptronsLeaf
from mmgraph.predictors.leaves.tables import FittedTables, TablesLeaf
from mmgraph.predictors.leaves.torch_module import FittedModule, TorchLeaf
from mmgraph.predictors.leaves.words import FittedWords, WordsLeaf, vectoriser
from mmgraph.predictors.stored.modules import (
    layer_entries,
    module_numbers,
    restored_module,
    restored_recipe,
)
from mmgraph.predictors.stored.parts import Parts, number_in

LEAF_KINDS: Mapping[str, type[Leaf]] = {
    kind.kind: kind
    for kind in (EncoderLeaf, MixtureLeaf, PerceptronsLeaf, TablesLeaf, TorchLeaf, WordsLeaf)
}
"""The kinds of leaves that files hold, by name."""


def leaf_parts(leaf: Leaf) -> Parts:
    """Return what a leaf that is still to be fitted is made of.

    Raises
    ------
    FormatError
        If it is of none of the kinds that files hold.
    """
    if LEAF_KINDS.get(leaf.kind) is not type(leaf):
        kinds = ", ".join(LEAF_KINDS)
        raise FormatError(f"the leaf {leaf!r} is of a kind that cannot be written: {kinds}")
    kind: Any = type(leaf)
    values = {option.name: getattr(leaf, option.name) for option in fields(kind)}
    parts = Parts({"kind": leaf.kind})
    if isinstance(leaf, EncoderLeaf):
        parts.objects["untrained"] = values.pop("classifier")
    if isinstance(leaf, TorchLeaf):
        parts.settings["build"] = layer_entries(recipe_of(values.pop("build")).layers)
    for name, value in values.items():
        parts.settings[name] = value.item() if isinstance(value, np.generic) else value
    return parts


def restored_leaf(parts: Parts) -> Leaf:
    """Return the leaf of :func:`leaf_parts`.

    Raises
    ------
    FormatError
        If the parts are not those of a leaf.
    """
    entry = JsonObject(parts.where, parts.settings)
    kind: type[Leaf] = entry.choice("kind", LEAF_KINDS)
    build: Any = kind
    if kind is EncoderLeaf:
        least = number_in(parts.where, "least", entry.get("least", object))
        return build(parts.made("untrained"), entry.get("quantiles", bool), least)
    options: dict[str, Any] = {}
    for option in fields(build):
        if option.name == "build":
            options["build"] = restored_recipe(entry, "build")
            continue
        if isinstance(option.default, bool):
            options[option.name] = entry.get(option.name, bool)
            continue
        value = entry.get(option.name, object)
        number = number_in(parts.where, option.name, value)
        if isinstance(option.default, int) and not isinstance(value, int):
            raise FormatError(f"{parts.where}: '{option.name}' is a whole number, not {number}")
        options[option.name] = value
    return build(**options)


def fitted_parts(fitted: FittedLeaf) -> Parts:
    """Return what a fitted leaf is made of.

    Raises
    ------
    FormatError
        If it is of none of the kinds that files hold.
    """
    parts = Parts()
    if isinstance(fitted, FittedMixture):
        take_apart(fitted.preparation, parts)
        if fitted.directions is not None:
            parts.add("directions", fitted.directions)
        for name, tensor in fitted.density.parameters().items():
            parts.add(f"density.{name}", tensor)
        parts.settings["density"] = fitted.density.settings()
    elif isinstance(fitted, FittedPerceptrons):
        take_apart(fitted.preparation, parts)
        for number, (weights, biases) in enumerate(fitted.layers):
            parts.add(f"weights.{number}", weights)
            parts.add(f"biases.{number}", biases)
        parts.add("log_shares", fitted.log_shares)
    elif isinstance(fitted, FittedEncoder):
        take_apart(fitted.preparation, parts)
        parts.objects["classifier"] = fitted.classifier
        parts.add("log_shares", fitted.log_shares)
        parts.settings["least"] = fitted.least
    elif isinstance(fitted, FittedTables):
        parts.settings["columns"] = len(fitted.tables)
        for number, table in enumerate(fitted.tables):
            parts.add(f"table.{number}", table)
    elif isinstance(fitted, FittedModule):
        take_apart(fitted.preparation, parts)
        parts.settings["layers"] = layer_entries(layers_of(fitted.module))
        parts.numbers |= module_numbers(fitted.module)
        parts.add("log_shares", fitted.log_shares)
    elif isinstance(fitted, FittedWords):
        terms = fitted.terms
        parts.settings["terms"] = terms.get_feature_names_out().tolist()
        parts.settings |= {"longest": terms.ngram_range[1], "letters": terms.analyzer != "word"}
        parts.add("rarities", terms.idf_)
        parts.objects["classifier"] = fitted.classifier
        parts.add("log_shares", fitted.log_shares)
    else:
        raise FormatError(f"the fitted leaf {fitted!r} is of a kind that cannot be written")
    return parts


def restored_fitted(kind: str, parts: Parts, states: int) -> FittedLeaf:
    """Return the fitted leaf of :func:`fitted_parts`.

    Parameters
    ----------
    kind : str
        That of the leaf.
    parts : Parts
        Numbers are taken out.
    states : int
        How many states the target has.

    Raises
    ------
    FormatError
        If the parts are not those of such a leaf.
    """
    return _RESTORED[kind](parts, states)


def _mixture(parts: Parts, states: int) -> FittedMixture:
    preparation = restored_preparation(parts)
    features = len(preparation.mean)
    directions = None
    if "directions" in parts.numbers:
        directions = parts.take("directions", features, None)
        features = directions.shape[1]
    names = [
        name for name in GaussianMixtureLeaf.tensor_names if f"density.{name}" in parts.numbers
    ]
    numbers = {name: parts.numbers.pop(f"density.{name}") for name in names}
    parents, child = density_scope(states, features)
    settings = JsonObject(parts.where, parts.settings).get("density", dict)
    try:
        density = GaussianMixtureLeaf.restore((*parents, child), child, numbers, settings)
    except Exception as error:  # which one settings of another writer raise is not known
        raise FormatError(f"{parts.where}: {error}") from error
    return FittedMixture(preparation, directions, density)


def _perceptrons(parts: Parts, states: int) -> FittedPerceptrons:
    preparation = restored_preparation(parts)
    layers: list[tuple[Tensor, Tensor]] = []
    inputs = int(preparation.varying.sum())
    members: int | None = None
    while f"weights.{len(layers)}" in parts.numbers:
        number = len(layers)
        weights = parts.take(f"weights.{number}", members, inputs, None, dtype=torch.float32)
        members, _, outputs = weights.shape
        biases = parts.take(f"biases.{number}", members, 1, outputs, dtype=torch.float32)
        layers.append((torch.as_tensor(weights), torch.as_tensor(biases)))
        inputs = outputs
    if not layers or not members or inputs != states:
        raise FormatError(f"{parts.where}: expected layers that end in {states} states")
    return FittedPerceptrons(preparation, layers, parts.take("log_shares", states))


def _encoder(parts: Parts, states: int) -> FittedEncoder:
    preparation = restored_preparation(parts)
    classifier = restored_fitted_classifier(parts, states, int(preparation.varying.sum()))
    least = parts.setting("least")
    if not 0 < least < 1:
        raise FormatError(f"{parts.where}: the least probability {least} is none")
    return FittedEncoder(preparation, classifier, parts.take("log_shares", states), least)


def _words(parts: Parts, states: int) -> FittedWords:
    entry = JsonObject(parts.where, parts.settings)
    names, longest = entry.names("terms"), entry.get("longest", int)
    if not names or len(set(names)) < len(names) or longest < 1:
        raise FormatError(f"{parts.where}: expected distinct terms of a length")
    vocabulary = {name: place for place, name in enumerate(names)}
    terms = vectoriser(longest, entry.get("letters", bool), vocabulary=vocabulary)
    terms.idf_ = parts.take("rarities", len(names))
    classifier = restored_fitted_classifier(parts, states, len(names))
    if not hasattr(classifier, "predict_proba"):
        raise FormatError(f"{parts.where}: {shown(classifier)} has no probabilities")
    return FittedWords(terms, classifier, parts.take("log_shares", states))


def _tables(parts: Parts, states: int) -> FittedTables:
    columns = JsonObject(parts.where, parts.settings).get("columns", int)
    tables = (parts.take(f"table.{number}", states, None) for number in range(columns))
    return FittedTables(states, tuple(tables))


def _torch(parts: Parts, states: int) -> FittedModule:
    preparation = restored_preparation(parts)
    module = restored_module(parts, int(preparation.varying.sum()), states)
    return FittedModule(preparation, module, parts.take("log_shares", states))


def restored_fitted_classifier(parts: Parts, states: int, features: int) -> Any:
    """Return a fitted classifier of so many features, whose classes are indices of states.

    Raises
    ------
    FormatError
        If the object ``classifier`` is anything else.
    """
    classifier = parts.made("classifier")
    methods = ("predict_proba", "decision_function")
    if isinstance(classifier, type) or not any(hasattr(classifier, name) for name in methods):
        raise FormatError(f"{parts.where}: {shown(classifier)} is no classifier")
    codes = np.asarray(getattr(classifier, "classes_", ()))
    if codes.ndim != 1 or codes.dtype.kind not in "iu" or not len(codes):
        raise FormatError(f"{parts.where}: {shown(classifier)} has not been fitted to states")
    if not 0 <= codes.min() <= codes.max() < states:
        raise FormatError(f"{parts.where}: its classes {codes.tolist()} are no {states} states")
    if getattr(classifier, "n_features_in_", features) != features:
        raise FormatError(f"{parts.where}: {shown(classifier)} does not take {features} features")
    return classifier


_RESTORED: Mapping[str, Callable[[Parts, int], FittedLeaf]] = {
    "encoder": _encoder,
    "mixture": _mixture,
    "perceptrons": _perceptrons,
    "tables": _tables,
    "torch": _torch,
    "words": _words,
}


def take_apart(preparation: Preparation, parts: Parts) -> None:
    """Add what a preparation is made of."""
    parts.add("varying", preparation.varying)
    parts.add("mean", preparation.mean)
    parts.add("loadings", preparation.loadings)
    parts.settings["noise"] = float(preparation.noise)
    parts.objects["scale"] = preparation.scale


def restored_preparation(parts: Parts) -> Preparation:
    """Return the preparation of :func:`take_apart`.

    Raises
    ------
    FormatError
        If the parts are not those of one.
    """
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    varying = parts.take("varying", None, dtype=torch.bool)
    count = int(varying.sum())
    scale = parts.made("scale")
    if not isinstance(scale, QuantileTransformer | StandardScaler):
        raise FormatError(f"{parts.where}: {shown(scale)} is no scale of features")
    if count and getattr(scale, "n_features_in_", None) != count:
        raise FormatError(f"{parts.where}: {shown(scale)} is not of {count} features")
    mean, loadings = parts.take("mean", count), parts.take("loadings", count, None)
    noise = parts.setting("noise")
    if noise <= 0:
        raise FormatError(f"{parts.where}: the noise {noise} is no variance")
    return Preparation(varying, scale, mean, loadings, noise)
