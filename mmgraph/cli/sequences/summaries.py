"""What ``show`` says of models of sequences: what is hidden, what is seen, and parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmgraph.cli.common import print_json, print_record, print_table
from mmgraph.cli.tables.variables import state_words, variable_records
from mmgraph.graph.errors import FormatError

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.networks.dynamic.dynamic_bayesian_network import DynamicBayesianNetwork
    from mmgraph.predictors.sequences.sequence_labeller import SequenceLabeller
    from mmgraph.sequences.commands.recogniser import CommandRecogniser

_ROWS, _COLUMNS, _PARTS = 12, 10, 4
"""What is larger is told by its shape."""
_PASSED_OVER = ("floor", "possible", "durations")


def show_sequence_model(name: str, model: Any, is_picture: bool, as_json: bool) -> bool:
    """Print what a model, labeller or recogniser of sequences is; False if it is none of these.

    A picture is refused.
    """
    from mmgraph.inference.sequence_model import SequenceModel
    from mmgraph.networks.dynamic.dynamic_bayesian_network import DynamicBayesianNetwork
    from mmgraph.sequences.commands.recogniser import CommandRecogniser

    if isinstance(model, CommandRecogniser):
        record = _commands(model)
    elif isinstance(model, DynamicBayesianNetwork):
        record = _slices(model)
    elif isinstance(model, SequenceModel):
        record = _face(model)
    elif getattr(type(model), "file_kind", None) == "sequence labeller":  # without scikit-learn
        record = _labeller(model)
    else:
        return False
    if is_picture:
        raise FormatError(
            f"{name} holds a {record['kind']}, and pictures are of graphs: `mmgraph show {name}`, "
            "without --output, lists it"
        )
    if as_json:
        print_json({"model": name, **record})
        return True
    parameters = record.pop("parameters", {})
    if variables := record.pop("variables", None):
        record["variables"] = len(variables)
    large = {n: " × ".join(map(str, p["shape"])) for n, p in parameters.items() if not p["tables"]}
    print(f"{name}: {record.pop('kind')}")
    print_record({key: _words(value) for key, value in {**record, **large}.items()})
    if variables:
        _print_variables(variables)
    for title, table in ((t, p) for one in parameters.values() for t, p in one["tables"].items()):
        rows = [
            [row, *numbers] for row, numbers in zip(table["rows"], table["values"], strict=True)
        ]
        print_table(["", *table["columns"]], rows, title)
    return True


def _words(value: Any) -> Any:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(str(_words(one)) for one in value[:_ROWS])
        return shown + (f", … ({len(value)})" if len(value) > _ROWS else "")
    return f"{value:.6g}" if isinstance(value, float) else value


def _commands(recogniser: CommandRecogniser) -> dict[str, Any]:
    parameters = recogniser.get_params()
    grammar = parameters.pop("grammar")
    return {
        "kind": recogniser.file_kind,
        **{f"<{rule}>": list(forms) for rule, forms in grammar.rules.items()},
        "words": list(grammar.words),
        **parameters,
    }


def _labeller(labeller: SequenceLabeller) -> dict[str, Any]:
    """A record of what is labelled, and by which sensors."""
    from mmgraph.predictors.sequences.window_features import WindowFeatures

    labels = [str(label) for label in labeller.classes_]
    cell = WindowFeatures.of_settings(labeller.rate, labeller.features or {}).stride
    means = (cell / labeller.rate * labeller.durations_.parameters.durations.expected).tolist()
    columns = {"columns": labeller.columns_} if labeller.columns_ else {}
    return {
        "kind": labeller.file_kind,
        "labels": labels,
        "channels": labeller.channels_,
        **columns,
        "steps_a_second": labeller.rate,
        "mean_duration_in_seconds": dict(zip(labels, means, strict=False)),  # or of no label, last
    }


def _face(model: Any) -> dict[str, Any]:
    """A record of a model that has parameters by name."""
    from mmgraph.formats.native.sequence_models import MODELS

    document, arrays = model.stored()
    settings = document.get("settings", {})
    record: dict[str, Any] = {
        "kind": next(n for n, (_, cls) in MODELS.items() if cls == type(model).__name__)
    }
    if hasattr(model, "_hidden"):
        hidden = model._hidden().items()
        record["hidden"] = {n: [str(label) for label in v.labels] for n, v in hidden}
    else:
        features, states = arrays["observation"].shape[-2:]
        regimes = {"regime": model.regimes} if model.regimes else {}
        record |= {"hidden": {**regimes, "state": f"{states} real numbers"}, "features": features}
    if columns := {n: list(c) for n, c in document.get("columns", {}).items()}:
        record["columns"] = columns if any(columns) else columns[""]
    for setting in ("emission", "covariance", "durations"):
        if setting in settings:
            value = settings[setting]
            record[setting] = value[""] if isinstance(value, dict) and "" in value else value
    chains = record["hidden"] if hasattr(model, "_hidden") else {}
    if "durations" in record:
        means = model.parameters.durations.expected.tolist()
        record["mean_duration"] = dict(zip(next(iter(chains.values())), means, strict=True))
    record["parameters"] = _parameters(arrays, chains, columns)
    return record


def _parameters(
    arrays: Mapping[str, np.ndarray],
    chains: Mapping[str, Sequence[str]],
    columns: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """The arrays of a model: their shapes, and those that are small as tables."""
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        kind, _, number = name.partition("/")
        if any(part in _PASSED_OVER for part in name.split("/")):
            continue
        title, labels = name, next(iter(chains.values())) if len(chains) == 1 else []
        rows = labels
        if number.isdigit():
            chain = list(chains)[int(number)]
            title, labels = f"{kind}/{chain}", chains[chain]
            rows = labels  # or, of a coupled chain, the states of all before
            if len(array) != len(labels):
                rows = [", ".join(one) for one in itertools.product(*chains.values())]
        elif len(chains) > 1:
            rows = [f"{chain}={label}" for chain, states in chains.items() for label in states]
        modality = name.split("/")[1] if name.count("/") == 2 else ""
        features = labels if kind in ("start", "transition") else columns.get(modality, [])
        tables = _tables(title, array, rows, features)
        found[title] = {"shape": list(array.shape), "tables": tables}
    return found


def _tables(
    name: str, array: np.ndarray, rows: Sequence[str], columns: Sequence[str]
) -> dict[str, Any]:
    """An array as small tables by title, none if it is large; names count where as many fit."""

    def named(names: Sequence[str], count: int) -> list[str]:
        return list(names) if len(names) == count else [str(number) for number in range(count)]

    parts = {name: array}
    if array.ndim == 1:
        parts, rows = {name: array[None]}, [""]
    elif array.ndim == 3:
        parts = {f"{name}[{k}]": a for k, a in zip(named(rows, len(array)), array, strict=True)}
        rows = columns
    fits = array.ndim <= 3 and len(parts) <= _PARTS
    return {
        title: {
            "rows": named(rows, len(part)),
            "columns": named(columns, part.shape[1]),
            "values": part.tolist(),
        }
        for title, part in parts.items()
        if fits and len(part) <= _ROWS and part.shape[1] <= _COLUMNS
    }


def _slices(model: DynamicBayesianNetwork) -> dict[str, Any]:
    """A record of a network whose slices repeat: parents in the first one and later."""
    first, later = model.first_slice, model.transition
    following = {one["name"]: one["parents"] for one in variable_records(later)}
    variables = [
        {**one, "parents": {"first": one["parents"], "later": following[one["name"]]}}
        for one in variable_records(first)
    ]
    tables = [
        (f"{name}, {when}", net.distribution(name))
        for name in first.variables
        for when, net in (("first", first), ("later", later))
    ]
    return {
        "kind": "dynamic Bayesian network",
        "order": model.order,
        "inputs": list(model.inputs),
        "variables": variables,
        "parameters": {
            title: {"shape": [v.cardinality for v in factor.scope], "tables": dict(found)}
            for title, factor in tables
            if (found := list(_conditional(title, factor))) or hasattr(factor, "values")
        },
    }


def _conditional(title: str, factor: Any) -> Iterator[tuple[str, Any]]:
    """The table of a discrete child, a row for each state of its parents, if it is small."""
    if not hasattr(factor, "values") or factor.child is None:
        return
    parents = [v for v in factor.scope if v.name != factor.child.name]
    axis = [v.name for v in factor.scope].index(factor.child.name)
    values = factor.values.movedim(axis, -1).reshape(-1, factor.child.cardinality)
    if len(values) > _ROWS or values.shape[1] > _COLUMNS:
        return
    states = itertools.product(*([f"{v.name}={label}" for label in v.labels] for v in parents))
    yield (
        title,
        {
            "rows": [", ".join(one) for one in states],
            "columns": [str(label) for label in factor.child.labels],
            "values": values.tolist(),
        },
    )


def _print_variables(variables: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        [
            v["name"],
            state_words(dict(v)),
            v["modality"] or "-",
            *(", ".join(v["parents"][when] or ()) or "-" for when in ("first", "later")),
        ]
        for v in variables
    ]
    print_table(["variable", "states", "modality", "parents", "parents later"], rows)
