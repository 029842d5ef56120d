"""Classifiers of a user's rows: fitted as a declaration says, read from files, and listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.cli.common import print_json, print_record, print_table, progress_bar
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.outputs import check_model_place
from mmgraph.graph.errors import FormatError, suggestion

if TYPE_CHECKING:
    from mmgraph.predictors.row_classifier import RowClassifier


def fit_classifier(model: str, output: Path, as_json: bool) -> None:
    """Fit a declared classification to all its rows, and write the classifier."""
    from mmgraph.experiments.classification.classification import declared_rows, fit_model
    from mmgraph.graph.storage.whole_files import checked_suffix

    checked_suffix(output, (".mmgraph",))
    check_model_place(output)
    declaration, data = declared_rows(model)
    with keeps(None, unwritten(output)), progress_bar("fitting", None):
        classifier = fit_model(declaration, data)
        classifier.save(output)
    record: dict[str, Any] = {"model": model, "output": str(output), "rows": len(data)}
    record |= described(classifier)
    if as_json:
        print_json(record)
    else:
        texts = {k: ", ".join(v) for k, v in record.items() if isinstance(v, list | dict)}
        print_record(record | texts)


def read_classifier(name: str) -> RowClassifier:
    """Return the classifier in a file.

    Raises
    ------
    FormatError
        If it holds another model (which), is a declaration, or has learned from rows without
        named columns.
    """
    if Path(name).suffix == ".toml":
        raise FormatError(
            f"{name} is a declaration, and no fitted model: `mmgraph fit {name} --output "
            f"{Path(name).stem}.mmgraph` makes one"
        )
    import mmgraph
    from mmgraph.predictors.row_classifier import RowClassifier

    _check_place(Path(name))
    model = mmgraph.read(name)
    if not isinstance(model, RowClassifier):
        kind = getattr(type(model), "file_kind", type(model).__name__)
        asks = ": `mmgraph infer` asks it" if isinstance(model, mmgraph.FactorGraph) else ""
        if hasattr(model, "predict_quantiles"):
            asks = f": ask it in Python, mm.read({name!r}).predict_quantiles(rows, [0.1, 0.5, 0.9])"
        raise FormatError(f"{name} holds a {kind}, and no classifier{asks}")
    if model.schema_ is None:
        raise FormatError(
            f"{name} has learned from rows whose columns have no names: ask it in Python"
        )
    return model


def _check_place(path: Path) -> None:
    """Refuse a directory that holds a model rather than being one, and a model that is not there.

    Raises
    ------
    FormatError
        With the models that lie there.
    """
    from mmgraph.formats.native.directory import is_native

    if is_native(path) or path.is_file():
        return
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.suffix != ".mmgraph":
        return  # a name, perhaps
    models = sorted(str(place) for place in folder.glob("*.mmgraph"))
    if path.is_dir():
        hint = f"; did you mean {' or '.join(models)}?" if models else ", and none lies in it"
        raise FormatError(f"{path} is a directory, and no fitted model{hint}")
    hint = suggestion(str(path), models)
    if not hint and models:
        hint = f" (in {folder}: {', '.join(models)})"
    raise FormatError(f"there is no fitted model {path}{hint}")


def show_classifier(name: str, classifier: RowClassifier, as_json: bool) -> None:
    """List the modalities of a classifier with their columns, and its leaves."""
    record = described(classifier)
    if as_json:
        print_json({"model": name, **record})
        return
    sees: dict[str, str] = record.get("leaves", {})
    columns = {} if classifier.schema_ is None else classifier.schema_.modalities
    rows: list[tuple[Any, ...]] = []
    for modality in record["modalities"]:
        leaves = ", ".join(leaf for leaf, seen in sees.items() if modality in seen)
        rows.append((modality, len(columns.get(modality, ())), *([leaves or "-"] if sees else [])))
    kind = getattr(type(classifier), "file_kind", "classifier")
    title = f"{name}: {kind}, tells {', '.join(record['classes'])}"
    print_table(("modality", "columns", *(["leaves"] if sees else [])), rows, title)


def leaf_words(leaves: Mapping[str, Sequence[str]]) -> str:
    """Return which leaves a classifier has; by modality, unless all have the same."""
    by_place: dict[str, list[str]] = {}
    for name, sees in leaves.items():
        place = sees[0] if len(sees) == 1 else "joint"
        by_place.setdefault(place, []).append(name.removeprefix(f"{place}_"))
    words = {place: ", ".join(kinds) for place, kinds in by_place.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{place}: {kinds}" for place, kinds in words.items())


def described(classifier: RowClassifier) -> dict[str, Any]:
    """Return the classes of a fitted classifier, its modalities, and what its leaves see."""
    from mmgraph.experiments.classification.classification import leaves_of
    from mmgraph.predictors.multimodal_classifier import MultimodalClassifier

    schema = classifier.schema_
    record: dict[str, Any] = {
        "classes": [str(label) for label in classifier.classes_],
        "modalities": [] if schema is None else list(schema.modalities),
    }
    if isinstance(classifier, MultimodalClassifier):
        record["leaves"] = {name: list(sees) for name, sees in leaves_of(classifier)}
        record["modalities"] = record["modalities"] or list(classifier.model_.modalities)
    return record
