"""What a column of a table is: its modality, kind, unit, role and tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mmgraph.graph.errors import SchemaError, suggestion
from mmgraph.graph.variable import Label

KINDS = ("continuous", "categorical", "ordinal", "count", "time_series", "image_path", "text")
"""What cells are. Only categorical and ordinal ones are states."""
ROLES = ("feature", "target", "group", "weight", "time", "intervention", "ignored")
"""What a column is for."""


@dataclass(frozen=True)
class Column:
    """What a column is.

    Attributes
    ----------
    name : str
        As the table calls it.
    modality : str, optional
        The sensor or source that a feature comes from.
    kind : str
        One of ``KINDS``.
    role : str
        One of ``ROLES``.
    unit : str, optional
        What numbers are measured in.
    tier : int, optional
        The place in the order of causes: nothing causes what is of a lower tier.
    states : tuple of labels, optional
        The states of a categorical column, or of an ordinal one in their order; by default those
        that occur.
    note : str
        What a proposal is unsure of.

    Raises
    ------
    SchemaError
        If kind or role is unknown, a feature lacks its modality, states are not labels or belong to
        a column that has none.
    """

    name: str
    modality: str | None = None
    kind: str = "continuous"
    role: str = "feature"
    unit: str | None = None
    tier: int | None = None
    states: tuple[Label, ...] | None = None
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for what, value, choices in (("kind", self.kind, KINDS), ("role", self.role, ROLES)):
            if value not in choices:
                raise SchemaError(
                    f"the column '{self.name}' has the {what} {value!r}{suggestion(value, choices)}"
                    f" (one of {', '.join(choices)})"
                )
        for what in ("modality", "unit"):
            value = getattr(self, what)
            if value is not None and (not isinstance(value, str) or not value):
                raise SchemaError(f"the column '{self.name}': {what} is a text, not {value!r}")
        if self.tier is not None and (
            isinstance(self.tier, bool) or not isinstance(self.tier, int)
        ):
            raise SchemaError(
                f"the column '{self.name}': tier is a whole number, not {self.tier!r}"
            )
        if self.role == "feature" and self.modality is None:
            raise SchemaError(
                f"the column '{self.name}' is in no modality: name one, or give it the role "
                "'ignored'"
            )
        if self.states is not None:
            object.__setattr__(self, "states", self._checked_states())

    def _checked_states(self) -> tuple[Label, ...]:
        if not self.is_discrete:
            raise SchemaError(f"the column '{self.name}' is {self.kind} and has no states")
        states = self.states if isinstance(self.states, list | tuple) else ()
        if not states or len(set(states)) < len(states):
            raise SchemaError(
                f"the states of the column '{self.name}' are labels, each named once, not "
                f" {self.states!r}"
            )
        return tuple(states)

    @property
    def is_discrete(self) -> bool:
        """Whether cells are states."""
        return self.kind in ("categorical", "ordinal")

    @property
    def is_numeric(self) -> bool:
        """Whether cells are numbers."""
        return self.kind in ("continuous", "count")


_ENTRIES = tuple(f.name for f in fields(Column) if f.name not in ("name", "note"))


def columns_of(entries: Mapping[str, Mapping[str, Any]]) -> list[Column]:
    """Return columns from a dictionary of their attributes.

    Raises
    ------
    SchemaError
        If an entry is unknown, or not what it must be.
    """
    if not isinstance(entries, Mapping):
        raise SchemaError(f"a schema has a table of columns, not {entries!r}")
    columns = []
    for name, attributes in entries.items():
        if not isinstance(name, str) or not isinstance(attributes, Mapping):
            raise SchemaError(f"the schema's column {name!r} has no table of entries")
        for entry in attributes:
            if entry not in _ENTRIES:
                hint = suggestion(entry, _ENTRIES)
                raise SchemaError(f"the column '{name}' has an entry {entry!r}{hint}")
        columns.append(Column(name, **attributes))
    return columns
