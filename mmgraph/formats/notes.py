"""What a format of other programs has no words for, as a note that those skip.

Identifiers of NET and XDSL hold letters, digits and underscores only, and labels are text there.
Where that would change a variable, it is written under another spelling, and a property called
``mmgraph`` beside it says what it truly is: the JSON of
:func:`~mmgraph.formats.variables.described` with apostrophes for quotes, in characters that no
scanner stumbles over. What another program has changed since then counts more than the note.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from os import PathLike
from typing import NamedTuple

from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.tables import check_discrete
from mmgraph.formats.text import Fail
from mmgraph.formats.variables import described, restored_variable
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable

NOTE = "mmgraph"
"""The key of the note among the properties of a variable."""

_ESCAPED = re.compile(r'\\["\\]|[^\w .,:"\\\[\]+-]', re.ASCII)
_NO_LETTER = re.compile(r"\W", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NET_KEYWORDS = re.compile(
    "net|class|node|potential|data|states|discrete|continuous|interval|decision|utility|function|"
    "instance|normal|labell?ed|numbered|boolean"
)


class Spelling(NamedTuple):
    """Which names of variables, labels of states and modalities a format can hold as they are."""

    format: str
    is_name: Callable[[str], bool]
    is_state: Callable[[str], bool]
    is_modality: Callable[[str], bool]


class Spelled(NamedTuple):
    """A variable as a file spells it, and properties that say what it truly is."""

    name: str
    states: list[str]
    properties: dict[str, str]


def is_plain_text(text: str) -> bool:
    """Whether text stands in any file as it is: printable, not empty, no blanks around it."""
    return text.isprintable() and text != "" and text == text.strip()


def is_quotable(text: str) -> bool:
    """Whether text can stand between quotes for every reader; some know no escapes there."""
    return is_plain_text(text) and '"' not in text and "\\" not in text


def _is_identifier(text: str) -> bool:
    return _IDENTIFIER.fullmatch(text) is not None


def _is_net_identifier(text: str) -> bool:
    return _is_identifier(text) and _NET_KEYWORDS.fullmatch(text) is None


NET = Spelling("NET", _is_net_identifier, is_quotable, is_quotable)
XDSL = Spelling("XDSL", _is_identifier, _is_identifier, is_plain_text)
XMLBIF = Spelling("XMLBIF", is_plain_text, is_plain_text, is_plain_text)


def spelled_variables(
    net: FactorGraph, spelling: Spelling, path: str | PathLike[str]
) -> dict[str, Spelled]:
    """Return the variables as a file spells them, by their true names."""
    if not net.variables:
        raise FormatError(
            f"{path}: a network without variables cannot be written as {spelling.format}"
        )
    spelled = {}
    names = spellings(list(net.variables), spelling.is_name)
    for name, variable in zip(names, net.variables.values(), strict=True):
        check_discrete(variable, spelling.format)
        states = spellings([str(label) for label in variable.labels], spelling.is_state)
        modality = variable.modality if spelling.is_modality(variable.modality or "") else None
        note = note_of(variable, Variable(name, tuple(states), modality=modality))
        properties = {"modality": modality, NOTE: note}
        spelled[variable.name] = Spelled(name, states, {k: t for k, t in properties.items() if t})
    return spelled


def note_of(variable: Variable, plain: Variable) -> str | None:
    """Return the note without which ``plain`` would be read; None where that is the variable."""
    same = (
        variable.describes_same_as(plain)
        and variable.modality == plain.modality
        and list(map(type, variable.labels)) == list(map(type, plain.labels))
        and isinstance(variable.states, int) == isinstance(plain.states, int)
    )
    if same:
        return None
    text = json.dumps(described(variable))
    # Braces around the whole are left out: crude readers of NET count them.
    return _ESCAPED.sub(_escaped, text[1:-1]).replace('"', "'")


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()[-1]):04x}"


def annotated(plain: Variable, note: str, spelling: Spelling, fail: Fail) -> Variable:
    """Return the variable that a note describes, where a file gives ``plain``.

    A name or states that the note would not have been written with are those of the file. Fails if
    the note is damaged.
    """
    try:
        value = json.loads("{" + note.replace("'", '"') + "}")
        entry = JsonObject(f"the property '{NOTE}'", value)
        if not _is_spelled(entry.get("name", str), plain.name, spelling):
            value["name"] = plain.name
        states = entry.get("states", object)
        labels = range(min(states, plain.cardinality + 1)) if isinstance(states, int) else states
        if not isinstance(labels, range | list):
            fail(f"the states in the property '{NOTE}' of '{plain.name}' are {shown(states)}")
        if spellings([str(label) for label in labels], spelling.is_state) != list(plain.labels):
            value["states"] = plain.states if isinstance(plain.states, int) else list(plain.labels)
        if plain.modality is not None:
            value["modality"] = plain.modality
        variable = restored_variable(entry)
    except (ValueError, RecursionError, GraphError) as error:
        fail(f"the property '{NOTE}' of '{plain.name}' is damaged: {shown(note)} ({error})")
    if variable.shape or variable.cardinality != plain.cardinality:
        fail(f"the property '{NOTE}' of '{plain.name}' tells of another variable: {variable!r}")
    return variable


def _is_spelled(name: str, spelled: str, spelling: Spelling) -> bool:
    """Whether a file may call that name so: beside other names, an identifier is numbered."""
    (stem,) = spellings([name], spelling.is_name)
    return re.fullmatch(rf"{re.escape(stem)}(?:_[0-9]+)?", spelled) is not None


def spellings(names: Sequence[str], is_plain: Callable[[str], bool]) -> list[str]:
    """Return the names, each that is not plain or stands twice replaced by an identifier."""
    taken = {name for name in names if is_plain(name)}
    first = set(taken)
    spelled = []
    for name in names:
        if name in first:
            first.discard(name)
        else:
            stem = _NO_LETTER.sub("_", name)
            stem = stem if stem[:1].isalpha() else f"x{stem}"
            candidates = (f"{stem}_{i}" if i else stem for i in range(len(names) + 2))
            name = next(c for c in candidates if c not in taken and is_plain(c))
            taken.add(name)
        spelled.append(name)
    return spelled
