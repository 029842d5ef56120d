"""Where pixels lie: read from GeoTIFF and NIfTI files, and carried to the maps of them."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError, MissingExtraError
from mmgraph.spatial import read_georeference, write_array, write_labels

LABELS = np.random.default_rng(0).integers(0, 3, (6, 8))
SURE = np.random.default_rng(1).random((6, 8, 3)).astype(np.float32)


def geotiff(path: Path, **options: Any) -> Path:
    rasterio = pytest.importorskip("rasterio")
    options = {"driver": "GTiff", "dtype": "uint8", "nodata": 0, "count": 1} | options
    with rasterio.open(path, "w", width=8, height=6, **options) as file:
        file.write(np.ones((options["count"], 6, 8), np.uint8))
    return path


AUSTRIA = (
    'PROJCS["Österreich",GEOGCS["für Österreich",DATUM["MGI",SPHEROID["Bessel",6377397,299]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",13],PARAMETER["scale_factor",1],'
    'PARAMETER["false_easting",0],PARAMETER["false_northing",-5000000],UNIT["metre",1]]'
)
PLACES = {
    "UTM": ("EPSG:32618", (300, 0, 101985, 0, -300, 2826915)),
    "oblong": ("EPSG:3857", (30, 0, -7, 0, -10, 3)),
    "turned": ("EPSG:2056", (3, -4, 2600000, 4, 3, 1200000)),
    "degrees": ("EPSG:4326", (0.5, 0, 10, 0, -0.5, 61.5)),
    "accents": (AUSTRIA, (2, 0, 0, 0, -2, 0)),
    "own": (
        "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m",
        (1, 0, 0, 0, -2, 0),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_geotiff_hands_on_where_it_lies(tmp_path: Path, place: str):
    rasterio = pytest.importorskip("rasterio")
    system, numbers = PLACES[place]
    source = geotiff(tmp_path / "image.tif", crs=system, transform=rasterio.Affine(*numbers))
    write_labels(tmp_path / "labels.tif", LABELS, like=source)
    write_array(tmp_path / "sure.tif", SURE, bands=True, like=read_georeference(source))
    with rasterio.open(source) as file, rasterio.open(tmp_path / "labels.tif") as labels:
        assert labels.crs == file.crs
        assert labels.transform == file.transform
        assert labels.tags().get("AREA_OR_POINT") == file.tags().get("AREA_OR_POINT")
        assert labels.nodata is None  # the sensor's zero is a class here
        np.testing.assert_array_equal(labels.read(1), LABELS)
    with rasterio.open(tmp_path / "sure.tif") as sure:
        assert (sure.count, sure.dtypes[0]) == (3, "float32")
        assert sure.transform == rasterio.Affine(*numbers)
        np.testing.assert_array_equal(sure.read(), np.moveaxis(SURE, -1, 0))


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_ground_control_points_are_handed_on(tmp_path: Path):
    rasterio = pytest.importorskip("rasterio")
    points = [
        rasterio.control.GroundControlPoint(row, column, 10 + column / 8, 50 - row / 6)
        for row, column in ((0, 0), (0, 8), (6, 0), (6, 8))
    ]
    source = geotiff(tmp_path / "image.tif")
    with rasterio.open(source, "r+") as file:
        file.gcps = (points, rasterio.crs.CRS.from_epsg(4326))
    write_labels(tmp_path / "labels.tif", LABELS, like=source)
    with rasterio.open(tmp_path / "labels.tif") as labels:
        found, system = labels.gcps
    assert system.to_epsg() == 4326
    assert [(p.row, p.col, p.x, p.y) for p in found] == [(p.row, p.col, p.x, p.y) for p in points]
    place = read_georeference(source)
    assert place is not None
    assert place.spacing is None


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("UTM", (300, 300)),
        ("oblong", (10, 30)),
        ("turned", (5, 5)),
        # half a degree of longitude on the 60th parallel, the middle, is half as long
        ("degrees", (0.5, 0.25)),
        ("own", (2, 1)),
    ],
)
def test_pixels_have_a_size(tmp_path: Path, place: str, expected: tuple[float, float]):
    rasterio = pytest.importorskip("rasterio")
    system, numbers = PLACES[place]
    options = {"crs": system, "transform": rasterio.Affine(*numbers)}
    found = read_georeference(geotiff(tmp_path / "image.tif", **options))
    assert found is not None
    assert found.size == (6, 8)
    assert found.spacing == pytest.approx(expected)


def test_slices_of_a_geotiff_have_a_thickness(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    volume = np.zeros((4, 6, 8), np.uint8)
    for thickness, expected in ((5.0, (5, 2, 1)), (0.0, None)):
        tags = [
            (33550, 12, 3, (1.0, 2.0, thickness), True),
            (33922, 12, 6, (0.0,) * 6, True),
        ]
        tifffile.imwrite(
            tmp_path / "stack.tif", volume, photometric="minisblack", metadata=None, extratags=tags
        )
        place = read_georeference(tmp_path / "stack.tif", 3)
        assert place is not None
        assert place.size == (4, 6, 8)
        assert place.spacing == expected
        write_labels(tmp_path / "labels.tif", volume, like=tmp_path / "stack.tif")
        assert read_georeference(tmp_path / "labels.tif", 3) == place
        write_array(tmp_path / "sure.tif", np.zeros((4, 6, 8, 2)), bands=True, like=place)
        assert read_georeference(tmp_path / "sure.tif", 3) == place


def test_files_that_say_nothing(tmp_path: Path):
    write_array(tmp_path / "plain.tif", LABELS)
    write_array(tmp_path / "plain.png", LABELS)
    np.save(tmp_path / "plain.npy", LABELS)
    for suffix in (".tif", ".png", ".npy"):
        assert read_georeference(tmp_path / f"plain{suffix}") is None
    (tmp_path / "damaged.tif").write_bytes(b"II*\0 and nothing")
    with pytest.raises(FormatError, match=r"damaged\.tif is no readable TIFF file"):
        read_georeference(tmp_path / "damaged.tif")


def oblique() -> np.ndarray:
    """The affine of voxels of 2 x 3 x 5 mm in a volume that is turned."""
    turn = math.radians(20)
    rotation = [
        [math.cos(turn), -math.sin(turn), 0],
        [math.sin(turn), math.cos(turn), 0],
        [0, 0, 1],
    ]
    affine = np.eye(4)
    affine[:3, :3] = np.array(rotation) @ np.diag([-2.0, 3, 5])
    affine[:3, 3] = [30, -20, 7.5]
    return affine


@pytest.mark.parametrize("codes", [(4, 2), (0, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize(
    "shape", [(8, 6, 4), (8, 6, 1), (8, 1, 6), (1, 8, 6), (8, 6), (8, 6, 4, 3)]
)
def test_a_nifti_file_hands_on_where_it_lies(
    tmp_path: Path, shape: tuple[int, ...], codes: tuple[int, int]
):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), None)
    image.header.set_zooms([2.0, 3, 5, 1][: len(shape)])
    image.header.set_xyzt_units("mm", "sec")
    sform, qform = codes
    if sform:
        image.header.set_sform(oblique(), sform)
    if qform:
        image.header.set_qform(oblique(), qform)
    (tmp_path / "scan.nii").write_bytes(image.to_bytes())
    image = nibabel.load(tmp_path / "scan.nii")
    stored = np.random.default_rng(0).integers(0, 3, (*shape, 1)[:3])
    labels = stored.T.squeeze() if 1 in stored.shape else stored.T
    write_labels(tmp_path / "labels.nii.gz", labels, like=tmp_path / "scan.nii")
    sure = np.stack([labels, 1 - labels], -1) / 3
    write_array(tmp_path / "sure.nii", sure, bands=True, like=tmp_path / "scan.nii")
    for name, expected in (("labels.nii.gz", stored), ("sure.nii", None)):
        written = nibabel.load(tmp_path / name)
        np.testing.assert_array_equal(written.affine, image.affine)
        for form in ("get_sform", "get_qform"):
            ours, code = getattr(written, form)(coded=True)
            theirs, expected_code = getattr(image, form)(coded=True)
            assert code == expected_code
            assert (ours is None) == (theirs is None)
            if theirs is not None:
                np.testing.assert_array_equal(ours, theirs)
        assert written.header.get_xyzt_units()[0] == "mm"
        if expected is not None:
            np.testing.assert_array_equal(np.asarray(written.dataobj), expected)
        else:
            first = (stored / 3).astype(np.float32)
            assert written.shape == (*stored.shape, 2)
            np.testing.assert_array_equal(written.get_fdata()[..., 0], first)


def test_a_map_of_another_size_does_not_lie_there(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.zeros((8, 6, 4), np.int16), oblique())
    (tmp_path / "scan.nii").write_bytes(image.to_bytes())
    with pytest.raises(FormatError, match=r"labels\.nii: a map of 4 x 8 x 6 .* of 4 x 6 x 8 does"):
        write_labels(tmp_path / "labels.nii", np.zeros((4, 8, 6), int), like=tmp_path / "scan.nii")
    with pytest.raises(FormatError, match=r"scan\.nii: 4 slices of 6 x 8 voxels; an image"):
        write_labels(tmp_path / "labels.nii", LABELS, like=tmp_path / "scan.nii")
    assert not (tmp_path / "labels.nii").exists()


@pytest.mark.parametrize("shift", [0.0, 0.4, 0.6])
def test_files_that_lie_apart(tmp_path: Path, shift: float):
    rasterio = pytest.importorskip("rasterio")
    places = [
        read_georeference(
            geotiff(tmp_path / "image.tif", transform=rasterio.Affine(30, 0, left, 0, -30, 90))
        )
        for left in (0, 30 * shift)
    ]
    assert places[0] is not None
    assert places[1] is not None
    assert places[0].lies_apart(places[1]) == (shift > 0.5)


def test_without_nibabel_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "scan.nii").write_bytes(bytes(400))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingExtraError, match=r"nibabel.*mmgraph\[images\]"):
        read_georeference(tmp_path / "scan.nii")
