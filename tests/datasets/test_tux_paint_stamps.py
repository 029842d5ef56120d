from __future__ import annotations

import pytest

from mmgraph import datasets
from tests.datasets.packages.made import deb

TEXT = "{0}\nes.utf8=Una {0}.\nzh_CN.utf8=\nno translation\n"
STAMPS = {
    "animals/frog-1.png": b"1",
    "animals/frog-1.txt": TEXT.format("frog").encode(),
    "animals/frog.ogg": b"croak",
    "animals/frog.png": b"2",
    "animals/frog.txt": b"A frog.\r\nzh_CN.utf8=\xe9\x9d\x92\xe8\x9b\x99\r\n",
    "animals/frog_desc_es.ogg": b"Una rana",
    "animals/toad.svg": b"<svg/>",
    "animals/toad.txt": b"A toad.",
    "food/7.png": b"3",
    "food/7.txt": b"A frog.",
    "food/8.png": b"4",
    "food/8.txt": b"Eight.",
    "food/8.wav": b"eight",
    "food/8_mirror.png": b"5",
}


def test_stamps_have_captions_sounds_and_groups(made):
    made("tux_paint_stamps", deb({f"usr/share/tuxpaint/stamps/{n}": c for n, c in STAMPS.items()}))
    data = datasets.load("tux_paint_stamps")
    names = ["animals/frog-1", "animals/frog", "food/7", "food/8"]
    assert [p.read_bytes() for p in data.images] == [STAMPS[f"{name}.png"] for name in names]
    assert data.captions == {
        "en": ["frog", "A frog.", "A frog.", "Eight."],
        "es": ["Una frog.", None, None, None],
        "zh_CN": [None, "青蛙", None, None],
    }
    assert [sound and sound.read_bytes() for sound in data.sounds] == [
        None,
        b"croak",
        None,
        b"eight",
    ]
    assert data.categories == ["animals", "animals", "food", "food"]
    assert data.groups.tolist() == [0, 0, 0, 1]


@pytest.mark.slow
def test_the_real_stamps():
    data = datasets.load("tux_paint_stamps")
    assert len(data.images) == 785
    assert len(data.captions) == 78
    assert None not in data.captions["en"] + data.captions["es"]
    assert sum(caption is not None for caption in data.captions["zh_CN"]) == 713
    assert sum(sound is not None for sound in data.sounds) == 131
    assert data.groups.max() + 1 == 652
