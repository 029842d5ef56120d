"""The state of training in a directory, whole at any time.

Tensors lie in a safetensors file with a number in its name, everything else in ``state.json``,
which names that file and is renamed into place last.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgraph.graph.errors import FormatError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.learning.conditionals.checkpoint import write_atomically

STATE = "state.json"
FORMAT = "mmgraph boltzmann machine training"
VERSION = 2


@dataclass
class TrainingState:
    """Where training is.

    Attributes
    ----------
    epoch, batch : int
        How many epochs are done, and how many batches of the next.
    history : list of dict of str to float
        The monitors of each epoch.
    best : float or None
        The best value of the watched monitor.
    best_epoch : int
        When it was reached, counted from 1; 0 before.
    sums : dict of str to float
        What the objective told in the batches done of this epoch.
    finished : bool
        Whether training has come to its end.
    began : float or None
        The log-likelihood at most of a row before the first step; None where other things than the
        likelihood are maximised.
    tensors : dict of str to Tensor
        Parameters, those before the first step, centres, averages, the optimiser's, the
        objective's, and generators.
    """

    epoch: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    finished: bool = False
    began: float | None = None
    tensors: dict[str, Tensor] = field(default_factory=dict)


_PLAIN = ("epoch", "batch", "history", "best", "best_epoch", "sums", "finished", "began")


class BoltzmannCheckpoint:
    """A directory that keeps the state of one training.

    Parameters
    ----------
    directory : Path
        Made when first written to.
    graph : FactorGraph
        Its layers and connections must be those of the saved machine.
    settings : mapping of str to JSON values
        The options; a state that was saved under others is refused.
    data : mapping of str to int
        Checksums of the rows, see :meth:`TrainingRows.fingerprint`.
    """

    def __init__(
        self,
        directory: Path,
        graph: FactorGraph,
        settings: Mapping[str, Any],
        data: Mapping[str, int],
    ) -> None:
        self.directory = directory
        self._settings = json.loads(json.dumps(settings))
        self._data = dict(data)
        self._structure = structure_of(graph)
        self._saved = 0

    def save(self, state: TrainingState) -> None:
        """Write the state, so that nothing but it or the one before is ever to be read.

        Raises
        ------
        FormatError
            If the directory cannot be written.
        """
        from safetensors.torch import save

        self._saved += 1
        content = save({k: t.detach().cpu().contiguous().clone() for k, t in state.tensors.items()})
        document = {
            "format": FORMAT,
            "version": VERSION,
            "structure": self._structure,
            "settings": self._settings,
            "data": self._data,
            "tensors": f"tensors-{self._saved:06d}.safetensors",
            "checksum": zlib.crc32(content),
            **{name: getattr(state, name) for name in _PLAIN},
        }
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write_atomically(self.directory / document["tensors"], content)
            write_atomically(self.directory / STATE, json.dumps(document, indent=1).encode("ascii"))
            for old in self.directory.glob("tensors-*.safetensors"):
                if old.name != document["tensors"]:
                    old.unlink(missing_ok=True)
        except OSError as error:
            raise FormatError(f"{self.directory} cannot be written ({error})") from None

    def load(self) -> TrainingState | None:
        """Return the saved state, or None if there is none.

        Raises
        ------
        FormatError
            If a file is damaged or missing, or belongs to another machine, other options or other
            rows; the message says what differs.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = self.directory / STATE
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"{path} cannot be read ({error})") from None
        try:
            document = json.loads(text)
            if document["format"] != FORMAT or document["version"] != VERSION:
                raise FormatError(f"{path} is no state of this version of mmgraph")
            self._compare("layer or connection", document["structure"], self._structure)
            self._compare("option", document["settings"], self._settings)
            self._compare("training rows of", document["data"], self._data)
            name = str(document["tensors"])
            self._saved = int(name.removeprefix("tensors-").removesuffix(".safetensors"))
            content = (self.directory / Path(name).name).read_bytes()
            if zlib.crc32(content) != document["checksum"]:
                raise FormatError(f"{self.directory / name} is not the file that was written")
            plain = {key: document[key] for key in _PLAIN}
            return TrainingState(**plain, tensors=load(content))
        except (KeyError, TypeError, AttributeError, ValueError, OSError, SafetensorError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path}: the state is damaged ({error!r})") from None

    def _compare(self, what: str, saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Name the first thing in which a saved state differs."""
        for name in (*saved, *own):
            there, here = saved.get(name, "nothing"), own.get(name, "nothing")
            if there != here:
                raise FormatError(
                    f"{self.directory} holds the state of another training: the {what} '{name}' "
                    f"was {there}, and is {here}; give another directory, or remove it"
                )


def structure_of(graph: FactorGraph) -> dict[str, Any]:
    """Return the layers and connections of a machine, as JSON has them."""
    structure: dict[str, Any] = {}
    for name, variable in graph.variables.items():
        structure[name] = [variable.family, variable.cardinality, list(variable.shape)]
    for factor in graph.factors:
        key = f"{type(factor).__name__} of {' and '.join(v.name for v in factor.scope)}"
        assert isinstance(factor, BiasFactor | BilinearFactor)
        tensors = factor.tensors()
        structure[key] = [[str(t.dtype).removeprefix("torch."), *t.shape] for t in tensors]
    return structure
