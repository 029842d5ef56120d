"""What a format of other programs has no words for, as a note that those skip.

Identifiers of NET and XDSL hold letters, digits and underscores only, and labels are text there.
Where that would change a variable, it is written under another spelling, and a property called
``mmgraph`` beside it says what it truly is: the JSON of
:func:`~mmgraph.formats.variables.described` with apostrophes for quotes, in characters that no
scanner stumbles over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.text import Fail
from mmgraph.formats.variables import described, restored_variable
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.variable import Variable

NOTE = "mmgraph"
"""The key of the note among the properties of a variable."""

_ESCAPED = re.compile(r'\\["\\]|[^\w .,:"\\\[\]+-]', re.ASCII)
_NO_LETTER = re.compile(r"\W", re.ASCII)


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
    for label in variable.labels:
        if not isinstance(label, str | int | float):
            raise FormatError(
                f"'{variable.name}': the state {label!r} is neither text nor a number, and cannot "
                "be written"
            )
    text = json.dumps(described(variable))
    # Braces around the whole are left out: crude readers of NET count them.
    return _ESCAPED.sub(_escaped, text[1:-1]).replace('"', "'")


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()[-1]):04x}"


def annotated(plain: Variable, note: str, fail: Fail) -> Variable:
    """Return the variable that a note describes, where a file gives ``plain``.

    Fails if the note is damaged, or tells of another number of states.
    """
    try:
        value = json.loads("{" + note.replace("'", '"') + "}")
        entry = JsonObject(f"the property '{NOTE}'", value)
        states = entry.get("states", object)
        count = len(states) if isinstance(states, list) else states
        if count != plain.cardinality:
            fail(f"'{plain.name}' has {plain.cardinality} states, but {shown(states)} in its note")
        variable = restored_variable(entry)
    except (ValueError, RecursionError, GraphError) as error:
        fail(f"the property '{NOTE}' of '{plain.name}' is damaged: {shown(note)} ({error})")
    if variable.shape:
        fail(f"the property '{NOTE}' of '{plain.name}' tells of the shape {shown(variable.shape)}")
    return variable


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


def is_plain_text(text: str) -> bool:
    """Whether text stands in any file as it is: printable, not empty, no blanks around it."""
    return text.isprintable() and text != "" and text == text.strip()
