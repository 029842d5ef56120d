"""Files that GDAL keeps beside an image hide what they hide in rasterio."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images import read_image

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
