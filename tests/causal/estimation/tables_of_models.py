"""Rows whose frequencies are exactly those of a model: one for each combination of states."""

from __future__ import annotations

from itertools import product

import numpy as np

import mmgraph as mm


def rows_of(joint: np.ndarray, nodes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of all combinations of states, and their probability in the column ``weight``."""
    cells = np.array(list(product(*map(range, joint.shape))))
    columns = {name: cells[:, i] for i, name in enumerate(nodes)}
    return columns | {"weight": joint.reshape(-1)}


def arrows(text: str, **options: object) -> mm.CausalModel:
    """The model of ``"x>y x-y"``: directed edges by >, bidirected ones by -."""
    edges = text.split()
    nodes = list(dict.fromkeys(n for e in edges for n in e.replace("-", ">").split(">")))
    directed = [tuple(e.split(">")) for e in edges if ">" in e]
    return mm.CausalModel(
        nodes, directed, [tuple(e.split("-")) for e in edges if "-" in e], **options
    )


def binary(generator: np.random.Generator, chance: object, rows: int | None = None) -> np.ndarray:
    """States 0 and 1, the latter with some probability."""
    share = np.broadcast_to(chance, rows) if rows is not None else np.asarray(chance)
    return (generator.random(share.shape) < share).astype(int)
