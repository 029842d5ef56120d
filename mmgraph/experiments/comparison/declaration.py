"""The declaration of a comparison: its rows, models, conditions and validation, from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmgraph.experiments.classification.declaration import (
    ClassificationDeclaration,
    check_source,
)
from mmgraph.experiments.reader import Reader, entry

MODELS = (
    *("network", "multimodal", "late_fusion", "joint_fusion"),
    *("prior", "logistic", "extra_trees", "gradient_boosting", "svm_stacking"),
)
"""What is compared where a declaration does not say it."""


def _images(reader: Reader, value: Any) -> dict[str, tuple[int, int]]:
    """Heights and widths by modality."""
    if not isinstance(value, dict) or not value:
        raise reader.error(f"[data] 'images' is a table as {{ pix = [16, 15] }}, not {value!r}")
    shapes = {}
    for modality, shape in value.items():
        is_pair = isinstance(shape, list) and len(shape) == 2
        if not is_pair or any(type(number) is not int or number < 1 for number in shape):
            raise reader.error(
                f"[data] 'images' gives '{modality}' a height and a width, as [16, 15], not "
                f"{shape!r}"
            )
        shapes[modality] = (shape[0], shape[1])
    return shapes


@dataclass(frozen=True, kw_only=True)
class ComparisonDeclaration(ClassificationDeclaration):
    """A ready model of the kind ``comparison``; of a classification, its rows and validation.

    ``models``, ``conditions``, ``tune`` and ``opponents`` are those of :func:`mmgraph.compare`. Of
    a data set of recordings windows of ``window`` seconds are the rows, one at every
    ``window_step`` seconds (by default they do not overlap); ``images`` are modalities whose
    numbers are pixels, row by row, with their heights and widths; ``modalities`` are some of the
    data set's.
    """

    models: tuple[str, ...] = entry(MODELS, table="comparison")
    conditions: tuple[str, ...] = entry(("subsets",), table="comparison")
    tune: bool = entry(False, table="comparison")
    opponents: bool = entry(True, table="comparison")
    window: float = entry(0.0, table="data", within=(1e-3, 1e6))
    window_step: float = entry(0.0, table="data", within=(1e-3, 1e6))
    images: Any = entry(None, table="data", read=_images)
    modalities: tuple[str, ...] = entry((), table="data")

    @property
    def heading(self) -> str:
        """The title, or what the file is called."""
        return self.title or self.name


def read_comparison(reader: Reader) -> ComparisonDeclaration:
    """Read the declaration of a comparison, or of a classification as one.

    Raises
    ------
    FormatError
        If it is of another kind, an entry is unknown or not what it must be, or there is neither a
        data set nor a file.
    """
    from mmgraph.comparison.models.named import MODELS as KNOWN
    from mmgraph.comparison.protocol.plan import CONDITIONS

    kind = reader.content.get("kind", "classification")
    reader.checked(kind, str, "", "kind", among=("classification", "comparison"))
    beside: Mapping[str, str] = {"classification": "classifier", "comparison": "comparison"}
    reader.only("kind", "title", "data", beside[kind], "validation", "report")
    declared = reader.declaration(ComparisonDeclaration)
    check_source(reader, declared)
    for key, names, known in (
        ("models", declared.models, list(KNOWN)),
        ("conditions", declared.conditions, CONDITIONS),
    ):
        for name in names:
            reader.checked(name, str, "[comparison]", key, among=known)
    if declared.window_step and not declared.window:
        raise reader.error("[data] 'window_step' goes with a 'window'")
    return declared
