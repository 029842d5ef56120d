"""The command that labels images: label."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import (
    JsonOption,
    Seed,
    directory_option,
    list_written,
    print_json,
    print_table,
    progress_bar,
    spread,
)
from mmgraph.cli.image_files import ImageFiles, name_value_pairs
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.outputs import check_directory, check_drawing
from mmgraph.graph.errors import MissingExtraError, MmgraphError
from mmgraph.graph.storage.whole_files import write_text

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.spatial.annotations.annotations import Annotations
    from mmgraph.spatial.images.georeference import Georeference
    from mmgraph.spatial.labelling import Labelling


@dataclass(frozen=True)
class LabellingOptions:
    """Options of the command that say how pixels are labelled."""

    unary: Annotated[str, typer.Option(help="gaussian_mixture, svm, extra_trees or logistic.")] = (
        "gaussian_mixture"
    )
    neighbours: Annotated[
        int | None, typer.Option(help="4 or 8 in an image, 6 or 26 in a volume.")
    ] = None
    edge_weight: Annotated[str, typer.Option(help="A number, or learn.")] = "learn"
    sensor_weight: Annotated[
        list[str] | None,
        typer.Option("--sensor-weight", help="NAME=NUMBER; those not given are learned."),
    ] = None
    prior: Annotated[
        str,
        typer.Option(
            help="Of the classes: even, annotated, auto (even where labels are strokes) or numbers "
            "in their order, 0.2,0.3,0.5."
        ),
    ] = "auto"
    method: Annotated[
        str, typer.Option(help="auto, trws, graph_cut, alpha_expansion, belief_propagation, …")
    ] = "auto"
    seed: Seed = 0

    def arguments(self, sensors: Mapping[str, object]) -> dict[str, Any]:
        """Return them as arguments of :func:`~mmgraph.spatial.labelling.label_image`."""
        import torch

        weights = name_value_pairs(self.sensor_weight, "--sensor-weight", sensors)
        return {
            "unaries": self.unary,
            "sensor_weights": {name: _number(text) for name, text in weights.items()},
            "edge_weight": "learn" if self.edge_weight == "learn" else _number(self.edge_weight),
            "neighbours": self.neighbours,
            "prior": _prior(self.prior),
            "method": self.method,
            "generator": torch.Generator().manual_seed(self.seed),
        }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise MmgraphError(f"expected a number or 'learn' for a weight, found {text!r}") from None


def _prior(text: str) -> Any:
    """Read the name of a prior, or numbers with commas between."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text


@spread
def label(
    files: ImageFiles,
    options: LabellingOptions,
    output: Annotated[Path, directory_option("For maps and report.")] = Path("labelled"),
    picture: Annotated[
        bool, typer.Option("--picture", help="Draw labels and uncertainty, too (matplotlib).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Label every pixel of an image or a volume, from the labels of a few."""
    from mmgraph.spatial.labelling import label_image

    check_directory(output)
    if picture:
        check_drawing()
    arguments = options.arguments(files.sensors)
    with keeps(None, unwritten(output)), progress_bar("reading", None) as (bar, task):

        def progress(text: str, done: int, total: int | None) -> None:
            bar.update(task, description=text, completed=done, total=total)

        images = files.read()
        spacing = None if images.place is None else images.place.spacing
        labelling = label_image(
            images.sensors,
            images.annotations,
            missing=images.missing,
            spacing=spacing,
            progress=progress,
            **arguments,
        )
        written = _write_maps(output, labelling, images.annotations, images.like, images.place)
        if picture:
            written += _draw(output, labelling, images.annotations, images.sensors)
    report = _report(labelling, images.annotations) | {"spacing": spacing and list(spacing)}
    written.append(output / "report.json")
    write_text(written[-1], json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print_json(report | {"files": [str(file) for file in written]})
        return
    _print(report)
    list_written(written)


def _write_maps(
    output: Path,
    labelling: Labelling,
    annotations: Annotations,
    like: str,
    place: Georeference | None,
) -> list[Path]:
    """Write labels as the numbers that the annotations use, and their uncertainty."""
    import numpy as np

    from mmgraph.plots.label_maps import UNLABELLED, class_colours
    from mmgraph.spatial.images.raster import image_suffix
    from mmgraph.spatial.images.writing import write_array, write_labels

    output.mkdir(parents=True, exist_ok=True)
    numbers = labelling.numbered
    maps = {
        "labels": numbers,
        "uncertainty": labelling.uncertainty,
        "probabilities": labelling.marginals,
    }
    suffix = ".tif" if image_suffix(like).startswith(".tif") else ""
    if not suffix and (labelling.labels.ndim == 3 or image_suffix(like).startswith(".nii")):
        suffix = ".nii.gz"
    files = [output / f"{name}.npy" for name in maps]
    for file, array in zip(files, maps.values(), strict=True):
        write_array(file, array)
    for name, array in maps.items() if suffix else ():
        options = {"bands": name == "probabilities", "like": place}
        files += _if_installed(write_array, output / (name + suffix), array, **options)
    if labelling.labels.ndim == 2 and numbers.min() >= 0 and numbers.max() <= 65535:
        palette = [UNLABELLED] * (max(annotations.values) + 1)
        colours = annotations.colours or class_colours(len(annotations.values))
        for value, colour in zip(annotations.values, colours, strict=True):
            palette[value] = colour
        shades = np.round(255 * labelling.relative_uncertainty.clip(0, 1)).astype(np.uint8)
        files += _if_installed(write_labels, output / "labels.png", numbers, palette)
        files += _if_installed(write_array, output / "uncertainty.png", shades)
    return files


def _if_installed(
    write: Callable[..., None], path: Path, *content: object, **options: object
) -> list[Path]:
    """Write a file, or leave it out where its package is missing: the arrays are written anyway."""
    try:
        write(path, *content, **options)
    except MissingExtraError:
        return []
    return [path]


def _draw(
    output: Path, labelling: Labelling, annotations: Annotations, sensors: Mapping[str, np.ndarray]
) -> list[Path]:
    """Draw the labels over the first sensor that has colours, else over the first."""
    from mmgraph.plots import energy_trace, label_map, save, uncertainty_map

    images = list(sensors.values())
    image = next((image for image in images if image.shape[-1] in (3, 4)), images[0])
    files = [output / "label_map.png", output / "uncertainty_map.png"]
    figure = label_map(
        None,
        labelling.labels,
        labelling.classes,
        image=image,
        annotations=annotations.codes,
        colours=annotations.colours,
    )
    save(figure, files[0])
    save(uncertainty_map(None, labelling.uncertainty), files[1])
    if len(labelling.trace) > 1:
        files.append(output / "energy.png")
        save(energy_trace(labelling.trace, title=labelling.method), files[-1])
    return files


_REPORTED = (
    *("method", "marginal_method", "energy", "lower_bound", "gap", "exact", "converged"),
    *("sensor_weights", "edge_weight", "prior", "temperature"),
)
"""What the report takes from the labelling as it is."""


def _report(labelling: Labelling, annotations: Annotations) -> dict[str, Any]:
    import numpy as np

    counts = np.bincount(labelling.labels.reshape(-1), minlength=len(labelling.classes)).tolist()
    uncertain = [
        float(labelling.uncertainty[labelling.labels == code].mean()) if count else None
        for code, count in enumerate(counts)
    ]
    labelled = np.bincount(
        annotations.codes[annotations.codes >= 0], minlength=len(labelling.classes)
    ).tolist()
    colours = annotations.colours or [None] * len(counts)
    columns = (annotations.values, labelling.classes, colours, labelled, counts, uncertain)
    keys = ("value", "class", "colour", "labelled", "pixels", "mean_uncertainty")
    return {
        "size": list(labelling.labels.shape),
        **{key: getattr(labelling, key) for key in _REPORTED},
        "held_out_log_loss": labelling.log_loss,
        "missing_pixels": labelling.missing,
        "warnings": list(labelling.warnings),
        "classes": [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)],
        "seconds": labelling.seconds,
    }


def _print(report: Mapping[str, Any]) -> None:
    from mmgraph.spatial.images.raster import size_text

    bound = "" if report["lower_bound"] is None else f", bound {report['lower_bound']:.6g}"
    title = f"{size_text(report['size'])} pixels, {report['method']}, "
    title += f"energy {report['energy']:.6g}{bound}, {report['seconds']:.1f} s"
    weights = [f"{name} {value:.3g}" for name, value in report["sensor_weights"].items()]
    weights.append(f"edges {report['edge_weight']:.3g}")
    weights.append(f"temperature {report['temperature']:.3g}")
    even = len({round(share, 9) for share in report["prior"].values()}) == 1
    shares = [f"{name} {share:.3g}" for name, share in report["prior"].items()]
    title += f"\nweights: {', '.join(weights)}; prior: {'even' if even else ', '.join(shares)}"
    rows = []
    for row in report["classes"]:
        mean = row["mean_uncertainty"]
        shown = "-" if mean is None else f"{mean:.3f}"
        rows.append((row["class"], row["labelled"], row["pixels"], shown))
    print_table(("class", "labelled", "pixels", "uncertainty, nats"), rows, title)
