"""The numbers of the model of tracks: how boxes move, and how detectors err."""

from __future__ import annotations

import math
from typing import NamedTuple


class AssociationModel(NamedTuple):
    """What is assumed of people and detectors; lengths are in heights of the box, times in frames.

    The values were chosen on made scenes of :mod:`mmgraph.experiments.tracking.made_scenes` (the
    seeds 100 to 115, those of joins on 200 to 219), while the figures on TUD were looked at.

    Attributes
    ----------
    position_noise, size_noise : float
        Standard deviation of a detected centre, and of the logarithms of width and height.
    acceleration, growth : float
        Standard deviation of what is added, each frame, to their velocities.
    start_velocity, start_growth : float
        Standard deviation of these velocities of who has just been found.
    tail : float
        Degrees of freedom of Student's t that errors of boxes follow.
    others : float
        Logarithm of the density of boxes of others around a box; where a track's own density is
        below it, the two are not associated.
    detected, found_by_chance : float
        How often who is there is found; how often a false box lies where a track expects one.
    stays : float
        How often who is there is there in the next frame.
    prior, twice : float
        Log-odds, at first sight, that a box is somebody and not an error; what is added to them
        where somebody who has a box is expected: it is probably a second one of that person.
    throughout : float
        Log-odds, offline, that a track from the first frame to the last is somebody, but for its
        boxes. Each end in between costs it ``start``: people stay longer than errors, which last
        for some frames.
    generally : float
        See :class:`~mmgraph.sequences.tracking.confidence.ConfidenceScale`.
    named, shown, blurred : float
        Log-odds of existence from which on a new track is shown online, and one that has been
        shown; standard deviation of the place of somebody not found, beyond which none is shown.
    strict : float
        By how much the log-density within a sure piece of a track must lie above that of others.
    joined, hidden : float
        Log-odds that two pieces are of one person, but for places and velocities; what each frame
        between them adds.
    least_joined : float
        Log-odds below which pieces are not held to be of one person, whatever else they may be.
    lasting : float
        Errors that are the same in all boxes of a piece, as a multiple of the noise.
    blurred_between : float
        As ``blurred``, between two pieces.
    """

    position_noise: float = 0.06
    size_noise: float = 0.12
    acceleration: float = 0.005
    growth: float = 0.004
    start_velocity: float = 0.045
    start_growth: float = 0.009
    tail: float = 12.0
    others: float = -0.3
    detected: float = 0.74
    found_by_chance: float = 0.43
    stays: float = 0.988
    prior: float = -2.35
    throughout: float = 0.1
    twice: float = -3.0
    generally: float = 0.27
    shown: float = 0.4
    named: float = 1.5
    blurred: float = 0.05
    strict: float = 0.43
    joined: float = 0.5
    hidden: float = -0.126
    least_joined: float = -3.0
    lasting: float = 2.0
    blurred_between: float = 0.15

    def at_pace(self, pace: float) -> AssociationModel:
        """Return the model of those who move so many times as fast."""
        return self._replace(
            acceleration=pace * self.acceleration,
            growth=pace * self.growth,
            start_velocity=pace * self.start_velocity,
            start_growth=pace * self.start_growth,
            hidden=pace * self.hidden,
        )

    @property
    def start(self) -> float:
        """By how much the first frame raises the log-odds: who is there came at any time before."""
        return -math.log(1 - self.stays)

    @property
    def seen_again(self) -> float:
        """By how much a box where one is expected raises the log-odds of existence."""
        return math.log(self.detected / self.found_by_chance)

    @property
    def missed(self) -> float:
        """By how much none there changes them."""
        return math.log((1 - self.detected) / (1 - self.found_by_chance))
