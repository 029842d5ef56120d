"""The declaration of a classification: its rows, classifier, validation and report, from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mmgraph.data.schema.file import checked_options
from mmgraph.experiments.reader import TABLES, Names, Reader, entry
from mmgraph.experiments.rows import RowsModel
from mmgraph.graph.errors import SchemaError, suggestion

Leaves = str | tuple[str, ...] | Mapping[str, str | tuple[str, ...]]
_REPLACED = {
    "leaf": "[classifier] leaves names the kinds of leaves of each modality",
    "network": "[data] target is the column of a data set, a file's schema has one of the role "
    "'target'",
    "learning": "[validation] has folds and seed, and [classifier] the folds of the powers",
}
"""Tables that declarations once had, and what says the same."""


def _schema(reader: Reader, value: Any) -> Any:
    """A path, or the entries of columns; written in ``[data.schema]`` or, as in files, below."""
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, dict) or not value:
        raise reader.error(
            f"[data] 'schema' is the path of a schema, or a table of columns, not {value!r}"
        )
    inner = value["columns"] if set(value) == {"columns"} else None
    as_in_file = isinstance(inner, dict) and all(isinstance(v, dict) for v in inner.values())
    return inner if as_in_file else value


def _reading(reader: Reader, value: Any) -> dict[str, Any]:
    """The options by which a file is read."""
    try:
        return checked_options(value)
    except SchemaError as error:
        raise reader.error(f"[data] 'read': {error}") from None


def _leaf_names(reader: Reader, value: Any, where: str) -> str | tuple[str, ...]:
    from mmgraph.predictors.leaves.named import LEAVES

    if value == "auto":
        return "auto"
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        known = ", ".join(LEAVES)
        raise reader.error(f"{where} is 'auto', a leaf or a list of them ({known}), not {value!r}")
    for name in names:
        if name not in LEAVES:
            hint = f"{suggestion(name, LEAVES)} (known: {', '.join(LEAVES)})"
            raise reader.error(f"{where} names the leaf {name!r}{hint}")
    return tuple(names)


def _leaves(reader: Reader, value: Any) -> Leaves:
    """Names of leaves of every modality, or by modality."""
    if not isinstance(value, dict):
        return _leaf_names(reader, value, "[classifier] 'leaves'")
    return {m: _leaf_names(reader, x, f"[classifier.leaves] '{m}'") for m, x in value.items()}


def _joint(reader: Reader, value: Any) -> str | tuple[str, ...]:
    return _leaf_names(reader, value, "[classifier] 'joint'")


@dataclass(frozen=True, kw_only=True)
class ClassificationDeclaration(RowsModel):
    """A ready model of the kind ``classification``.

    Its rows are a data set of the catalogue, or a ``file`` that a ``schema`` describes (a path or
    columns; both relative to the declaration's own directory), ``read`` so. ``leaves``, ``joint``,
    ``inner_folds`` and ``budget`` are those of :class:`~mmgraph.predictors.multimodal_classifier.\
MultimodalClassifier`, and so are defaults; it is tested in ``folds``. ``given`` are the situations
    to report, each the modalities that are there: by default all together, then each alone.
    """

    title: str = ""
    dataset: str = entry("", table="data")
    file: str = entry("", table="data")
    schema: Any = entry(None, table="data", read=_schema)
    reading: Any = entry(None, table="data", key="read", read=_reading)
    leaves: Any = entry(None, table="classifier", read=_leaves)
    joint: Any = entry(None, table="classifier", read=_joint)
    inner_folds: int = entry(0, table="classifier", key="folds", within=(2, 10**6))
    budget: float = entry(0.0, table="classifier", within=(1, 1e9))
    folds: int = entry(5, table="validation", within=(2, 10**6))
    seed: int = entry(0, table="validation", within=(0, 2**32 - 1))
    given: Names = entry((), table="report")


def read_classification(reader: Reader) -> ClassificationDeclaration:
    """Read the declaration of a classification, with the classifier's defaults in their places.

    Raises
    ------
    FormatError
        If an entry is unknown or not what it must be, or there is neither a data set nor a file.
    """
    for table, replacement in _REPLACED.items():
        if table in reader.content:
            raise reader.error(f"there is no table '{table}' any more: {replacement}")
    reader.only("kind", "title", "data", "classifier", "validation", "report")
    declared = reader.declaration(ClassificationDeclaration)
    check_source(reader, declared)
    defaults = classifier_defaults()
    unsaid = {n: value for n, value in defaults.items() if getattr(declared, n) in (None, 0)}
    return replace(declared, **unsaid)


def classifier_defaults() -> dict[str, Any]:
    """Return what a classification's entries of ``[classifier]`` are where a file says nothing."""
    from mmgraph.predictors.multimodal_classifier import MultimodalClassifier

    default = MultimodalClassifier()
    return {
        "leaves": default.leaves,
        "joint": default.joint,
        "inner_folds": default.folds,
        "budget": default.budget,
    }


def check_source(reader: Reader, declared: ClassificationDeclaration) -> None:
    """Refuse rows of nowhere or of two places, and what a schema says already, as a FormatError."""
    if bool(declared.dataset) == bool(declared.file):
        what = "names both" if declared.file else "needs one of the two"
        raise reader.error(
            f"[data] {what}: dataset = a name of `mmgraph datasets`, or file = a table of your own "
            "(.csv, .tsv, .parquet) with its schema"
        )
    if declared.dataset.lower().endswith(TABLES):
        raise reader.error(
            f"[data] dataset = '{declared.dataset}' is no name of the catalogue; a table of your "
            f"own is file = '{declared.dataset}' with its schema"
        )
    place = {one.name: one.metadata.get("key") or one.name for one in fields(declared)}
    useless: list[str] = ["schema", "reading"] if declared.dataset else ["groups"]
    why = "with a file, and not with a dataset" if declared.dataset else "with a dataset"
    if declared.file and declared.schema is not None:
        useless.append("label_column")
    if declared.file:
        why += "; a schema says it by the roles 'target' and 'group'"
    for name in useless:
        if getattr(declared, name):
            raise reader.error(f"[data] '{place[name]}' goes {why}")
