"""What ``infer`` and ``map`` answer about sequences in a file: a line for each step."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mmgraph.cli.common import print_json, print_table
from mmgraph.cli.evidence import evidence_columns
from mmgraph.cli.rows import write_table
from mmgraph.cli.sequences.columns import element_names, number_columns, text_columns
from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    from mmgraph.data.table import Table
    from mmgraph.inference.sequence_model import SequenceModel

SEQUENCE = "sequence"
"""The column that says which sequence a row is a step of; without it all rows are one."""

_CLOCKS = ("time", "step")
"""Columns that are no features unless a model was learned from them."""

_SHOWN = 40
"""The most spans that are printed."""


class Steps(NamedTuple):
    """The names of sequences, and where each begins and ends among the rows."""

    names: list[str]
    parts: list[slice]

    def split(self, column: Any) -> list[Any]:
        """Return the part of each sequence."""
        return [column[part] for part in self.parts]


def answer_sequences(
    model: SequenceModel,
    file: Path | None,
    query: Sequence[str] | None,
    best: bool,
    asking: Mapping[str, Any],
    output: Path | None,
    as_json: bool,
    **reading: Any,
) -> None:
    """Ask a model of sequences about those in a file, and write or print the answer.

    Rows are steps in their order; those of a sequence stand together under one value of the column
    ``sequence``. Printed are spans of equal states, of the likeliest of each step or (``best``) on
    the most probable path; means of real states are but written. ``asking`` is the method, the
    device and options of :func:`mmgraph.query` or :func:`mmgraph.map_query`.
    """
    import mmgraph

    if file is None:
        raise EvidenceError("sequences come from a file: --evidence-file steps.csv")
    evidence, steps = read_steps(model, file, **reading)
    answer: Any
    marginals: Mapping[str, Any] = {}
    moments: dict[str, Any] = {}
    if best:
        answer = mmgraph.map_query(model, evidence, query or None, **asking)
        states, totals, variables = answer.states, answer.log_weight, answer.variables
    else:
        answer = mmgraph.query(model, evidence, query or None, **asking)
        marginals, totals = answer.marginals, answer.log_evidence
        states, variables = {n: p.argmax(-1) for n, p in marginals.items()}, answer.model_variables
        moments = _moments(answer)
    labels = {
        name: [
            [variables[name].labels[code] for code in row[: part.stop - part.start].tolist()]
            for row, part in zip(codes, steps.parts, strict=True)
        ]
        for name, codes in states.items()
    }
    if output is not None:
        states_of = {name: variables[name].labels for name in marginals}
        write_table(output, _lines(steps, labels, marginals, states_of, moments))
    spans = [span for name in labels for span in _spans(steps, name, labels[name])]
    by_name = dict(zip(steps.names, totals.tolist(), strict=True))
    what = "log_probability" if best else "log_evidence"
    if as_json:
        print_json({"method": answer.method, "exact": answer.exact, what: by_name, "spans": spans})
        return
    title = f"{what.replace('_', ' ')} {sum(by_name.values()):.6g}, {answer.method}"
    if moments and not spans:
        print(f"{title}; --output writes the means of the states at each step")
        return
    rows = [tuple(span.values()) for span in spans[:_SHOWN]]
    print_table((SEQUENCE, "variable", "state", "first step", "last step"), rows, title)
    if len(spans) > _SHOWN:
        print(f"… and {len(spans) - _SHOWN} spans more; --output writes a line for each step")


def read_steps(model: Any, file: Path, **reading: Any) -> tuple[dict[str, Any], Steps]:
    """Return the sequences of a file as a model reads evidence, and which they are."""
    from mmgraph.data.tables import open_table

    table = open_table(file, **reading)
    steps = _steps(table)
    names = [c for c in table.columns if c != SEQUENCE]
    return _evidence(model, table.select(names), steps), steps


def _steps(table: Table) -> Steps:
    """Which rows are the steps of which sequence."""
    column = text_columns(table, [SEQUENCE if SEQUENCE in table.columns else table.columns[0]])
    cells = next(iter(column.values()))
    if not cells:
        raise EvidenceError(f"{table.origin} has no rows")
    if SEQUENCE not in table.columns:
        return Steps(["1"], [slice(0, len(cells))])
    starts = [i for i, name in enumerate(cells) if i == 0 or name != cells[i - 1]]
    names = [cells[i] for i in starts]
    for name, spans in Counter(names).items():
        if spans > 1:
            raise EvidenceError(f"the rows of sequence '{name}' do not stand together")
    return Steps(names, [slice(a, b) for a, b in itertools.pairwise([*starts, len(cells)])])


def _evidence(model: Any, table: Table, steps: Steps) -> dict[str, Any]:
    """Columns as the model reads evidence, in a list of sequences each.

    Of a network a column is a variable or an element of one; else columns of numbers are the
    features in their order, those of modality ``NAME`` being called ``NAME`` or ``NAME[0]``,
    ``NAME[1]``, ….
    """
    import numpy as np

    if hasattr(model, "variables"):
        return {n: steps.split(c) for n, c in evidence_columns(model, table).items()}
    learned = getattr(model, "columns", {})
    modalities = model.modality_names()
    found: dict[str, Any] = {}
    for name in modalities or ("",):
        own = _features(table, name, learned.get(name), bool(modalities))
        if own:
            columns = number_columns(table, [n for n in own if n in table.columns])
            gone = np.full(steps.parts[-1].stop, np.nan)
            found[name or "rows"] = steps.split(np.stack([columns.get(n, gone) for n in own], 1))
    if not found:
        raise EvidenceError(f"{table.origin} has no column of {', '.join(modalities)}")
    return found


def _features(
    table: Table, modality: str, learned: Sequence[str] | None, several: bool
) -> list[str]:
    """The columns of a modality, in the order of its features; those not there are missing."""
    prefix = f"{modality or 'rows'}["
    if learned is not None:
        own = list(learned)
    else:
        own = [n for n in table.columns if n.startswith(prefix) and n.endswith("]")]
        if own:
            count = max(int(n[len(prefix) : -1]) for n in own) + 1
            own = [f"{prefix}{i}]" for i in range(count)]
        elif several:
            own = [n for n in table.columns if n == modality]
        else:
            own = list(table.columns)
    here = [n for n in own if n in table.columns]
    if not several:
        for name in table.columns if table.extra == "raise" else ():
            if name not in own or (learned is None and name in _CLOCKS):
                raise EvidenceError(
                    f"{table.origin}: the column '{name}' is no feature of the model; its features "
                    f"are {', '.join(own[:6]) if learned else 'columns rows[0], rows[1], …'}"
                )
    return own if here else []


def _lines(
    steps: Steps,
    labels: Mapping[str, list[list[Any]]],
    marginals: Mapping[str, Any],
    states_of: Mapping[str, Sequence[Any]],
    moments: Mapping[str, Any],
) -> Iterator[dict[str, list[Any]]]:
    """The columns of each sequence: name, step, states with their probabilities, and moments."""
    for number, (name, part) in enumerate(zip(steps.names, steps.parts, strict=True)):
        length = part.stop - part.start
        columns: dict[str, list[Any]] = {
            SEQUENCE: [name] * length,
            "step": list(range(1, length + 1)),
        }
        for variable, rows in labels.items():
            columns[variable] = rows[number]
            for state, label in enumerate(states_of.get(variable, ())):
                chances = marginals[variable][number, :length, state]
                columns[f"{variable}={label}"] = chances.tolist()
        yield columns | {n: values[number, :length].tolist() for n, values in moments.items()}


def _moments(answer: Any) -> dict[str, Any]:
    """Means and standard deviations of real states, ``(sequences, steps)`` by column."""
    columns: dict[str, Any] = {}
    for name, means in answer.moments.means.items():
        deviations = answer.moments.variances[name].clamp(min=0).sqrt()
        flat = (array.reshape(*means.shape[:2], -1) for array in (means, deviations))
        pairs = zip(*(array.unbind(-1) for array in flat), strict=True)
        for column, (mean, deviation) in zip(
            element_names(name, means.shape[2:]), pairs, strict=True
        ):
            columns |= {column: mean, f"{column}.sd": deviation}
    return columns


def _spans(steps: Steps, variable: str, labels: list[list[Any]]) -> Iterator[dict[str, Any]]:
    """The runs of equal states of a variable, steps counted from 1."""
    for name, row in zip(steps.names, labels, strict=True):
        first = 1
        for label, run in itertools.groupby(row):
            last = first + len(list(run)) - 1
            yield {
                SEQUENCE: name,
                "variable": variable,
                "state": label,
                "first_step": first,
                "last_step": last,
            }
            first = last + 1
