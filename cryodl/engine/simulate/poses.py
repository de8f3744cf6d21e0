"""Orientations of particles, and how wrong an alignment is about them."""

from __future__ import annotations

from typing import Any

import numpy as np


def draw_views(count: int, drawn: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """True orientations: even, or some of them gathered about a few preferred views.

    drawn : preferred (share), preferred_views (number), preferred_spread (degrees), side_views
        (1: only from the side of the z axis, as filaments lie in ice)

    Returns ndarray (count, 3, 3), whose rows are the image's axes in the specimen's frame.
    """
    directions = rng.normal(size=(count, 3))
    if drawn["side_views"]:
        directions[:, 2] = 0
    gathered = rng.random(count) < drawn["preferred"]
    views = rng.normal(size=(max(drawn["preferred_views"], 1), 3))
    chosen = views[rng.integers(len(views), size=count)]
    spread = np.radians(drawn["preferred_spread"])
    directions[gathered] = _unit(chosen)[gathered]
    directions = _unit(directions)
    directions += spread * (gathered | bool(drawn["side_views"]))[:, None] * rng.normal(
        size=(count, 3)
    )
    return _frames(_unit(directions), rng.uniform(0, 2 * np.pi, count))


def draw_errors(count: int, drawn: dict[str, Any], rng: np.random.Generator):
    """Errors of an alignment.

    drawn : angle_error (degrees), shift_error (Å), heavy_tails (1: Student's t of 2 degrees of
        freedom, scaled to the same quartiles, instead of a normal distribution)

    Returns (turns, ndarray (count, 3, 3); shifts, ndarray (count, 2), Å).
    """
    from scipy.spatial.transform import Rotation

    def normal(columns: int):
        values = rng.normal(size=(count, columns))
        if drawn["heavy_tails"]:
            values *= (0.674 / 0.816) * np.sqrt(2 / rng.chisquare(2, (count, 1)))
        return values

    turns = np.radians(drawn["angle_error"]) * normal(3)
    shifts = drawn["shift_error"] * normal(2)
    return Rotation.from_rotvec(turns).as_matrix(), shifts


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _frames(directions, turns):
    """Right-handed frames with given third axes, turned about them."""
    helper = np.where(np.abs(directions[:, 2:]) < 0.9, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    first = _unit(np.cross(helper, directions))
    second = np.cross(directions, first)
    cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
    return np.stack([cos * first + sin * second, cos * second - sin * first, directions], axis=1)
