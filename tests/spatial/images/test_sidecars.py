"""Files that GDAL keeps beside an image hide what they hide in rasterio."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images import tiff
from mmgraph.spatial.images.raster import StoredRaster
from mmgraph.spatial.images.reading import read_array, read_image
from mmgraph.spatial.images.sidecars import with_sidecars

rasterio = pytest.importorskip("rasterio")

BANDS = np.random.default_rng(0).integers(0, 256, (3, 20, 30), dtype=np.uint8)
SHOWN = np.random.default_rng(1).random((20, 30)) > 0.4


def write(
    path: Path,
    bands: np.ndarray = BANDS,
    mask: np.ndarray | None = None,
    no_data: int | None = None,
) -> Path:
    count, height, width = bands.shape
    place = rasterio.Affine(1, 0, 0, 0, -1, 9)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
        rasterio.open(
            path, "w", "GTiff", width, height, count, None, place, "uint8", no_data
        ) as file,
    ):
        file.write(bands)
        if mask is not None:
            file.write_mask(mask)
    return path


def hidden(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.moveaxis(file.read_masks() == 0, 0, -1)


@pytest.mark.parametrize("no_data", [None, 7])
def test_a_mask_beside_a_file_has_the_last_word(tmp_path: Path, no_data: int | None):
    path = write(tmp_path / "image.tif", mask=SHOWN, no_data=no_data)
    assert (tmp_path / "image.tif.msk").is_file()
    assert hidden(path).any()
    np.testing.assert_array_equal(np.isnan(read_image(path)), hidden(path))
    pillow = pytest.importorskip("PIL.Image")
    for name in ("image.png", "image.jpg"):
        pillow.fromarray(np.moveaxis(BANDS, 0, -1)).save(tmp_path / name)
        shutil.copy(tmp_path / "image.tif.msk", tmp_path / f"{name}.msk")
        np.testing.assert_array_equal(np.isnan(read_image(tmp_path / name)), hidden(path))


def test_a_mask_of_another_size_is_named(tmp_path: Path):
    write(tmp_path / "image.tif")
    write(tmp_path / "image.tif.msk", BANDS[:1, :9])
    with pytest.raises(FormatError, match=r"image\.tif\.msk.*differ in size: 9 x 30 and 20 x 30"):
        read_image(tmp_path / "image.tif")
    (tmp_path / "image.tif.msk").write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match=r"image\.tif\.msk is no readable TIFF file"):
        read_image(tmp_path / "image.tif")


def test_every_band_may_have_its_own_number_for_no_data(tmp_path: Path):
    path = write(tmp_path / "image.tif")
    (tmp_path / "image.tif.aux.xml").write_text(
        '<PAMDataset>\n<PAMRasterBand band="1"><NoDataValue>5</NoDataValue></PAMRasterBand>\n'
        '<PAMRasterBand band="3">\n<Description>red</Description>\n'
        '<NoDataValue le_hex_endian="0">1.0E+02</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    with rasterio.open(path) as file:
        assert file.nodatavals == (5, None, 100)
    assert hidden(path)[..., [0, 2]].any((0, 1)).all()
    np.testing.assert_array_equal(np.isnan(read_image(path)), hidden(path))


INDICES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
PALETTE = np.array([[5, 6, 7], [0, 9, 9], [2, 0, 0]], np.uint8)


def write_aux_xml(path: Path, number: int) -> None:
    """Say beside a file which number of its first band stands for no data."""
    path.with_name(f"{path.name}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><NoDataValue>{number}</NoDataValue>'
        "</PAMRasterBand></PAMDataset>"
    )


@pytest.mark.parametrize("name", ["map.png", "map.tif", "by_rasterio.tif", "by_pillow.tif"])
@pytest.mark.parametrize("number", [0, 1, 2, 9])
def test_a_number_for_no_data_beside_a_palette_is_an_index(
    tmp_path: Path, name: str, number: int, monkeypatch: pytest.MonkeyPatch
):
    pillow = pytest.importorskip("PIL.Image")
    image = pillow.fromarray(INDICES)
    image.putpalette(PALETTE.tobytes())
    image.save(tmp_path / name)
    write_aux_xml(tmp_path / name, number)
    if name.startswith("by"):

        def fails(file: object) -> None:
            raise ValueError("requires the 'imagecodecs' package")

        monkeypatch.setattr(tiff, "stored_pages", fails)
    if name == "by_pillow.tif":
        monkeypatch.setitem(sys.modules, "rasterio", None)
    gone = number == INDICES
    expected = np.where(gone[..., None], np.nan, PALETTE[INDICES])
    np.testing.assert_array_equal(read_image(tmp_path / name), expected)
    labels = read_array(tmp_path / name, indices=True)
    np.testing.assert_array_equal(labels, np.where(gone, np.nan, INDICES))


SMOOTH = np.add.outer(np.arange(20), np.arange(30)) + np.array([0, 40, 90])[:, None, None]
REAL = np.random.default_rng(2).integers(0, 9, (2, 20, 30)).astype(np.float32)
KINDS = {
    "one band": (BANDS[:1], {}),
    "LERC": (REAL, {"compress": "LERC_ZSTD", "interleave": "pixel"}),
    "colours of JPEG": (SMOOTH.astype(np.uint8), {"compress": "JPEG", "photometric": "YCBCR"}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number_beside", [False, True])
@pytest.mark.parametrize("mask", ["none", "in the file", "beside it"])
def test_the_last_word_is_the_masks_wherever_either_stands(
    tmp_path: Path, kind: str, number_beside: bool, mask: str
):
    pytest.importorskip("imagecodecs")
    bands, options = KINDS[kind]
    path, count = tmp_path / "image.tif", len(bands)
    number = int(bands[0, 3, 3])
    if not number_beside:
        options = options | {"nodata": number}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=mask == "in the file"),
        rasterio.open(
            path, "w", "GTiff", 30, 20, count, None, rasterio.Affine(1, 0, 0, 0, -1, 9),
            bands.dtype, **options,
        ) as file,
    ):  # fmt: skip
        file.write(bands)
        if mask != "none":
            file.write_mask(SHOWN)
    if number_beside:
        write_aux_xml(path, number)
    assert (tmp_path / "image.tif.msk").is_file() == (mask == "beside it")
    read = read_image(path)
    with rasterio.open(path) as file:
        stored = np.moveaxis(file.read(), 0, -1)
    if mask != "none":
        gone = np.broadcast_to(~SHOWN[..., None], stored.shape)
    else:
        gone = stored == number
        gone[..., 1:] &= not number_beside  # which is of the first band alone
    assert gone.any()
    np.testing.assert_array_equal(np.isnan(read), gone)
    np.testing.assert_array_equal(np.isnan(read), hidden(path))


def test_an_index_without_a_colour_is_named(tmp_path: Path):
    stored = StoredRaster(INDICES, False, palette=PALETTE[:2])
    with pytest.raises(FormatError, match=r"map\.tif has a palette of 2 colours"):
        with_sidecars(tmp_path / "map.tif", stored)
