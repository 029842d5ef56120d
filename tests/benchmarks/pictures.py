"""Real images for the benchmarks of Markov random fields, and energies made of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from time import thread_time

import numpy as np
import pytest
from jaxtyping import Float, Float32

import mmgraph as mm
from mmgraph import datasets
from mmgraph.datasets.entries import read_files
from mmgraph.graph.errors import DatasetError
from tests.benchmarks.measuring import size

Costs = Float32[np.ndarray, "height width states"]


def photograph(height: int = 512, width: int = 512) -> Float[np.ndarray, "height width"]:
    """Grey values from 0 to 1 of scikit-image's cameraman; cropped, or repeated where it ends.

    It lies, under CC0, in the wheel that the stereo pair is read from. Without network and cache
    the test is skipped.
    """
    image_module = pytest.importorskip("PIL.Image")
    try:
        [(_, content)] = read_files("motorcycle_stereo", "skimage/data/camera.png")
    except DatasetError as error:
        pytest.skip(f"the photograph cannot be had: {error}")
    with image_module.open(io.BytesIO(content)) as image:
        grey = np.asarray(image.convert("L"), np.float64) / 255
    times = (-(-height // grey.shape[0]), -(-width // grey.shape[1]))
    return np.tile(grey, times)[:height, :width]


def noisy_photograph(height: int = 512, width: int = 512) -> Float[np.ndarray, "height width"]:
    """The photograph with noise of standard deviation 0.1."""
    grey = photograph(height, width)
    return grey + np.random.default_rng(0).normal(0.0, 0.1, grey.shape)


def grey_level_costs(
    grey: Float[np.ndarray, "height width"], states: int, scale: float = 60.0
) -> Costs:
    """How far each pixel is from each grey level, squared and at most a tenth, times a scale."""
    levels = np.linspace(0.0, 1.0, states)
    distance = (grey[..., None] - levels) ** 2
    return (scale * np.minimum(distance, 0.1)).astype(np.float32)


def land_cover_costs() -> Costs:
    """Minus the log-likelihood of 16 land covers at each pixel of Indian Pines.

    Each cover is a Gaussian about its mean spectrum with one variance for each band, tempered since
    neighbouring bands tell much the same.
    """
    try:
        scene = datasets.load("indian_pines")
    except DatasetError as error:
        pytest.skip(f"Indian Pines cannot be had: {error}")
    cube = scene.cube.astype(np.float64)
    known = [scene.labels == code for code in range(1, 17)]
    means = np.stack([cube[mask].mean(0) for mask in known])
    residual = np.concatenate([cube[m] - mean for m, mean in zip(known, means, strict=True)])
    cube, means = cube / residual.std(0), means / residual.std(0)
    squares = [((cube - mean) ** 2).mean(-1) for mean in means]
    return (2.0 * np.stack(squares, -1)).astype(np.float32)


def grid_of(
    costs: Costs, interaction: mm.Interaction, weight: float, neighbours: int = 4
) -> mm.FactorGraph:
    """A grid of one variable; 32-bit floats stay what they are."""
    height, width, states = costs.shape
    label = mm.Variable("label", states, (height, width))
    edges = mm.GridFactor(label, interaction, weight, neighbours=neighbours)
    return mm.FactorGraph([label], [mm.UnaryFactor(label, -costs), edges])


def quickest(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the quickest round; the first one, which may compile, does not count.

    They are seconds of this thread on a processor: those in which the system lets other programs
    run are not among them, so that figures from a busy machine can be compared.
    """
    work()
    seconds = []
    for _ in range(size(rounds, 1)):
        begin = thread_time()
        work()
        seconds.append(thread_time() - begin)
    return min(seconds)


def copied_gigabytes_a_second() -> float:
    """Bytes read and written by one thread that copies 256 MB (if measured), in 10⁹ a second."""
    source = np.ones(size(2**26, 2**20), np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes / quickest(lambda: np.copyto(target, source)) / 1e9
