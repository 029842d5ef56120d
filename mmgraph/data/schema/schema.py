"""What a table's columns are: the modality, kind, unit, role and tier of each."""

from __future__ import annotations

import fnmatch
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from mmgraph.data.schema.columns import Column, columns_of
from mmgraph.data.schema.file import checked_options, schema_in_file, schema_text
from mmgraph.data.schema.guess import guessed_columns
from mmgraph.data.table import Table
from mmgraph.data.tables import is_text_file, open_table
from mmgraph.graph.errors import SchemaError, UnknownVariableError, suggestion
from mmgraph.graph.storage.whole_files import write_text

_SINGLE_ROLES = ("target", "group", "weight", "time")


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in order.

    Parameters
    ----------
    columns : iterable of Column
        Each name once; at most one target, one group, one weight and one time.
    reading : mapping, optional
        How the table's file is read: ``missing``, ``encoding``, ``separator`` and ``decimal`` of
        :func:`mmgraph.open_table`.

    Raises
    ------
    SchemaError
        If a name stands twice, or a role that only one column may have; or an option of reading is
        unknown, or not what it must be.

    Examples
    --------
    >>> schema = Schema.of(
    ...     {
    ...         "age": {"modality": "clinical", "unit": "years"},
    ...         "g_*": {"modality": "genes"},
    ...         "relapse": {"role": "target", "kind": "categorical"},
    ...     }
    ... )
    >>> schema.resolved(["age", "g_1", "g_2", "relapse"]).modalities
    {'clinical': ('age',), 'genes': ('g_1', 'g_2')}
    """

    columns: Mapping[str, Column]
    reading: Mapping[str, Any]

    def __init__(self, columns: Iterable[Column], reading: Mapping[str, Any] | None = None) -> None:
        listed = list(columns)
        for name, count in Counter(column.name for column in listed).items():
            if count > 1:
                raise SchemaError(f"the schema describes the column '{name}' twice")
        for role in _SINGLE_ROLES:
            names = [column.name for column in listed if column.role == role]
            if len(names) > 1:
                listed_names = ", ".join(map(repr, names))
                raise SchemaError(f"{listed_names} have the role {role!r}; only one column may")
        by_name = MappingProxyType({column.name: column for column in listed})
        object.__setattr__(self, "columns", by_name)
        object.__setattr__(self, "reading", MappingProxyType(checked_options(reading or {})))

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy cannot be pickled
        return type(self), (tuple(self.columns.values()), dict(self.reading))

    @classmethod
    def of(cls, columns: Mapping[str, Mapping[str, Any]]) -> Schema:
        """Return the schema that a dictionary gives, of each column its entries.

        Parameters
        ----------
        columns : mapping of str to mapping
            By name, or by a pattern with ``*`` and ``?`` for all columns like it (see
            :meth:`resolved`); the entries are attributes of :class:`Column`.

        Raises
        ------
        SchemaError
            If an entry is unknown, or not what it must be.
        """
        return cls(columns_of(columns))

    @classmethod
    def of_modalities(
        cls,
        modalities: Mapping[str, Collection[str]],
        kinds: Mapping[str, str] | None = None,
        **roles: str | None,
    ) -> Schema:
        """Return the schema of columns that are listed by modality.

        Parameters
        ----------
        modalities : mapping of str to collection of str
            The columns of each.
        kinds : mapping of str to str, optional
            Of columns that are not continuous.
        **roles : str
            A column by its role: ``target="y"``, ``group="patient"``.

        Raises
        ------
        SchemaError
            If a column stands in two modalities, or a modality has none.
        """
        kinds = kinds or {}
        home: dict[str, str] = {}
        for modality, names in modalities.items():
            listed = [names] if isinstance(names, str) else list(names)
            if not listed:
                raise SchemaError(f"the modality '{modality}' has no columns")
            for name in listed:
                if name in home:
                    other = home[name]
                    where = "twice in" if other == modality else f"in '{other}' and in"
                    raise SchemaError(f"the column '{name}' stands {where} '{modality}'")
                home[name] = modality
        features = [
            Column(name, modality, kinds.get(name, "continuous")) for name, modality in home.items()
        ]
        special = [
            Column(name, kind=kinds.get(name, "categorical"), role=role)
            for role, name in roles.items()
            if name is not None
        ]
        return cls([*features, *special])

    @classmethod
    def guess(cls, data: object, target: str | None = None, **reading: Any) -> Schema:
        """Return the schema that names and cells of a table suggest, for a person to correct.

        Modalities come from prefixes that several names share (``v1_mfcc3``, ``gene.7``), kinds
        from the cells, roles from words such as ``patient`` or ``weight``. A column's ``note`` says
        what is uncertain.

        Parameters
        ----------
        data : table
            As :func:`mmgraph.open_table` takes it.
        target : str, optional
            The column to be predicted; by default one that is called like a target.
        **reading
            ``missing``, ``encoding``, ``separator`` and ``decimal`` of :func:`mmgraph.open_table`,
            which the schema keeps.

        Raises
        ------
        SchemaError
            If the table has no such column, or no rows.
        """
        return cls(guessed_columns(open_table(data, **reading), target), reading)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Schema:
        """Return the schema of a TOML file: a table ``[columns]``, and perhaps ``[read]``.

        Raises
        ------
        FormatError
            If the file is missing, is no TOML, or holds anything else.
        SchemaError
            If an entry is not what it must be; with the file's name.
        """
        return cls(*schema_in_file(path))

    def to_toml(self, title: str = "") -> str:
        """Return the text of a schema's file, a line for each column; notes become comments."""
        return schema_text(self.columns.values(), self.reading, title)

    def open(self, data: object, **reading: Any) -> Table:
        """Return the table that some data is, a file read as the schema says.

        Parameters
        ----------
        data : table
            As :func:`mmgraph.open_table` takes it.
        **reading
            Options of :func:`mmgraph.open_table`, in the place of the schema's.
        """
        said = {k: v for k, v in self.reading.items() if k == "missing" or is_text_file(data)}
        return open_table(data, **{**said, **reading})

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_toml` to a file, whole or not at all.

        Raises
        ------
        FormatError
            If the place cannot be written.
        """
        write_text(path, self.to_toml())

    def resolved(self, names: Collection[str], origin: str = "the table") -> Schema:
        """Return the schema of a table's columns, each pattern replaced by the columns like it.

        A column that is named wins over patterns, and a pattern over those before it.

        Parameters
        ----------
        names : collection of str
            The table's columns.
        origin : str
            What errors call the table.

        Raises
        ------
        SchemaError
            If the table lacks a column, no column is like a pattern, or the schema says nothing of
            a column.
        """
        patterns = {n: c for n, c in self.columns.items() if n not in names and is_pattern(n)}
        for name in self.columns:
            if name not in names and name not in patterns:
                hint = suggestion(name, names)
                raise SchemaError(f"{origin} has no column '{name}', which the schema names{hint}")
        columns_of: dict[str, list[str]] = {entry: [] for entry in self.columns}
        for name in names:
            fitting = [pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)]
            if name not in self.columns and not fitting:
                raise SchemaError(
                    f"the schema says nothing of the column '{name}' of {origin}: name its "
                    f"modality, or give it the role 'ignored'{suggestion(name, self.columns)}"
                )
            columns_of[name if name in self.columns else fitting[-1]].append(name)
        for pattern in patterns:
            if not columns_of[pattern]:
                raise SchemaError(f"{origin} has no column like '{pattern}' without its own entry")
        columns = [
            replace(self.columns[entry], name=name)
            for entry, likes in columns_of.items()
            for name in likes
        ]
        return Schema(columns, self.reading)

    @property
    def modalities(self) -> dict[str, tuple[str, ...]]:
        """The features of each modality, in order."""
        names: dict[str, list[str]] = {}
        for column in self.columns.values():
            if column.role == "feature" and column.modality is not None:
                names.setdefault(column.modality, []).append(column.name)
        return {modality: tuple(columns) for modality, columns in names.items()}

    def role(self, role: str) -> str | None:
        """Return the column of a role that one column may have, or None."""
        return next((c.name for c in self.columns.values() if c.role == role), None)

    @property
    def target(self) -> str | None:
        """The column to be predicted."""
        return self.role("target")

    @property
    def group(self) -> str | None:
        """The column that says which rows belong together."""
        return self.role("group")

    def with_column(self, name: str, **entries: Any) -> Schema:
        """Return the schema with other entries of one column.

        Raises
        ------
        UnknownVariableError
            If there is no such column.
        SchemaError
            If an entry is not what it must be.
        """
        if name not in self.columns:
            hint = suggestion(name, self.columns)
            raise UnknownVariableError(f"the schema has no column '{name}'{hint}")
        changed = replace(self.columns[name], note="", **entries)
        columns = [changed if c.name == name else c for c in self.columns.values()]
        return Schema(columns, self.reading)


def is_pattern(name: str) -> bool:
    """Whether an entry of a schema may stand for several columns."""
    return "*" in name or "?" in name
