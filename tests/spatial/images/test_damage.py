"""Damaged image files of every kind: each is read or refused by name."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images import gdal, tiff_pages
from mmgraph.spatial.images import png_and_jpeg as png
from mmgraph.spatial.images.reading import read_array, read_georeference, read_image

COLOURS = np.random.default_rng(0).integers(0, 256, (20, 25, 3), np.uint8)
FILES = 60


def of_pillow(format: str, mode: str = "RGB") -> bytes:
    pillow = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    pillow.fromarray(COLOURS).convert(mode).save(buffer, format=format)
    return buffer.getvalue()


def of_numpy(save: Callable[..., None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, COLOURS)
    return buffer.getvalue()


def of_nifti() -> bytes:
    nibabel = pytest.importorskip("nibabel")
    content: bytes = nibabel.Nifti1Image(COLOURS.astype(np.int16), np.eye(4)).to_bytes()
    return content


def of_tifffile(**options: object) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    place = [(33550, 12, 3, (1.0, 2.0, 3.0), True), (33922, 12, 6, (0.0,) * 6, True)]
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, COLOURS, photometric="rgb", extratags=place, **options)
    return buffer.getvalue()


KINDS: dict[str, Callable[[], bytes]] = {
    "png": lambda: of_pillow("PNG"),
    "palette.png": lambda: of_pillow("PNG", "P"),
    "jpg": lambda: of_pillow("JPEG"),
    "deep.png": lambda: pytest.importorskip("imagecodecs").png_encode(COLOURS.astype(np.uint16)),
    "npy": lambda: of_numpy(np.save),
    "npz": lambda: of_numpy(np.savez),
    "nii": of_nifti,
    "plain.tif": of_tifffile,
    "lzw.tif": lambda: of_tifffile(compression="lzw", predictor=True, tile=(16, 16)),
    "jpeg.tif": lambda: of_tifffile(compression="jpeg"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_read_or_refused_by_name(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    for module in (tiff_pages, gdal, png):
        monkeypatch.setattr(module, "SIZE_LIMIT", 1 << 24)
    whole = KINDS[kind]()
    path = tmp_path / f"damaged.{kind}"
    path.write_bytes(whole)
    assert read_array(path).size
    chance = random.Random(kind)
    refusals = []
    for _ in range(FILES):
        content = bytearray(whole)
        reach = min(chance.choice((64, 400, len(whole))), len(whole))
        for _ in range(chance.choice((1, 2, 5))):
            content[chance.randrange(reach)] = chance.choice((0, 1, 255, chance.randrange(256)))
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(content)
        for read in (read_image, lambda p: read_array(p, indices=True), read_georeference):
            try:
                read(path)
            except FormatError as error:
                refusals.append(str(error))
    assert all(path.name in refusal for refusal in refusals)
    assert len(refusals) > FILES / 10
