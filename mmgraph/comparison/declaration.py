"""The declaration of a ready model: its data, leaves, learning and report, read from TOML."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmgraph.formats.resolve import models_directory
from mmgraph.graph.errors import FormatError, suggestion

LEAF_KINDS = ("gaussian_mixture", "encoder")
TRANSFORMS = ("none", "standardise", "normal_quantiles")
ENCODERS = ("extra_trees",)


@dataclass(frozen=True)
class LeafDeclaration:
    """One leaf of the target: how it is fitted.

    Attributes
    ----------
    name, modality : str
        The leaf's variable, and the modality whose features it sees.
    kind : {"gaussian_mixture", "encoder"}
        A density of the features, or the scores of a classifier.
    transform : {"none", "standardise", "normal_quantiles"}
        Applied to each feature first, fitted on the training rows.
    components, restarts, covariance, shrinkage, floor
        Of a Gaussian mixture: components for each state and restart, how many restarts are mixed,
        the kind of covariance, its shrinkage, the least variance.
    encoder, trees
        Of an encoder: which classifier, of how many trees.
    """

    name: str
    modality: str
    kind: str
    transform: str = "none"
    components: int = 1
    restarts: int = 1
    covariance: str = "full"
    shrinkage: float = 0.3
    floor: float = 1e-3
    encoder: str = "extra_trees"
    trees: int = 200


@dataclass(frozen=True)
class Declaration:
    """A ready model.

    Attributes
    ----------
    name, title : str
        Its file name without ending, and what it says of itself.
    dataset, label_column : str
        The entry of the catalogue, and the column that holds the target.
    target : str
        The target's variable.
    leaves : tuple of LeafDeclaration
        What hangs from it.
    folds, weight_folds, seed : int
        Outer folds, inner folds on which the likelihood weights are learned, and the seed.
    given : tuple of tuple of str
        The situations to report, each the modalities that are there.
    """

    name: str
    title: str
    dataset: str
    label_column: str
    target: str
    leaves: tuple[LeafDeclaration, ...]
    folds: int
    weight_folds: int
    seed: int
    given: tuple[tuple[str, ...], ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of the leaves, in order."""
        return tuple(dict.fromkeys(leaf.modality for leaf in self.leaves))


def find_declaration(name: str | os.PathLike[str]) -> Path:
    """Return the file of a ready model, given by its path or by its name in ``models/``.

    Raises
    ------
    FormatError
        If there is none; gives the nearest name.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise FormatError(f"{path}: no such file")
    candidate = models_directory() / f"{name}.toml"
    if candidate.is_file():
        return candidate
    known = sorted(p.stem for p in models_directory().glob("*.toml"))
    hint = suggestion(name, known) or f" (known: {', '.join(known) or 'none'})"
    raise FormatError(f"no ready model is called '{name}'{hint}")


def read_declaration(name: str | os.PathLike[str]) -> Declaration:
    """Read the declaration of a ready model.

    Raises
    ------
    FormatError
        If the file is not TOML, or an entry is missing, unknown or of the wrong kind.
    """
    path = find_declaration(name)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: not a TOML file ({error})") from None
    reader = _Reader(path)
    data = reader.table(content, "data")
    learning = reader.table(content, "learning")
    leaves = tuple(reader.leaf(entry) for entry in reader.list_of_tables(content, "leaf"))
    report = reader.table(content, "report")
    given = report.get("given")
    if not isinstance(given, list) or not all(isinstance(g, list) and g for g in given):
        raise FormatError(f"{path}: [report] given must be a list of lists of modalities")
    declaration = Declaration(
        name=path.stem,
        title=reader.value(content, "title", str, "the file"),
        dataset=reader.value(data, "dataset", str, "[data]"),
        label_column=reader.value(data, "target", str, "[data]"),
        target=reader.value(reader.table(content, "network"), "target", str, "[network]"),
        leaves=leaves,
        folds=reader.value(learning, "folds", int, "[learning]"),
        weight_folds=reader.value(learning, "weight_folds", int, "[learning]"),
        seed=reader.value(learning, "seed", int, "[learning]"),
        given=tuple(tuple(str(m) for m in g) for g in given),
    )
    for modality in (m for g in declaration.given for m in g):
        if modality not in declaration.modalities:
            hint = suggestion(modality, declaration.modalities)
            raise FormatError(f"{path}: [report] names the modality '{modality}'{hint}")
    return declaration


class _Reader:
    """Takes values out of the parsed file, and says where something is amiss."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def table(self, content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = content.get(key)
        if not isinstance(found, dict):
            raise FormatError(f"{self.path}: the table [{key}] is missing")
        return found

    def list_of_tables(self, content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        found = content.get(key)
        if not isinstance(found, list) or not found:
            raise FormatError(f"{self.path}: there is no [[{key}]]")
        return found

    def value(self, table: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
        if key not in table:
            raise FormatError(f"{self.path}: {where} lacks '{key}'")
        if not isinstance(table[key], kind) or isinstance(table[key], bool):
            raise FormatError(
                f"{self.path}: {where} '{key}' must be of type {kind.__name__}, not {table[key]!r}"
            )
        return table[key]

    def leaf(self, entry: Mapping[str, Any]) -> LeafDeclaration:
        known = {f.name: f for f in fields(LeafDeclaration)}
        where = f"[[leaf]] {entry.get('name', '')}".strip()
        for key in entry:
            if key not in known:
                raise FormatError(f"{self.path}: {where} has '{key}'{suggestion(key, known)}")
        kinds = {"str": str, "int": int, "float": (int, float)}
        for key, value in entry.items():
            if not isinstance(value, kinds[str(known[key].type)]) or isinstance(value, bool):  # type: ignore[arg-type]
                raise FormatError(f"{self.path}: {where} '{key}' cannot be {value!r}")
        for key in ("name", "modality", "kind"):
            self.value(entry, key, str, where)
        leaf = LeafDeclaration(**entry)
        for key, choices in (
            ("kind", LEAF_KINDS),
            ("transform", TRANSFORMS),
            ("encoder", ENCODERS),
        ):
            if getattr(leaf, key) not in choices:
                raise FormatError(
                    f"{self.path}: {where} {key} = '{getattr(leaf, key)}'"
                    f"{suggestion(getattr(leaf, key), choices)} (known: {', '.join(choices)})"
                )
        return leaf
