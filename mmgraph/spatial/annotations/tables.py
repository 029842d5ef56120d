"""Tables of places: ``row``, ``column`` and ``label``, and ``slice`` in a volume."""

from __future__ import annotations

import csv
import io

from mmgraph.formats.files import read_text
from mmgraph.graph.errors import FormatError, suggestion
from mmgraph.spatial.images.raster import PathLike


def table_dimensions(path: PathLike) -> int:
    """Return 3 if a table of places has the column ``slice``, else 2."""
    header = next(csv.reader(io.StringIO(read_text(path))), [])
    return 3 if "slice" in [name.strip() for name in header] else 2


def table_labels(path: PathLike, shape: tuple[int, ...]) -> dict[tuple[int, ...], str]:
    """Return what a table says of each pixel, as text."""
    reader = csv.DictReader(io.StringIO(read_text(path)), skipinitialspace=True)
    columns = ("slice", "row", "column")[-len(shape) :]
    for name in (*columns, "label"):
        if name not in (reader.fieldnames or ()):
            columns_read = ", ".join(reader.fieldnames or ()) or "nothing"
            hint = suggestion(name, reader.fieldnames or ())
            raise FormatError(f"{path}, line 1: no column '{name}' (found {columns_read}){hint}")
    labels: dict[tuple[int, ...], str] = {}
    for record in reader:
        line = reader.line_num
        place = tuple(
            _index(record[name], name, size, f"{path}, line {line}")
            for name, size in zip(columns, shape, strict=True)
        )
        label = (record["label"] or "").strip()
        if not label:
            continue
        if labels.setdefault(place, label) != label:
            raise FormatError(
                f"{path}, line {line}: the pixel {place} is '{label}' here and "
                f"'{labels[place]}' above"
            )
    return labels


def _index(text: str | None, column: str, size: int, where: str) -> int:
    try:
        index = int(text or "")
    except ValueError:
        raise FormatError(f"{where}: the {column} is {text!r}, no whole number") from None
    if not 0 <= index < size:
        raise FormatError(f"{where}: the {column} {index} lies outside the image (0 to {size - 1})")
    return index
