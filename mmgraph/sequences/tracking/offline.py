"""Tracking with all frames at hand: sure pieces of tracks, joined over gaps by a flow."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.sequences.tracking.appearance import AppearanceEvidence, distances_between
from mmgraph.sequences.tracking.association_model import AssociationModel
from mmgraph.sequences.tracking.detections import Detections
from mmgraph.sequences.tracking.flow import FlowProblem, cheapest_flow
from mmgraph.sequences.tracking.motion import as_boxes, join_densities, measured, smooth_track
from mmgraph.sequences.tracking.online import OnlineTracker
from mmgraph.sequences.tracking.tracks import Tracks

_PIECE_MEMORY = 2
"""Frames that may be missing within a piece."""


class OfflineSettings(NamedTuple):
    """See :class:`mmgraph.sequences.tracking.tracker.Tracker`."""

    memory: int
    window: int | None
    motion: bool
    appearance: bool


class _Sequence(NamedTuple):
    """Detections in their canonical order, steadied, and what a first pass has learned of them."""

    frames: Int64[np.ndarray, " boxes"]
    points: Float64[np.ndarray, "boxes 4"]
    worth: Float64[np.ndarray, " boxes"]
    features: Float64[np.ndarray, "boxes features"] | None
    evidence: AppearanceEvidence
    first: int
    shifts: Float64[np.ndarray, "frames 2"]


def track_offline(
    detections: Detections, model: AssociationModel, settings: OfflineSettings
) -> Tracks:
    """Return the tracks of all detections; see :meth:`Tracker.track`."""
    if not len(detections):
        return replace(Tracks.joined([]), cost=0.0, bound=0.0)
    order = detections.canonical_order()
    sequence, pieces, pace = _sure_pieces(detections[order], model, settings)
    model = model.at_pace(pace)
    chains, odds, (cost, bound) = _joined(pieces, sequence, model, settings)
    people = [
        _filled(identity, *person, sequence, model)
        for identity, person in enumerate(zip(chains, odds, strict=True), 1)
    ]
    return replace(Tracks.joined(people).of_rows(order), cost=cost, bound=bound)


def _sure_pieces(
    detections: Detections, model: AssociationModel, settings: OfflineSettings
) -> tuple[_Sequence, list[Int64[np.ndarray, " boxes"]], float]:
    """Return what a strict pass through the frames does not doubt, in order of their beginnings."""
    strict = model._replace(
        others=model.others + model.strict, named=-np.inf, shown=-np.inf, least_joined=np.inf
    )
    tracker = OnlineTracker(strict, _PIECE_MEMORY, settings.motion, settings.appearance)
    frames, ids = detections.frames, np.zeros(len(detections), np.int64)
    shifts = []
    for frame in range(int(frames[0]), int(frames[-1]) + 1):
        begin, end = np.searchsorted(frames, [frame, frame + 1])
        part = detections[begin:end]
        found = tracker.step(part.boxes, part.confidences, part.features, frame)
        there = found.detections >= 0
        ids[begin + found.detections[there]] = found.ids[there]
        shifts.append(tracker.shift)
    total = np.cumsum(shifts, axis=0)
    points = measured(detections.boxes)
    points[:, :2] -= total[frames - frames[0]]
    sure = np.zeros(len(ids)) if detections.confidences is None else detections.confidences
    worth = tracker.scale.log_odds(sure)
    features = detections.features if settings.appearance else None
    sequence = _Sequence(frames, points, worth, features, tracker.evidence, int(frames[0]), total)
    by_id = np.argsort(ids, kind="stable")
    pieces = np.split(by_id, np.flatnonzero(np.diff(ids[by_id])) + 1)
    return sequence, sorted(pieces, key=lambda rows: int(rows[0])), tracker.pace.value


def _joined(
    pieces: list[Int64[np.ndarray, " boxes"]],
    sequence: _Sequence,
    model: AssociationModel,
    settings: OfflineSettings,
) -> tuple[list[Int64[np.ndarray, " boxes"]], list[float], tuple[float, float]]:
    """Return the rows of each person, the log-odds that there is one, and cost and bound."""
    first, last = (np.array([sequence.frames[rows[end]] for rows in pieces]) for end in (0, -1))
    gains = np.array([_log_odds(rows, sequence, model) for rows in pieces])
    begin, end = (np.searchsorted(first, last + after, "right") for after in (0, settings.memory))
    tails = np.repeat(np.arange(len(pieces)), end - begin)
    heads = np.concatenate([np.arange(*ends) for ends in zip(begin, end, strict=True)])
    gap = (first[heads] - last[tails]).astype(np.float64)
    joins = model.joined + model.hidden * (gap - 1)
    if settings.motion:
        smooth = [
            smooth_track(sequence.frames[rows], sequence.points[rows], model) for rows in pieces
        ]
        ends, starts = (
            tuple(np.stack([one[part][end] for one in smooth]) for part in (0, 1))
            for end in (-1, 0)
        )
        ends, starts = tuple(p[tails] for p in ends), tuple(p[heads] for p in starts)
        joins = joins + join_densities(ends, starts, gap, model)
    if sequence.features is not None:
        looks = np.stack([_usual(sequence.features[rows]) for rows in pieces])
        joins = joins + sequence.evidence.log_ratios(distances_between(looks, looks))[tails, heads]
    # Who is missing in the first or the last frames may have been there, not found.
    before, after = first - sequence.frames[0], sequence.frames[-1] - last
    entering = model.throughout + np.maximum(model.missed * before, -model.start)
    leaving = np.maximum(model.missed * after, -model.start)
    worthwhile = joins > model.least_joined
    problem = FlowProblem(
        starts=first,
        costs=-gains,
        entries=-entering,
        exits=-leaving,
        tails=tails[worthwhile],
        heads=heads[worthwhile],
        link_costs=-joins[worthwhile],
    )
    flow = cheapest_flow(problem, settings.window)
    follows = np.zeros(len(pieces), bool)
    follows[flow.successors[flow.successors >= 0]] = True
    chains, odds = [], []
    for piece in np.flatnonzero(flow.exists & ~follows):
        chain = [int(piece)]
        while flow.successors[chain[-1]] >= 0:
            chain.append(int(flow.successors[chain[-1]]))
        chains.append(np.concatenate([pieces[i] for i in chain]))
        odds.append(float(gains[chain].sum() + entering[chain[0]] + leaving[chain[-1]]))
    return chains, odds, (flow.cost, flow.bound)


def _usual(features: Float64[np.ndarray, "boxes features"]) -> Float64[np.ndarray, " features"]:
    known = features[np.isfinite(features).all(axis=1)]
    return known.mean(axis=0) if len(known) else np.full(features.shape[1], np.nan)


def _log_odds(
    rows: Int64[np.ndarray, " boxes"], sequence: _Sequence, model: AssociationModel
) -> float:
    """Return by how much a piece speaks for a person, who was there to begin with or not."""
    frames = sequence.frames[rows]
    missed = int(frames[-1] - frames[0]) + 1 - len(rows)
    again = model.seen_again * (len(rows) - 1) + model.missed * missed
    return float(sequence.worth[rows].sum() + again)


def _filled(
    identity: int,
    rows: Int64[np.ndarray, " boxes"],
    odds: float,
    sequence: _Sequence,
    model: AssociationModel,
) -> Tracks:
    """Return the track of one person, with gaps filled where the place is sure enough."""
    times = sequence.frames[rows]
    means, spreads = smooth_track(times, sequence.points[rows], model)
    frames = np.arange(times[0], times[-1] + 1)
    points = means[:, :, 0].copy()
    points[:, :2] += sequence.shifts[frames - sequence.first]
    source = np.full(len(frames), -1)
    source[times - times[0]] = rows
    blur = np.sqrt(spreads[:, :2, 0].max(axis=1)) / np.exp(points[:, 3])
    shown = (source >= 0) | (blur < model.blurred_between)
    existence = np.where(source >= 0, 1.0, np.exp(-blur)) / (1 + np.exp(-min(odds, 30.0)))
    return Tracks(
        np.full(int(shown.sum()), identity),
        frames[shown],
        as_boxes(points[shown]),
        existence[shown],
        source[shown],
    )
