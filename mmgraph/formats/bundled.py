"""The networks that come with pgmpy, by name, so that their extra can be named without it."""

from __future__ import annotations

BUNDLED = (
    "alarm",
    "andes",
    "arth150",
    "asia",
    "barley",
    "cancer",
    "child",
    "diabetes",
    "earthquake",
    "ecoli70",
    "hailfinder",
    "hepar2",
    "insurance",
    "link",
    "magic-irri",
    "magic-niab",
    "mildew",
    "munin",
    "munin1",
    "munin2",
    "munin3",
    "munin4",
    "pathfinder",
    "pigs",
    "sachs",
    "survey",
    "water",
    "win95pts",
)
"""Names that :func:`mmgraph.read` finds where the extra ``interop`` is installed."""
