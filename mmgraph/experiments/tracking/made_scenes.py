"""Made scenes of pedestrians with known truth: what a camera sees of them, and what a detector.

People walk on a plane, alone or in groups, and stand. A camera that stands, pans or moves sees
them; who is hidden behind others, small or overlooked for a while is missed. Boxes are off by
errors that last for some frames; what is no person is found once, or again and again at one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.tracks import Tracks

_LEAST_HEIGHT = 35.0
_TALL = 1.72
"""Metres."""


class Scene(NamedTuple):
    """What a detector found, and the truth."""

    detections: Detections
    truth: Tracks


@dataclass(frozen=True)
class _Camera:
    """Of a random scene: pixels, metres, and how it moves in metres or pixels a second."""

    width: float
    height: float
    focal: float
    above_ground: float
    horizon: float
    forward: float
    pan: float
    shake: float


def made_scene(seed: int, frames: int = 200) -> Scene:
    """Return a random scene: camera, frame rate, crowd and detector differ from seed to seed.

    Parameters
    ----------
    seed : int
        Equal seeds give equal scenes.
    frames : int
        How long it is.
    """
    random = np.random.default_rng(seed)
    rate = random.choice([7.0, 10.0, 14.0, 25.0, 30.0])
    width, height = [(640.0, 480.0), (768.0, 576.0), (1242.0, 375.0), (1920.0, 1080.0)][
        random.integers(4)
    ]
    moves = random.random() < 0.4
    camera = _Camera(
        width,
        height,
        focal=width * random.uniform(0.65, 1.2),
        above_ground=random.uniform(1.0, 1.8) if moves else random.uniform(1.4, 6.0),
        horizon=height * random.uniform(0.25, 0.5),
        forward=random.uniform(0.3, 1.2) * (moves and random.random() < 0.6),
        pan=0.06 * width * moves,
        shake=random.uniform(0.5, 4.0) * width / 640 * moves,
    )
    places, sizes = _walks(random, camera, frames, rate)
    boxes, seen = _projected(random, camera, places, sizes, frames, rate)
    visible = _visibility(boxes, seen, places)
    detections = _detected(random, camera, boxes, seen, visible, rate)
    when, who = np.nonzero(seen)
    true = Tracks(
        who + 1, when + 1, boxes[when, who], np.ones(len(who)), np.full(len(who), -1, np.int64)
    )
    return Scene(detections, true)


def _walks(
    random: np.random.Generator, camera: _Camera, frames: int, rate: float
) -> tuple[Float64[np.ndarray, "frames people 2"], Float64[np.ndarray, "people 2"]]:
    """Return places on the ground (to the right, away) by frame, and widths and heights in metres.

    Each person is somewhere in sight at some time, and walks from there into past and future.
    """
    seconds = frames / rate
    count = int(random.uniform(3, 14) * (1 + seconds / 6)) + 1
    near = max(2.5, 0.8 * camera.focal * camera.above_ground / (camera.height - camera.horizon))
    deep = near + random.uniform(5, 14)
    when = random.integers(0, frames, count)
    away = random.uniform(near, deep, count)
    aside = random.uniform(-0.5, 0.5, count) * away * camera.width / camera.focal
    start = np.stack([aside, away + camera.forward * when / rate], axis=1)
    along = random.uniform(-0.5, 0.5) + np.pi * random.integers(0, 2, count)
    towards = along + random.normal(0, random.choice([0.15, 0.8]), count)
    speed = random.normal(1.25, 0.25, count) * (random.random(count) > random.uniform(0, 0.3))
    velocity = speed[:, None] * np.stack([np.cos(towards), np.sin(towards)], axis=1)
    for leader in np.flatnonzero(random.random(count) < 0.2):
        follower = (leader + 1) % count
        start[follower] = start[leader] + random.normal(0, 0.4, 2) + [0.5, 0]
        velocity[follower], when[follower] = velocity[leader], when[leader]
    keep = np.exp(-1 / (rate * 2.0))
    change = np.zeros((count, 2))
    paths = np.empty((frames, count, 2))
    for t in range(frames):
        change = keep * change + np.sqrt(1 - keep**2) * random.normal(0, 0.2, (count, 2))
        paths[t] = (velocity + change * (speed > 0)[:, None]) / rate
    paths = paths.cumsum(axis=0)
    places = paths + start - paths[when, np.arange(count)]
    tall = random.normal(_TALL, 0.09, count)
    return places, np.stack([tall * random.normal(0.4, 0.03, count), tall], axis=1)


def _projected(
    random: np.random.Generator,
    camera: _Camera,
    places: Float64[np.ndarray, "frames people 2"],
    sizes: Float64[np.ndarray, "people 2"],
    frames: int,
    rate: float,
) -> tuple[Float64[np.ndarray, "frames people 4"], Bool[np.ndarray, "frames people"]]:
    """Return the box of each person, and whether it is in the picture and large enough."""
    time = np.arange(frames) / rate
    turn = camera.pan * (
        np.sin(random.uniform(0.2, 0.9) * time + random.uniform(0, 6)) * random.uniform(0.3, 2)
    )
    shake = random.normal(0, camera.shake, (frames, 2))
    depth = places[..., 1] - (camera.forward * time)[:, None]
    near = np.maximum(depth, 0.5)
    scale = camera.focal / near
    stride = 1 + 0.18 * np.sin(
        2 * np.pi * (1.8 * time[:, None] + random.random(places.shape[1]))
    )  # legs open and close
    wide, tall = scale * sizes[:, 0] * stride, scale * sizes[:, 1]
    x = camera.width / 2 + scale * places[..., 0] + (turn + shake[:, 0])[:, None]
    foot = camera.horizon + scale * camera.above_ground + shake[:, 1:]
    boxes = np.stack([x - wide / 2, foot - tall, wide, tall], axis=2)
    inside = (
        np.clip(np.minimum(x + wide / 2, camera.width) - np.maximum(x - wide / 2, 0), 0, None)
        * np.clip(np.minimum(foot, camera.height) - np.maximum(foot - tall, 0), 0, None)
        / (wide * tall)
    )
    return boxes, (depth > 1.5) & (inside > 0.5) & (tall > _LEAST_HEIGHT)


def _visibility(
    boxes: Float64[np.ndarray, "frames people 4"],
    seen: Bool[np.ndarray, "frames people"],
    places: Float64[np.ndarray, "frames people 2"],
) -> Float64[np.ndarray, "frames people"]:
    """Return the share of each box that no nearer one covers, on a grid of points."""
    steps = (np.arange(6) + 0.5) / 6
    points = np.stack(np.meshgrid(steps, steps), axis=2).reshape(-1, 2)
    visible = np.zeros(seen.shape)
    for t, there in enumerate(seen):
        rows = np.flatnonzero(there)
        box = boxes[t, rows]
        at = box[:, None, :2] + points * box[:, None, 2:]
        inside = ((at[:, :, None] > box[:, :2]) & (at[:, :, None] < box[:, :2] + box[:, 2:])).all(
            axis=3
        )
        nearer = places[t, rows, 1] < places[t, rows, 1][:, None]
        visible[t, rows] = 1 - (inside & nearer[:, None]).any(axis=2).mean(axis=1)
    return visible


def _detected(
    random: np.random.Generator,
    camera: _Camera,
    boxes: Float64[np.ndarray, "frames people 4"],
    seen: Bool[np.ndarray, "frames people"],
    visible: Float64[np.ndarray, "frames people"],
    rate: float,
) -> Detections:
    """Return what a detector of random quality finds."""
    frames, count = seen.shape
    lasting = np.exp(-1 / (rate * random.uniform(0.15, 0.6)))
    noise = _lasting_noise(random, (frames, count, 5), lasting)
    rough = random.uniform(0.015, 0.05)
    tall = boxes[..., 3:]
    # Who is partly hidden is placed badly, and anybody at times.
    worse = np.exp(0.6 * random.normal(size=(frames, count, 1))) + 2 * (1 - visible[..., None])
    error = (noise[..., :4] + 0.6 * random.normal(size=boxes.shape)) * rough * worse
    grown = np.exp(error[..., 2:] * [1.2, 1.0] + random.normal(0.0, 0.03, 2))
    size = boxes[..., 2:] * grown
    found = np.concatenate(
        [boxes[..., :2] + (boxes[..., 2:] - size) / 2 + error[..., :2] * tall, size], 2
    )
    least = random.uniform(_LEAST_HEIGHT, 90.0)
    doubt = (
        random.uniform(1.5, 6.5)
        + random.normal(0, 1.6, count)
        + 1.0 * noise[..., 4]
        + np.minimum(0, (visible - 0.6) * 12)
        + np.minimum(0, (boxes[..., 3] / least - 1.2) * 8)
    )
    hits = seen & (random.random(seen.shape) < 1 / (1 + np.exp(-doubt)))
    when, who = np.nonzero(hits)
    twice = random.random(len(when)) < random.choice([0.0, 0.04])
    second = found[when, who][twice] * [1, 1, 0.8, 0.75]
    false_when, false_boxes = _false_boxes(random, camera, boxes[seen], frames, rate)
    strength = np.concatenate(
        [doubt[when, who], doubt[when, who][twice] - 2, random.normal(-0.5, 1.0, len(false_when))]
    ) + random.normal(0, 0.8, len(when) + twice.sum() + len(false_when))
    return Detections(
        np.concatenate([when, when[twice], false_when]) + 1,
        np.concatenate([found[when, who], second, false_boxes]),
        _confidences(random, strength),
    )


def _lasting_noise(
    random: np.random.Generator, shape: tuple[int, ...], lasting: float
) -> Float64[np.ndarray, "frames ..."]:
    """Return standard normal noise that decays by a factor a frame."""
    noise = random.normal(size=shape)
    for t in range(1, len(noise)):
        noise[t] = lasting * noise[t - 1] + np.sqrt(1 - lasting**2) * noise[t]
    return noise


def _false_boxes(
    random: np.random.Generator,
    camera: _Camera,
    true: Float64[np.ndarray, "boxes 4"],
    frames: int,
    rate: float,
) -> tuple[Int64[np.ndarray, " false"], Float64[np.ndarray, "false 4"]]:
    """Return frames and boxes of what is no person: for a moment, and at places that persist."""
    load = len(true) / frames * random.uniform(0.05, 0.7)
    when = np.repeat(np.arange(frames), random.poisson(load, frames))
    places = int(random.integers(2, 9))
    share = random.uniform(0.0, 1.0, places) ** 2
    on = _lasting_noise(random, (frames, places), np.exp(-1 / rate)) < np.quantile(
        random.normal(size=1000), share
    )
    again, spots = np.nonzero(on & (random.random(on.shape) < 0.7))
    usual = np.median(np.append(true[:, 3], camera.height / 4))
    size = np.exp(random.normal(np.log(usual), 0.35, len(when) + places))
    at = random.uniform([0, 0.1], [0.9, 0.6], (len(size), 2)) * [camera.width, camera.height]
    boxes = np.column_stack([at, 0.41 * size, size])
    lasting = boxes[len(when) + spots]
    lasting = lasting + random.normal(0, 0.03, lasting.shape) * lasting[:, 3:]
    return np.concatenate([when, again]), np.concatenate([boxes[: len(when)], lasting])


def _confidences(
    random: np.random.Generator, strength: Float64[np.ndarray, " boxes"]
) -> Float64[np.ndarray, " boxes"] | None:
    """Return confidences on a random scale, or none."""
    scale = random.integers(4)
    if scale == 0:
        return None
    if scale == 1:
        return 1 / (1 + np.exp(-strength))
    return 40 + 15 * strength if scale == 2 else strength
