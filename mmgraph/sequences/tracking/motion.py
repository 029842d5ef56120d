"""Kalman filter and smoother of boxes of nearly constant velocity, compiled, for many at once.

A box is its centre and the logarithms of its width and height; each of these four has a position
and a velocity, and the four are independent. So a state is two arrays: means (4, 2), and (4, 3)
variances of position, covariances, and variances of velocity. Noise in pixels is proportional to
the height.
"""

import numpy as np
from jaxtyping import Float64

from mmgraph.inference.numerics.compiling import compiled

_SMALLEST, _LARGEST = -7.0, 14.0
"""Logarithms of sizes in pixels that are predicted at all."""


def measured(boxes: Float64[np.ndarray, "boxes 4"]) -> Float64[np.ndarray, "boxes 4"]:
    """Return centres and logarithmic sizes, (boxes, 4), of boxes (left, top, width, height)."""
    return np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, np.log(boxes[:, 2:])], axis=1)


def as_boxes(points: Float64[np.ndarray, "... 4"]) -> Float64[np.ndarray, "... 4"]:
    """Return boxes (left, top, width, height) of centres and logarithmic sizes, (..., 4)."""
    sizes = np.exp(points[..., 2:])
    return np.concatenate([points[..., :2] - sizes / 2, sizes], axis=-1)


@compiled
def _start(mean, spread, point, model):
    tall = np.exp(point[3])
    for k in range(4):
        mean[k, 0], mean[k, 1] = point[k], 0.0
        noise = model.position_noise * tall if k < 2 else model.size_noise
        speed = model.start_velocity * tall if k < 2 else model.start_growth
        spread[k, 0], spread[k, 1], spread[k, 2] = noise * noise, 0.0, speed * speed


@compiled
def _predict(mean, spread, steps, model):
    tall = np.exp(mean[3, 0])
    for k in range(4):
        change = model.acceleration * tall if k < 2 else model.growth
        q = change * change
        mean[k, 0] += steps * mean[k, 1]
        if k >= 2:  # who is looked for in vain, for long, shall neither vanish nor overflow
            mean[k, 0] = min(max(mean[k, 0], _SMALLEST), _LARGEST)
        p, c, v = spread[k]
        spread[k, 0] = p + 2 * steps * c + steps * steps * v + q * steps**3 / 3
        spread[k, 1] = c + steps * v + q * steps**2 / 2
        spread[k, 2] = v + q * steps


@compiled
def _update(mean, spread, point, model):
    tall = np.exp(mean[3, 0])
    for k in range(4):
        noise = model.position_noise * tall if k < 2 else model.size_noise
        p, c, v = spread[k]
        total = p + noise * noise
        off = point[k] - mean[k, 0]
        mean[k, 0] += p / total * off
        mean[k, 1] += c / total * off
        # Each in a form that no rounding makes negative.
        spread[k, 0] = p * noise * noise / total
        spread[k, 1] = c * noise * noise / total
        spread[k, 2] = max(v - c * c / total, 1e-12 * v)


@compiled
def start_tracks(points, model):
    """Return means (boxes, 4, 2) and covariances (boxes, 4, 3) of what has been seen once."""
    means, spreads = np.empty((len(points), 4, 2)), np.empty((len(points), 4, 3))
    for i in range(len(points)):
        _start(means[i], spreads[i], points[i], model)
    return means, spreads


@compiled
def predict_tracks(means, spreads, steps, model):
    """Move all tracks by so many frames, in place."""
    for i in range(len(means)):
        _predict(means[i], spreads[i], steps, model)


@compiled
def update_tracks(means, spreads, tracks, points, model):
    """Correct some tracks by a point each, in place."""
    for i in range(len(tracks)):
        _update(means[tracks[i]], spreads[tracks[i]], points[i], model)


@compiled
def log_densities(means, spreads, points, shift_variances, model):
    """Return the log-density (tracks, boxes) of each box under each track's prediction.

    Lengths count in heights of the track, so that near and far people compare. Errors follow
    Student's t: a detector's box may be far off. ``shift_variances`` are those of a movement of the
    whole picture, in squared pixels to the right and down.
    """
    density = np.empty((len(means), len(points)))
    free = model.tail
    for i in range(len(means)):
        tall = np.exp(means[i, 3, 0])
        totals = np.empty(4)
        constant = 0.0
        for k in range(4):
            noise = model.position_noise * tall if k < 2 else model.size_noise
            totals[k] = spreads[i, k, 0] + noise * noise
            if k < 2:
                totals[k] += shift_variances[k]
            constant -= 0.5 * np.log(2 * np.pi * totals[k] / (tall * tall if k < 2 else 1.0))
        for j in range(len(points)):
            distance = 0.0
            for k in range(4):
                off = points[j, k] - means[i, k, 0]
                distance += off * off / totals[k]
            density[i, j] = constant - 0.5 * (free + 4) * np.log1p(distance / free)
    return density


@compiled
def smooth_track(times, points, model):
    """Return smoothed means (frames, 4, 2) and covariances (frames, 4, 3) from first to last time.

    Rauch, Tung and Striebel (1965), with frames that have no point in between.
    """
    count = times[-1] - times[0] + 1
    means, spreads = np.empty((count, 4, 2)), np.empty((count, 4, 3))
    ahead, wide = np.empty((count, 4, 2)), np.empty((count, 4, 3))
    _start(means[0], spreads[0], points[0], model)
    ahead[0], wide[0] = means[0], spreads[0]
    following = 1
    for t in range(1, count):
        means[t], spreads[t] = means[t - 1], spreads[t - 1]
        _predict(means[t], spreads[t], 1.0, model)
        ahead[t], wide[t] = means[t], spreads[t]
        if times[following] - times[0] == t:
            _update(means[t], spreads[t], points[following], model)
            following += 1
    for t in range(count - 2, -1, -1):
        for k in range(4):
            p, c, v = spreads[t, k]
            a, b, d = wide[t + 1, k]
            determinant = a * d - b * b
            # The gain is the covariance of now and then, times the inverse of that predicted.
            g00, g01 = ((p + c) * d - c * b) / determinant, (c * a - (p + c) * b) / determinant
            g10, g11 = ((c + v) * d - v * b) / determinant, (v * a - (c + v) * b) / determinant
            e0 = means[t + 1, k, 0] - ahead[t + 1, k, 0]
            e1 = means[t + 1, k, 1] - ahead[t + 1, k, 1]
            means[t, k, 0] += g00 * e0 + g01 * e1
            means[t, k, 1] += g10 * e0 + g11 * e1
            a, b, d = spreads[t + 1, k] - wide[t + 1, k]
            spreads[t, k, 0] = p + g00 * (g00 * a + g01 * b) + g01 * (g00 * b + g01 * d)
            spreads[t, k, 1] = c + g00 * (g10 * a + g11 * b) + g01 * (g10 * b + g11 * d)
            spreads[t, k, 2] = v + g10 * (g10 * a + g11 * b) + g11 * (g10 * b + g11 * d)
    return means, spreads


@compiled
def join_densities(ends, starts, gaps, model):
    """Return log-densities that a piece of a track goes on as another, over how anybody would.

    Parameters
    ----------
    ends, starts : tuple of (pairs, 4, 2) and (pairs, 4, 3)
        Smoothed means and covariances at the last frame of the one, and the first of the other.
    gaps : (pairs,) array
        Frames between these two.

    Both say of the same place and velocity where they are; their difference is normal with the sum
    of the covariances, but for the tail. It is compared with the velocities that anybody has.
    """
    density = np.empty(len(gaps))
    mean, spread = np.empty((4, 2)), np.empty((4, 3))
    free = model.tail
    for i in range(len(gaps)):
        mean[:], spread[:] = ends[0][i], ends[1][i]
        tall = np.exp(mean[3, 0])
        _predict(mean, spread, gaps[i], model)
        distance, total = 0.0, 0.0
        for k in range(4):
            unit, usual = (
                (tall, model.start_velocity * tall) if k < 2 else (1.0, model.start_growth)
            )
            off = model.position_noise * tall if k < 2 else model.size_noise
            p = spread[k, 0] + starts[1][i, k, 0] + (model.lasting * off) ** 2
            c = spread[k, 1] + starts[1][i, k, 1]
            v = spread[k, 2] + starts[1][i, k, 2]
            e, f = starts[0][i, k, 0] - mean[k, 0], starts[0][i, k, 1] - mean[k, 1]
            determinant = max(p * v - c * c, 1e-9 * p * v)
            distance += (v * e * e - 2 * c * e * f + p * f * f) / determinant
            total -= 0.5 * np.log(2 * np.pi * determinant / (unit * usual) ** 2)
            total += 0.5 * min((starts[0][i, k, 1] / usual) ** 2, 9.0)
        density[i] = total - 0.5 * (free + 8) * np.log1p(distance / free)
    return density
