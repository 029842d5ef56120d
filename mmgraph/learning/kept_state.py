"""State that work keeps in a directory, so that it can go on; written whole or not at all.

It is one safetensors file: the tensors, and in its header a JSON document, what the state belongs
to and a checksum.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import write_bytes

VERSION = "4"
_EARLIER = "state.json"
"""The file of versions before this one."""


class Kept(NamedTuple):
    """What was kept: a JSON document and tensors, which are on the CPU."""

    document: dict[str, Any]
    tensors: dict[str, Tensor]


class KeptState:
    """A file ``NAME.safetensors`` that keeps the state of some work.

    Parameters
    ----------
    directory : path
        Made when first written to.
    kind : str
        The work, as messages name it.
    belongs_to : mapping of str to JSON values
        What the state depends on, by the names that messages give it: options, data, a structure.
        A state that belongs to something else is refused; mappings are compared entry by entry.
    name : str, default "state"
        Tells several states of one directory apart.
    """

    def __init__(
        self,
        directory: Path | str,
        kind: str,
        belongs_to: Mapping[str, Any],
        name: str = "state",
    ) -> None:
        self.path = Path(directory) / f"{name}.safetensors"
        self.kind = kind
        self._belongs_to = json.loads(json.dumps(belongs_to))

    def save(self, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the state; where that fails, the one before stays."""
        from safetensors.torch import save

        # Copies of their own: the file format refuses tensors that share their memory.
        copies = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
        header = {
            "kind": self.kind,
            "version": VERSION,
            "belongs_to": json.dumps(self._belongs_to),
            "document": json.dumps(document),
        }
        header["checksum"] = _checksum(header["document"], copies)
        content = save(copies, metadata=header)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FormatError(f"{self.path.parent} cannot be written ({error})") from None
        write_bytes(self.path, content)

    def load(self) -> Kept | None:
        """Return the state, or None if there is none.

        One that is damaged, belongs to something else, or that an earlier version wrote is refused.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            if (self.path.parent / _EARLIER).exists():
                raise FormatError(
                    f"{self.path.parent} holds a state ({_EARLIER}) that an earlier version of "
                    "mmgraph wrote and this one does not read; give another directory, or remove it"
                ) from None
            return None
        except OSError as error:
            raise FormatError(f"{self.path} cannot be read ({error})") from None
        try:
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            header = header["__metadata__"]
            if (header["kind"], header["version"]) != (self.kind, VERSION):
                raise FormatError(f"{self.path} is no state of this version of mmgraph")
            self._compare(json.loads(header["belongs_to"]))
            tensors = load(content)
            if header["checksum"] != _checksum(header["document"], tensors):
                raise FormatError(f"{self.path} is not the file that was written: it is damaged")
            return Kept(json.loads(header["document"]), tensors)
        except FormatError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
            raise self.damaged(error) from None

    def damaged(self, error: Exception) -> FormatError:
        """Return the error for a state that cannot be what was saved."""
        return FormatError(f"{self.path}: the state is damaged ({error!r})")

    def refuse(self, difference: str) -> NoReturn:
        """Raise FormatError: the state belongs to something else; ``difference`` says to what."""
        raise FormatError(
            f"{self.path.parent} holds the state of another {self.kind}: {difference}; give "
            "another directory, or remove it"
        )

    def _compare(self, saved: Mapping[str, Any]) -> None:
        """Name the first thing in which what a state belongs to differs."""
        for what, current in self._belongs_to.items():
            there = saved.get(what)
            if there == current:
                continue
            if not (isinstance(current, dict) and isinstance(there, dict)):
                self.refuse(f"the {what} differ")
            for name in (*there, *current):
                before, now = there.get(name, "nothing"), current.get(name, "nothing")
                if before != now:
                    self.refuse(f"the {what} '{name}' was {before}, and is {now}")


def prefixed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return tensors whose names begin with a prefix."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, by the rest of these names."""
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}


def _checksum(document: str, tensors: Mapping[str, Tensor]) -> str:
    total = zlib.crc32(document.encode())
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return str(total)
