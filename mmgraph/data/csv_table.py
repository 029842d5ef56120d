"""Delimited text files as tables: every cell is text, and every row says which line it is on."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from mmgraph.data.table import Table, said_so
from mmgraph.graph.errors import FormatError

_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK_ROWS = 1000


_WITH_COMMA = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*")


def has_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number with a decimal comma."""
    return "," in cell and _WITH_COMMA.fullmatch(cell) is not None


def with_decimal_point(cell: str) -> str:
    """Return a number with a decimal comma as with a point, and other cells as they are."""
    return cell.replace(",", ".") if has_decimal_comma(cell) else cell


class CsvTable(Table):
    """A CSV file, plain or gzipped, read row by row.

    Lines may end in any way, and a byte order mark is skipped. A line without any character is a
    row of a file with one column, and nothing in one with several. Encoding and separator are, by
    default, UTF-8 and a comma, or a tab where the name ends in ``.tsv``. Where ``decimal`` is a
    comma, cells such as ``3,5`` are read as ``3.5``.
    """

    is_text = True
    in_memory = False

    def __init__(
        self,
        path: Path,
        encoding: str | None = None,
        separator: str | None = None,
        decimal: str | None = None,
    ) -> None:
        self.origin, self._path = str(path), path
        is_utf8 = encoding is None or encoding.lower().replace("_", "-") in ("utf-8", "utf8")
        self._encoding = "utf-8-sig" if is_utf8 else str(encoding)
        ending = path.name.lower().removesuffix(".gz")
        self._separator = separator or ("\t" if ending.endswith(".tsv") else ",")
        if len(self._separator) != 1:
            raise FormatError(f"{path}: a separator is one character, not {separator!r}")
        if decimal not in (None, ".", ","):
            raise FormatError(f"{path}: a decimal mark is ',' or '.', not {decimal!r}")
        if decimal == self._separator:
            raise FormatError(f"{path}: {decimal!r} cannot be the separator and the decimal mark")
        self._has_commas = decimal == ","
        with self._reading() as rows:
            header: list[str] = next(rows, [])
        if not header:
            raise FormatError(f"{path} cannot be read: expected a header of column names")
        others = [mark for mark in ";\t|" if mark in header[0]]
        if len(header) == 1 and others and separator is None:
            raise FormatError(
                f"{path}: the header is one column, {header[0][:60]!r}; is the separator "
                f"{others[0]!r}? say {said_so('separator', others[0])}"
            )
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise FormatError(f"{path}: the column '{twice}' stands there twice")
        self._header = self.columns = tuple(header)

    def place(self, row: int) -> str:
        """Return the words for a row: its line, which is looked up in the file."""
        with self._reading() as reader:
            next(reader)
            lines = (reader.line_num for cells in reader if self._is_row(cells))
            line = next(itertools.islice(lines, row, None), None)
        return f"{self.origin}, line {line}" if line else super().place(row)

    def chunks(self, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns, lists of text, of ``rows`` rows at a time."""
        number = {name: i for i, name in enumerate(self._header)}
        wanted = [(name, number[name]) for name in self.columns]
        with self._reading() as reader:
            next(reader)
            done = False
            while not done:
                columns: list[list[str]] = [[] for _ in self._header]
                # Rows are turned into columns a block at a time: millions of lists, one a row,
                # would keep the garbage collector busy.
                while not done and (room := rows - len(columns[0])):
                    block = list(itertools.islice(reader, min(room, _BLOCK_ROWS)))
                    done = not block
                    for column, cells in zip(columns, self._transposed(block), strict=False):
                        column.extend(cells)
                if columns[0]:
                    yield {name: columns[i] for name, i in wanted}

    def _is_row(self, cells: list[str]) -> bool:
        """Whether a line counts: one without any character only where there is one column."""
        return bool(cells) or len(self._header) == 1

    def _transposed(self, block: list[list[str]]) -> Iterator[tuple[str, ...]]:
        """The columns of some lines."""
        if [] in block:
            block = [cells or [""] for cells in block if self._is_row(cells)]
        if any(len(cells) != len(self._header) for cells in block):
            self._refuse_ragged()
        if self._has_commas:
            block = [list(map(with_decimal_point, cells)) for cells in block]
        return zip(*block, strict=True)

    def _refuse_ragged(self) -> NoReturn:
        """Raise the error that names the first line with too many or too few cells."""
        width = len(self._header)
        with self._reading() as reader:
            ragged = (c for c in reader if self._is_row(c) and len(c or [""]) != width)
            cells_there = len(next(ragged))
            raise FormatError(
                f"{self._path}, line {reader.line_num}: expected {width} cells, as the header has, "
                f"found {cells_there}"
            )

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        reader: Any = None
        try:
            with self._path.open("rb") as raw:
                packed = raw.peek(2)[:2] == _GZIP_MAGIC
                plain: Any = gzip.GzipFile(fileobj=raw) if packed else raw
                with io.TextIOWrapper(plain, self._encoding, newline="") as text:
                    reader = csv.reader(text, delimiter=self._separator, strict=True)
                    yield reader
        except FormatError:  # which says the line already, and is a ValueError too
            raise
        except FileNotFoundError:
            raise FormatError(f"there is no file {self._path}") from None
        except UnicodeDecodeError as error:
            self._fail(
                reader,
                f"expected text in {error.encoding}, found the byte "
                f"0x{error.object[error.start]:02x}; say "
                f"{said_so('encoding', 'latin-1')} (or cp1252, utf-16, …)",
            )
        except UnicodeError as error:  # such as UTF-16 without a byte order mark
            self._fail(reader, f"expected text in {self._encoding} ({error})")
        except LookupError:
            raise FormatError(f"{self._path}: there is no encoding {self._encoding!r}") from None
        except (csv.Error, EOFError, OSError, ValueError, zlib.error) as error:
            self._fail(reader, str(error))

    def _fail(self, reader: Any, problem: str) -> NoReturn:
        line = reader.line_num + 1 if reader is not None else 1
        raise FormatError(f"{self._path} cannot be read near line {line}: {problem}") from None
