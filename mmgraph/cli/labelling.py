"""The command that labels images: label."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import JsonOption, print_json, print_table, progress_bar
from mmgraph.cli.interruption import keeps, unwritten
from mmgraph.cli.outputs import check_directory, check_drawing, directory
from mmgraph.graph.errors import FormatError, MissingExtraError, MmgraphError, suggestion

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.spatial.annotations.annotations import Annotations
    from mmgraph.spatial.images import Georeference
    from mmgraph.spatial.labelling import Labelling

SensorOption = Annotated[
    list[str],
    typer.Option(
        "--sensor", help="NAME=FILE (.png, .jpg, .tif, .npy, .nii), once for each sensor."
    ),
]
LabelsOption = Annotated[
    Path,
    typer.Option(
        help="Labels of some pixels: an image of numbers or of strokes in colours, a class each, "
        "or a CSV of row,column,label."
    ),
]
MissingOption = Annotated[
    list[str] | None,
    typer.Option("--missing", help="NAME=FILE: not zero where the sensor does not see."),
]
WeightOption = Annotated[
    list[str] | None,
    typer.Option("--sensor-weight", help="NAME=NUMBER; those not given are learned."),
]


def label(
    sensor: SensorOption,
    labels: LabelsOption,
    classes: Annotated[
        Path | None,
        typer.Option(help="Names of the classes, one a line; of colours '#FF0000 roof'."),
    ] = None,
    unlabelled: Annotated[
        str | None,
        typer.Option(
            help="The number (0 by default) or colour (#RRGGBB, white, black) of pixels without a "
            "label."
        ),
    ] = None,
    missing: MissingOption = None,
    unary: Annotated[
        str, typer.Option(help="gaussian_mixture, svm, extra_trees or logistic.")
    ] = "gaussian_mixture",
    neighbours: Annotated[
        int | None, typer.Option(help="4 or 8 in an image, 6 or 26 in a volume.")
    ] = None,
    edge_weight: Annotated[str, typer.Option(help="A number, or learn.")] = "learn",
    sensor_weight: WeightOption = None,
    prior: Annotated[
        str,
        typer.Option(
            help="Of the classes: even, annotated, auto (even where labels are strokes) or numbers "
            "in their order, 0.2,0.3,0.5."
        ),
    ] = "auto",
    method: Annotated[
        str, typer.Option(help="auto, trws, graph_cut, alpha_expansion, belief_propagation, …")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of what is random.")] = 0,
    output: Annotated[
        Path,
        typer.Option(parser=directory, metavar="DIRECTORY", help="For maps and report."),
    ] = Path("labelled"),
    picture: Annotated[
        bool, typer.Option("--picture", help="Draw labels and uncertainty, too (matplotlib).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Label every pixel of an image or a volume, from the labels of a few."""
    import torch

    from mmgraph.spatial.labelling import label_image

    check_directory(output)
    if picture:
        check_drawing()
    paths = _pairs(sensor, "--sensor")
    weights = _pairs(sensor_weight or (), "--sensor-weight", paths)
    with keeps(None, unwritten(output)), progress_bar("reading", None) as (bar, task):

        def progress(text: str, done: int, total: int | None) -> None:
            bar.update(task, description=text, completed=done, total=total)

        masks = _pairs(missing or (), "--missing", paths)
        sensors, annotations, hidden = _read(paths, labels, masks, classes, unlabelled)
        like, place = _place(paths, labels, annotations.codes.ndim)
        spacing = None if place is None else place.spacing
        labelling = label_image(
            sensors,
            annotations,
            unaries=unary,
            sensor_weights={name: _number(text) for name, text in weights.items()},
            edge_weight="learn" if edge_weight == "learn" else _number(edge_weight),
            neighbours=neighbours,
            spacing=spacing,
            prior=_prior(prior),
            method=method,
            missing=hidden,
            generator=torch.Generator().manual_seed(seed),
            progress=progress,
        )
        files = _write_maps(output, labelling, annotations, like, place)
        if picture:
            files += _draw(output, labelling, annotations, sensors)
    report = _report(labelling, annotations) | {"spacing": spacing and list(spacing)}
    files.append(_write_report(output, report))
    if as_json:
        print_json(report | {"files": [str(file) for file in files]})
        return
    _print(report)
    for file in files:
        print(f"wrote {file}", file=sys.stderr)


def _pairs(
    given: Iterable[str], option: str, known: Mapping[str, object] | None = None
) -> dict[str, str]:
    """Read ``NAME=VALUE`` pairs; with ``known``, the names must be among those."""
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals or not value:
            raise MmgraphError(f"{option}: expected NAME=VALUE, found {text!r}")
        if name in pairs:
            raise MmgraphError(f"{option}: '{name}' is given twice")
        if known is not None and name not in known:
            raise MmgraphError(f"{option}: there is no sensor '{name}'{suggestion(name, known)}")
        pairs[name] = value
    return pairs


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


def _unlabelled(text: str | None) -> int | str | None:
    """Read a number or a colour; six digits are a number."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return text


def _read(
    paths: Mapping[str, str],
    labels: Path,
    masks: Mapping[str, str],
    classes: Path | None,
    unlabelled: str | None,
) -> tuple[dict[str, np.ndarray], Annotations, dict[str, np.ndarray]]:
    """Read all files; the labels say whether they are images or volumes."""
    from mmgraph.spatial.annotations.annotations import is_table, read_annotations, read_classes
    from mmgraph.spatial.annotations.tables import table_dimensions
    from mmgraph.spatial.images import check_sizes, read_array, read_sensors

    names = None if classes is None else read_classes(classes)
    silent = _unlabelled(unlabelled)
    if is_table(labels):
        sensors = read_sensors(paths, table_dimensions(labels))
        shape = next(iter(sensors.values())).shape[:-1]
        annotations = read_annotations(labels, names, unlabelled=silent, shape=shape)
    else:
        annotations = read_annotations(labels, names, unlabelled=silent)
        try:
            sensors = read_sensors(paths, annotations.codes.ndim)
        except FormatError:
            _check_axes(paths, labels, annotations.codes.shape)
            raise
    sizes = {paths[name]: image.shape[:-1] for name, image in sensors.items()}
    axes = annotations.codes.ndim
    hidden = {name: read_array(path, axes, indices=True) for name, path in masks.items()}
    sizes |= {masks[name]: mask.shape for name, mask in hidden.items()}
    check_sizes(sizes | {str(labels): annotations.codes.shape})
    return sensors, annotations, {name: mask != 0 for name, mask in hidden.items()}


def _check_axes(paths: Mapping[str, str], labels: Path, shape: tuple[int, ...]) -> None:
    """Raise FormatError, with both sizes, if labels are an image and a sensor a volume, or so."""
    from mmgraph.spatial.images import read_raster

    kinds = {2: "an image", 3: "a volume"}
    for path in paths.values():
        places = read_raster(path).places
        if len(places) != len(shape):
            sizes = [" x ".join(map(str, size)) for size in (shape, places)]
            raise FormatError(
                f"{labels} is {kinds[len(shape)]} of {sizes[0]}, and {path} "
                f"{kinds.get(len(places), 'an array')} of {sizes[1]}: labels and sensors must have "
                "the same size"
            ) from None


def _place(
    sensors: Mapping[str, str], labels: Path, dimensions: int
) -> tuple[str, Georeference | None]:
    """Return the first sensor's file that says where its pixels lie, else the first, and its place.

    Warns
    -----
    LabellingWarning
        Of files whose pixels lie elsewhere.
    """
    from mmgraph.spatial.annotations.annotations import is_table
    from mmgraph.spatial.images import read_georeference
    from mmgraph.spatial.labelling import LabellingWarning

    paths = list(sensors.values()) + ([] if is_table(labels) else [str(labels)])
    places = {path: read_georeference(path, dimensions) for path in paths}
    like = next((path for path in sensors.values() if places[path]), paths[0])
    place = places[like]
    for path, other in places.items():
        if place is not None and other is not None and place.lies_apart(other):
            note = f"the pixels of {path} lie elsewhere than those of {like}"
            warnings.warn(note, LabellingWarning, stacklevel=2)
    return like, place


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
    from mmgraph.spatial.images import image_suffix, write_array, write_labels

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
        "method": labelling.method,
        "marginal_method": labelling.marginal_method,
        "energy": labelling.energy,
        "lower_bound": labelling.lower_bound,
        "gap": labelling.gap,
        "exact": labelling.exact,
        "converged": labelling.converged,
        "sensor_weights": labelling.sensor_weights,
        "edge_weight": labelling.edge_weight,
        "prior": labelling.prior,
        "temperature": labelling.temperature,
        "held_out_log_loss": labelling.log_loss,
        "missing_pixels": labelling.missing,
        "warnings": list(labelling.warnings),
        "classes": [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)],
        "seconds": labelling.seconds,
    }


def _write_report(output: Path, report: Mapping[str, Any]) -> Path:
    from mmgraph.data.whole_files import write_text

    path = output / "report.json"
    write_text(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return path


def _print(report: Mapping[str, Any]) -> None:
    from mmgraph.spatial.images import size_text

    bound = "" if report["lower_bound"] is None else f", bound {report['lower_bound']:.6g}"
    title = f"{size_text(report['size'])} pixels, {report['method']}, "
    title += f"energy {report['energy']:.6g}{bound}, {report['seconds']:.1f} s"
    weights = [f"{name} {value:.3g}" for name, value in report["sensor_weights"].items()]
    weights.append(f"edges {report['edge_weight']:.3g}")
    weights.append(f"temperature {report['temperature']:.3g}")
    even = len({round(share, 9) for share in report["prior"].values()}) == 1
    shares = [f"{name} {share:.3g}" for name, share in report["prior"].items()]
    title += f"\nweights: {', '.join(weights)}; prior: {'even' if even else ', '.join(shares)}"
    rows: Sequence[dict[str, Any]] = report["classes"]
    print_table(
        ("class", "labelled", "pixels", "uncertainty, nats"),
        [
            (
                row["class"],
                row["labelled"],
                row["pixels"],
                "-" if row["mean_uncertainty"] is None else f"{row['mean_uncertainty']:.3f}",
            )
            for row in rows
        ],
        title,
    )
