"""Fitted recognisers of commands, in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.native.directory import PARAMETERS, checked_bytes, tensors_of, write_document
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.learning.dynamic.emissions.mixture import MixtureEmission
from mmgraph.sequences.commands.acoustic_model import AcousticModel
from mmgraph.sequences.commands.chain import WordStates
from mmgraph.sequences.commands.command_model import CommandModel
from mmgraph.sequences.commands.features import FeatureSettings
from mmgraph.sequences.commands.neural_emission import NeuralEmission
from mmgraph.sequences.commands.recogniser import CommandRecogniser
from mmgraph.sequences.commands.rejection import EVIDENCE, Rejection

_NETWORK, _MIXTURE = "network.", "mixture."


def write_model(recogniser: CommandRecogniser, path: str | os.PathLike[str]) -> None:
    """Write a fitted recogniser to a directory, replacing one that an earlier call has written.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    FormatError
        If the place cannot be written.
    """
    fitted = recogniser.fitted()
    model, rejection = fitted.acoustics, fitted.rejection
    numbers = {
        "weights": rejection.weights, "evidence_means": rejection.means,
        "evidence_scales": rejection.scales,
    }  # fmt: skip
    for word, states in model.words.items():
        numbers[f"stay.{word}"] = states.stay
    if isinstance(model.emission, NeuralEmission):
        numbers |= {"prior": model.emission.prior, "spectrum": model.emission.spectrum}
        for name, tensor in model.emission.network.state_dict().items():
            numbers[_NETWORK + name] = tensor.numpy()
    else:
        numbers |= {_MIXTURE + n: values for n, values in model.emission.parameters().items()}
    document = {
        "kind": recogniser.file_kind,
        "grammar": {name: list(forms) for name, forms in recogniser.grammar.rules.items()},
        "parameters": {n: v for n, v in recogniser.get_params().items() if n != "grammar"},
        "words": {word: states.emissions.tolist() for word, states in model.words.items()},
        "intercept": rejection.intercept,
        "threshold": rejection.threshold,
    }
    tensors = {name: torch.as_tensor(np.asarray(values)) for name, values in numbers.items()}
    write_document(checked_path(path), document, tensors, {})


def restored_model(document: JsonObject, path: Path, size_limit: int) -> CommandRecogniser:
    """Return the recogniser of a directory whose ``network.json`` is read already.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what the others say.
    """
    file = path / PARAMETERS
    tensors = tensors_of(checked_bytes(document, file, size_limit), file)
    try:
        recogniser = CommandRecogniser(
            document.get("grammar", dict), **document.get("parameters", dict)
        )
        numbers = {n: t.numpy() for n, t in tensors.items() if not n.startswith(_NETWORK)}
        if not all(np.isfinite(values).all() for values in numbers.values()):
            raise FormatError(f"{file}: a number is not finite")
        words = {
            word: WordStates(np.array(states, np.int32), numbers[f"stay.{word}"])
            for word, states in document.get("words", dict).items()
        }
        emission = _restored_emission(tensors, numbers)
        if max(int(states.emissions.max()) for states in words.values()) >= emission.states:
            raise FormatError(f"{file}: a word has states of which there are no densities")
        vectors = [numbers[n] for n in ("weights", "evidence_means", "evidence_scales")]
        if any(vector.shape != (EVIDENCE,) for vector in vectors):
            raise FormatError(f"{file}: rejection is not by {EVIDENCE} numbers")
        limits = document.get("intercept", float), document.get("threshold", float)
        acoustics = AcousticModel(FeatureSettings(recogniser.rate), words, emission)
        recogniser.model_ = CommandModel(
            recogniser.grammar, acoustics, Rejection(vectors[0], vectors[1], vectors[2], *limits)
        )
        _ = recogniser.model_.chain  # every word of the grammar has states
    except FormatError:
        raise
    except (MmgraphError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise FormatError(f"{document.where}: no command recogniser ({error})") from None
    return recogniser


def _restored_emission(
    tensors: dict[str, Tensor], numbers: dict[str, np.ndarray]
) -> NeuralEmission | MixtureEmission:
    network = {n.removeprefix(_NETWORK): t for n, t in tensors.items() if n.startswith(_NETWORK)}
    if not network:
        arrays = {n.removeprefix(_MIXTURE): a for n, a in numbers.items() if n.startswith(_MIXTURE)}
        return MixtureEmission.restored(arrays, {"covariance": "diagonal"})
    hidden, bands, _ = network["0.weight"].shape
    prior = numbers["prior"]
    emission = NeuralEmission.of_shape(bands, hidden, len(prior))
    emission.network.load_state_dict(network)
    return NeuralEmission(emission.network, prior, numbers["spectrum"])
