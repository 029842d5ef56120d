"""TIFF files of many kinds: numbers and masks are those that rasterio reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError, MissingExtraError
from mmgraph.spatial.images.reading import read_array, read_image, read_raster
from mmgraph.spatial.images.writing import write_array

rasterio = pytest.importorskip("rasterio")
pytest.importorskip("imagecodecs")

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(1, 256, (3, 60, 75), dtype=np.uint8)
RGB[:, :20] = 0  # a third of the picture, as in rasterio's RGB.byte.tif
SHOWN = RANDOM.random((60, 75)) > 0.3
SMOOTH = np.add.outer(np.arange(60), np.arange(75)) + np.array([0, 40, 90])[:, None, None]
SMOOTH = SMOOTH.astype(np.uint8)
REAL = RANDOM.normal(size=(2, 60, 75)).astype(np.float32)
REAL[0, :9, 3] = np.nan
DEEP = RANDOM.integers(0, 65536, (5, 60, 75), dtype=np.uint16)
HALF = REAL.astype(np.float16).astype(np.float32)


def write(path: Path, bands: np.ndarray, mask: np.ndarray | None = None, **options: Any) -> Path:
    """Write bands as a GeoTIFF file by rasterio."""
    count, height, width = bands.shape
    place = rasterio.Affine(300, 0, 101985, 0, -300, 2826915)
    options = {"driver": "GTiff", "crs": "EPSG:32618", "transform": place} | options
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", count=count, height=height, width=width, dtype=bands.dtype, **options
        ) as file,
    ):
        file.write(bands)
        if mask is not None:
            file.write_mask(mask)
    return path


def as_rasterio_reads(path: Path) -> np.ndarray:
    """The bands but alpha, last, with NaN where they are masked."""
    with rasterio.open(path) as file:
        kinds = zip(file.indexes, file.colorinterp, strict=True)
        bands = [index for index, kind in kinds if kind.name != "alpha"]
        values = file.read(bands, masked=True).astype(np.float64)
        if file.mask_flag_enums[0] == [rasterio.enums.MaskFlags.per_dataset]:
            values[:, file.dataset_mask() == 0] = np.ma.masked
        return np.moveaxis(np.where(file.read_masks(bands) == 0, np.nan, values), 0, -1)


KINDS = {
    "no data by LZW": (RGB, {"nodata": 0, "compress": "lzw", "interleave": "pixel"}),
    "planes in tiles": (
        RGB,
        {"nodata": 0, "compress": "lzw", "interleave": "band", "tiled": True}
        | {"blockxsize": 32, "blockysize": 16},
    ),
    "alpha": (
        np.concatenate([RGB, SHOWN[None] * np.uint8(9)]),
        {"photometric": "RGB", "alpha": "yes"},
    ),
    "grey and alpha": (np.stack([RGB[0], SHOWN * np.uint8(255)]), {"alpha": "yes"}),
    "alpha in planes": (
        np.concatenate([RGB, SHOWN[None] * np.uint8(255)]),
        {"photometric": "RGB", "alpha": "yes", "interleave": "band", "compress": "deflate"},
    ),
    "a fourth band that is no alpha": (np.concatenate([RGB, RGB[:1]]), {"alpha": "no"}),
    "NaN for no data": (REAL, {"nodata": np.nan}),
    "a number for no data that is no double": (
        np.where(np.isnan(REAL), np.float32(-0.1), REAL),
        {"nodata": -0.1},
    ),
    "the smallest number for no data": (
        np.where(np.isnan(REAL), np.finfo(np.float32).min, REAL),
        {"nodata": float(np.finfo(np.float32).min), "compress": "deflate", "predictor": 3},
    ),
    "many deep bands": (DEEP, {"compress": "lzw", "predictor": 2, "nodata": 65535}),
    "big": (DEEP, {"BIGTIFF": "YES", "ENDIANNESS": "BIG", "compress": "deflate"}),
    "64 bits": (DEEP[:1].astype(np.int64) << 40, {"nodata": int(DEEP[0, 0, 0]) << 40}),
    "negative bytes": (RGB[:1].view(np.int8), {"nodata": -128}),
    "half precision": (HALF, {"NBITS": 16, "compress": "deflate", "predictor": 3}),
    "4 bits": (RGB[:1] % 16, {"NBITS": 4, "nodata": 3}),
    "12 bits": (DEEP[:1] % 4096, {"NBITS": 12, "compress": "lzw"}),
    "a fax": (RGB[:1] % 2, {"NBITS": 1, "compress": "CCITTFAX4"}),
    "LERC": (REAL, {"compress": "LERC_ZSTD", "nodata": np.nan}),
    "Zstandard": (RGB, {"compress": "ZSTD", "nodata": 0}),
    "WebP": (RGB, {"compress": "WEBP", "WEBP_LOSSLESS": True}),
    "grey JPEG": (SMOOTH[:1], {"compress": "JPEG"}),
    "bands of JPEG": (SMOOTH, {"compress": "JPEG", "photometric": "RGB"}),
    "colours of JPEG": (SMOOTH, {"compress": "JPEG", "photometric": "YCBCR"}),
    "white is zero": (RGB[:1], {"photometric": "MINISWHITE"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_no_data_are_those_that_rasterio_reads(tmp_path: Path, kind: str):
    bands, options = KINDS[kind]
    path = write(tmp_path / "image.tif", bands, **options)
    expected = as_rasterio_reads(path)
    np.testing.assert_array_equal(read_image(path), expected)
    hides = "no data" in kind or options.get("alpha") == "yes"
    assert np.isnan(expected).any() or not hides


@pytest.mark.parametrize("options", [{}, {"compress": "lzw", "nodata": 7}])
def test_a_mask_in_the_file_hides_pixels_and_has_the_last_word(tmp_path: Path, options: dict):
    path = write(tmp_path / "image.tif", RGB, SHOWN, **options)
    image = read_image(path)
    np.testing.assert_array_equal(image, as_rasterio_reads(path))
    np.testing.assert_array_equal(np.isnan(image), np.broadcast_to(~SHOWN[..., None], image.shape))


def test_overviews_of_a_cloud_optimised_file_are_left_out(tmp_path: Path):
    bands = np.repeat(np.repeat(SMOOTH, 10, 1), 10, 2)
    shown = np.repeat(np.repeat(SHOWN, 10, 0), 10, 1)
    path = write(tmp_path / "cog.tif", bands, shown, driver="COG", compress="JPEG", blocksize=128)
    with rasterio.open(path) as file:
        assert file.overviews(1)
    image = read_image(path)
    assert image.shape == (600, 750, 3)
    np.testing.assert_array_equal(image, as_rasterio_reads(path))


def test_a_palette_is_colours_to_sensors_and_indices_to_labels(tmp_path: Path):
    colours = {index: (index, 255 - index, index // 2, 255) for index in range(256)}
    for photometric in ("palette", "minisblack"):
        path = tmp_path / f"{photometric}.tif"
        write(path, RGB[:1], photometric=photometric, nodata=3, compress="lzw")
        with rasterio.open(path, "r+") as file:
            file.write_colormap(1, colours)
        expected = np.array([colours[index][:3] for index in range(256)], np.float64)[RGB[0]]
        expected[RGB[0] == 3] = np.nan
        np.testing.assert_array_equal(read_image(path), expected)
        labels = read_array(path, indices=True)
        np.testing.assert_array_equal(labels, np.where(RGB[0] == 3, np.nan, RGB[0]))


def test_palettes_of_eight_bits_are_read_as_they_are(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    table = np.zeros((3, 256), np.uint16)
    table[:, 1] = [10, 20, 30]
    indices = np.array([[0, 1]], np.uint8)
    tifffile.imwrite(tmp_path / "eight.tif", indices, photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_image(tmp_path / "eight.tif")[0], [[0, 0, 0], [10, 20, 30]])
    tifffile.imwrite(tmp_path / "odd.tif", indices, photometric="palette", colormap=table * 256)
    np.testing.assert_array_equal(read_image(tmp_path / "odd.tif")[0, 1], [10, 20, 30])


def test_pages_may_have_numbers_for_no_data_of_their_own(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for number in (1, 2):
            tags = [(42113, "s", 0, str(number), False)]
            page = np.array([[1, 2, 3]], np.int16)
            file.write(page, photometric="minisblack", metadata=None, extratags=tags)
    expected = [[[np.nan, 1], [2, np.nan], [3, 3]]]
    np.testing.assert_array_equal(read_image(tmp_path / "pages.tif"), expected)


def test_numbers_that_are_missing_only_together(tmp_path: Path):
    bands = RGB.copy()
    bands[:, 5, 5] = [1, 2, 3]
    path = write(tmp_path / "image.tif", bands)
    with rasterio.open(path, "r+") as file:
        file.update_tags(NODATA_VALUES="1 2 3")
    image = read_image(path)
    np.testing.assert_array_equal(image, as_rasterio_reads(path))
    assert np.isnan(image[5, 5]).all()


def test_numbers_for_no_data_that_an_array_cannot_hold_hide_nothing(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    for number in ("-9999", "0.5", "nan", "inf", "1e400", "none"):
        tags = [(42113, "s", 0, number, False)]
        tifffile.imwrite(tmp_path / "image.tif", RGB[0], photometric="minisblack", extratags=tags)
        np.testing.assert_array_equal(read_image(tmp_path / "image.tif")[..., 0], RGB[0])


def test_labels_are_whole_numbers_without_loss(tmp_path: Path):
    lossy = write(tmp_path / "lossy.tif", SMOOTH[:1], compress="JPEG")
    with pytest.raises(FormatError, match=r"lossy\.tif is compressed by JPEG, which is lossy"):
        read_array(lossy, indices=True)
    colours = read_raster(write(tmp_path / "colours.tif", RGB, photometric="RGB"), indices=True)
    assert colours.has_bands
    np.testing.assert_array_equal(colours.values, np.moveaxis(RGB, 0, -1))
    hidden = write(tmp_path / "labels.tif", RGB[:1], nodata=0)
    labels = read_array(hidden, indices=True)
    np.testing.assert_array_equal(np.isnan(labels), RGB[0] == 0)


@pytest.mark.parametrize("kind", ["no data by LZW", "NaN for no data", "colours of JPEG"])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.98, 0.999])
def test_a_file_that_ends_early_is_named(tmp_path: Path, kind: str, share: float):
    bands, options = KINDS[kind]
    content = write(tmp_path / "whole.tif", bands, **options).read_bytes()
    (tmp_path / "short.tif").write_bytes(content[: int(share * len(content))])
    with pytest.raises(FormatError, match=r"short\.tif is no readable TIFF file"):
        read_image(tmp_path / "short.tif")


def test_a_mask_that_is_cut_off_is_not_forgotten(tmp_path: Path):
    content = write(tmp_path / "whole.tif", RGB, SHOWN, compress="deflate").read_bytes()
    for end in range(len(content) - 400, len(content) - 1, 50):
        (tmp_path / "short.tif").write_bytes(content[:end])
        with pytest.raises(FormatError, match=r"short\.tif is no readable TIFF file"):
            read_image(tmp_path / "short.tif")


def test_complex_numbers_are_refused(tmp_path: Path):
    path = write(tmp_path / "radar.tif", REAL.astype(np.complex64))
    with pytest.raises(FormatError, match=r"radar\.tif holds complex64, and not real numbers"):
        read_image(path)


@pytest.mark.parametrize("kind", ["no data by LZW", "alpha", "many deep bands", "white is zero"])
def test_rasterio_reads_what_tifffile_does_not(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    from mmgraph.spatial.images import tiff

    bands, options = KINDS[kind]
    path = write(tmp_path / "image.tif", bands, **options)
    expected = read_image(path)

    def fails(file: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tiff, "stored_pages", fails)
    np.testing.assert_array_equal(read_image(path), expected)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    if kind in ("no data by LZW", "alpha"):  # Pillow reads them
        np.testing.assert_array_equal(read_image(path), expected)
        return
    with pytest.raises(MissingExtraError, match=r"image\.tif.*'imagecodecs'.*mmgraph\[images\]"):
        read_image(path)


def test_bands_of_lerc_are_not_mixed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bands, options = KINDS["LERC"]
    path = write(tmp_path / "image.tif", bands, **options)
    assert np.isnan(read_image(path)).sum() == 9
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtraError, match=r"'rasterio'.*mmgraph\[geo\]"):
        read_image(path)


def test_kinds_that_no_package_reads_name_what_may_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from mmgraph.spatial.images import tiff

    path = write(tmp_path / "image.tif", RGB)

    def fails(file: object) -> None:
        raise NotImplementedError("chroma subsampling not supported")

    monkeypatch.setattr(tiff, "stored_pages", fails)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(FormatError, match=r"subsampling not supported.*mmgraph\[geo\]"):
        read_image(path)


def test_one_page_is_an_image_or_a_volume_of_one_slice(tmp_path: Path):
    write_array(tmp_path / "slice.tif", SMOOTH[:1])
    assert read_image(tmp_path / "slice.tif").shape == (60, 75, 1)
    assert read_image(tmp_path / "slice.tif", 3).shape == (1, 60, 75, 1)
    write_array(tmp_path / "bands.tif", REAL[None].transpose(0, 2, 3, 1), bands=True)
    assert read_image(tmp_path / "bands.tif", 3).shape == (1, 60, 75, 2)
    assert read_image(tmp_path / "bands.tif").shape == (60, 75, 2)
