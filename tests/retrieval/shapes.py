"""Coloured shapes with captions: pairs that a retriever learns in no time."""

from __future__ import annotations

import numpy as np

COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 170, 20),
    "blue": (20, 20, 220),
    "yellow": (235, 220, 20),
}
SHAPES = ("disc", "square", "bar")


def shape_pictures(each: int, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Return pictures of every colour and shape, in random order, and what each shows."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :24] - 12
    drawn = []
    for colour, rgb in COLOURS.items():
        for shape in SHAPES:
            for _ in range(each):
                down, right = generator.integers(-2, 3, 2)
                size = generator.integers(6, 9)
                y, x = rows - down, columns - right
                inside = {
                    "disc": y**2 + x**2 < size**2,
                    "square": np.maximum(abs(y), abs(x)) < size,
                    "bar": (abs(y) < 3) & (abs(x) < 10),
                }[shape]
                picture = np.full((24, 24, 3), 255, np.uint8)
                picture[inside] = rgb
                drawn.append((picture, f"{colour} {shape}"))
    order = generator.permutation(len(drawn))
    return [drawn[place][0] for place in order], [drawn[place][1] for place in order]
