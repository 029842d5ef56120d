"""Rules that say which actions, how long and how soon after each other, are an event."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from mmgraph.formats.files import read_text
from mmgraph.graph.errors import FormatError, suggestion

Record = TypeVar("Record")


@dataclass(frozen=True)
class Step:
    """A run of some actions, whole from the first step to the last.

    Attributes
    ----------
    actions : tuple of str
        Any of which it may consist of; all others, where ``other_than`` is true.
    least, most : float
        How long it takes, in seconds.
    gap : float
        How long anything else may last between the step before and this one, in seconds.
    other_than : bool
        Whether it consists of all actions but these.
    """

    actions: tuple[str, ...]
    least: float = 0.0
    most: float = math.inf
    gap: float = 0.0
    other_than: bool = False

    def among(self, names: Sequence[str]) -> frozenset[int]:
        """Return the places of its actions among all names; FormatError if one is unknown."""
        for action in self.actions:
            if action not in names:
                raise FormatError(f"there is no action '{action}'{suggestion(action, names)}")
        return frozenset(i for i, n in enumerate(names) if (n in self.actions) != self.other_than)


@dataclass(frozen=True)
class SequenceRule:
    """Steps one after the other; the event is the last one, from its beginning to its end.

    It is noticed when that has lasted for ``least``, or at its end where it has a ``most``.
    """

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Combination:
    """Events of other rules together: it holds while they have held within some seconds.

    Attributes
    ----------
    name : str
    all_of, any_of, none_of : tuple of str
        Rules: each of the first, at least one of the second, none of the third.
    within : float
        How long ago they may have held, in seconds; 0 means now.
    """

    name: str
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    within: float = 0.0


Rule = SequenceRule | Combination
_KEYS = {"all": "all_of", "any": "any_of", "none": "none_of", "not": "actions"}


def read_rules(path: str | os.PathLike[str]) -> list[Rule]:
    """Read the rules of a TOML file, each of which is a table ``[[rule]]``.

    Its ``name`` is followed by steps ``[[rule.step]]`` with ``actions`` (or ``not``: all but
    these), ``least``, ``most`` and ``gap``, or by names of rules above it in ``all``, ``any`` and
    ``none``, with ``within``.

    Raises
    ------
    FormatError
        If the file is no TOML, or an entry is unknown, missing or of another kind: where.

    Examples
    --------
    A fall is to lie down within 2 s after standing, for at least 10 s::

        [[rule]]
        name = "fall"
        step = [
            {actions = ["standing", "walking"]},
            {actions = ["lying"], gap = 2.0, least = 10.0},
        ]

        [[rule]]
        name = "unnoticed fall"
        all = ["fall"]
        none = ["call"]
        within = 60.0
    """
    try:
        content = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"{path}: not a TOML file ({error})") from None
    try:
        return checked_rules(content)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def checked_rules(content: Mapping[str, Any]) -> list[Rule]:
    """Return the rules of a mapping such as :func:`read_rules` finds in a file."""
    tables = content.get("rule")
    if not isinstance(tables, list) or not tables or len(content) > 1:
        other = next((key for key in content if key != "rule"), None)
        what = f"there is no place for '{other}'" if other else "there is no [[rule]]"
        raise FormatError(f"{what}; rules are a list of tables [[rule]]")
    rules: list[Rule] = []
    for number, table in enumerate(tables):
        if not isinstance(table, dict) or not isinstance(name := table.get("name"), str):
            raise FormatError(f"rule {number + 1} has no name")
        if name in (names := [rule.name for rule in rules]):
            raise FormatError(f"two rules are called '{name}'")
        rules.append(_rule(dict(table), f"rule '{name}'", names))
    return rules


def _rule(table: dict[str, Any], where: str, known: Sequence[str]) -> Rule:
    if "step" not in table:
        rule = _record(Combination, table, where)
        named = (*rule.all_of, *rule.any_of, *rule.none_of)
        if not rule.all_of + rule.any_of:
            raise FormatError(f"{where} needs steps, or rules in 'all' or 'any'")
        for name in named:
            if name not in known:
                hint = suggestion(name, known)
                raise FormatError(f"{where} names '{name}', which is no rule above it{hint}")
        return rule
    steps = table.pop("step")
    if not isinstance(steps, list) or not steps or not all(isinstance(s, dict) for s in steps):
        raise FormatError(f"{where}: 'step' is a list of tables")
    read = []
    for number, one in enumerate(steps):
        place = f"{where}, step {number + 1}"
        if ("actions" in one) == ("not" in one):
            raise FormatError(f"{place} has either 'actions' or 'not'")
        step = _record(Step, {**one, "other_than": "not" in one}, place)
        if not step.actions or not step.least <= step.most:
            raise FormatError(f"{place}: no run has such actions, 'least' and 'most'")
        if step.gap and not number:
            raise FormatError(f"{place} is the first: there is no 'gap' before it")
        read.append(step)
    return _record(SequenceRule, {**table, "steps": tuple(read)}, where)


def _record(cls: type[Record], table: Mapping[str, Any], where: str) -> Record:
    """Return a record whose fields are the entries of a table, which has no others."""
    kinds = {field.name: field.type for field in fields(cls)}  # type: ignore[arg-type]
    spelled = {full: short for short, full in _KEYS.items() if full in kinds and short != "not"}
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = _KEYS.get(key, key)
        if name not in kinds or key in spelled:
            expected = [spelled.get(kind, kind) for kind in kinds if kind != "other_than"]
            raise FormatError(f"{where} has '{key}'{suggestion(key, expected)}")
        if kinds[name] == "float":
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise FormatError(f"{where}: '{key}' is a number of seconds, not {value!r}")
            value = float(value)
        elif kinds[name] == "tuple[str, ...]":
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise FormatError(f"{where}: '{key}' is a list of names, not {value!r}")
            value = tuple(value)
        values[name] = value
    return cls(**values)
