"""Word networks compiled into one sparse left-to-right chain of emitting states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int32

from mmgraph.sequences.commands.chain_kernels import search, trace

PAUSE = ""
"""The word of silence, which may stand before, between and after others."""
_NEVER = -np.inf


class WordArc(NamedTuple):
    """A word that leads from one node to another."""

    source: int
    word: str
    target: int


@dataclass(frozen=True)
class WordNetwork:
    """Which words may follow one another: a deterministic automaton that starts at node 0."""

    nodes: int
    arcs: tuple[WordArc, ...]
    accepting: frozenset[int]

    @classmethod
    def of_sentence(cls, words: Sequence[str]) -> WordNetwork:
        """Return the network of one sequence of words."""
        arcs = tuple(WordArc(place, word, place + 1) for place, word in enumerate(words))
        return cls(len(words) + 1, arcs, frozenset({len(words)}))

    def without(self, arc: int) -> WordNetwork:
        """Return the network without one of its arcs."""
        return WordNetwork(self.nodes, self.arcs[:arc] + self.arcs[arc + 1 :], self.accepting)


class WordStates(NamedTuple):
    """The emitting states of a word, in order, and the probability of staying in each."""

    emissions: Int32[np.ndarray, " states"]
    stay: Float64[np.ndarray, " states"]


class Segment(NamedTuple):
    """A word from its first frame to just before another."""

    word: str
    first: int
    end: int
    arc: int


@dataclass(frozen=True)
class Chain:
    """The states of all arcs of a word network, and of a pause at each node.

    Attributes
    ----------
    start, stay, final : ndarray, shape (states,)
        Log-probabilities of beginning in, staying in, and ending after a state.
    first_arc, source, weight : ndarray
        The arcs into each state, as :func:`chain_kernels.pass_tokens` reads them.
    emission : ndarray, shape (states,)
        The column of the densities of each state.
    arc : ndarray, shape (states,)
        The arc of the word network, -1 in a pause.
    network : WordNetwork
    """

    start: Float64[np.ndarray, " states"]
    stay: Float64[np.ndarray, " states"]
    final: Float64[np.ndarray, " states"]
    first_arc: Int32[np.ndarray, " states+1"]
    source: Int32[np.ndarray, " arcs"]
    weight: Float64[np.ndarray, " arcs"]
    emission: Int32[np.ndarray, " states"]
    arc: Int32[np.ndarray, " states"]
    network: WordNetwork

    @classmethod
    def compiled(cls, network: WordNetwork, words: Mapping[str, WordStates]) -> Chain:
        """Return the chain of a network whose words have these states.

        A pause at a node is entered after any word that ends there, and left for any that begins.
        Every continuation of a word has the same weight.
        """
        first, last, emission, stay, arc = [], [], [], [], []  # type: ignore[var-annotated]
        groups = [(number, one.word) for number, one in enumerate(network.arcs)]
        for number, word in groups + [(-1, PAUSE)] * network.nodes:
            states = words[word]
            first.append(len(emission))
            emission += states.emissions.tolist()
            stay += states.stay.tolist()
            arc += [number] * len(states.emissions)
            last.append(len(emission) - 1)
        count, arcs = len(emission), len(network.arcs)
        leave = np.log1p(-np.array(stay))
        into: list[list[int]] = [[] for _ in range(count)]
        for start, end in zip(first, last, strict=True):
            for state in range(start + 1, end + 1):
                into[state].append(state - 1)
        leaving: list[list[int]] = [[] for _ in range(network.nodes)]
        for number, one in enumerate(network.arcs):
            leaving[one.source].append(number)
        begin, final = np.full(count, _NEVER), np.full(count, _NEVER)
        for number, one in enumerate(network.arcs):
            pause = arcs + one.target
            into[first[pause]].append(last[number])
            into[first[number]].append(last[arcs + one.source])
            if one.source == 0:
                begin[first[number]] = 0.0
            if one.target in network.accepting:
                final[[last[number], last[pause]]] = leave[[last[number], last[pause]]]
            for other in leaving[one.target]:
                into[first[other]].append(last[number])
        begin[first[arcs]] = 0.0
        sources = np.array([s for group in into for s in group], np.int32)
        ends = np.cumsum([0, *map(len, into)], dtype=np.int32)
        return cls(
            begin, np.log(stay), final, ends, sources, leave[sources],
            np.array(emission, np.int32), np.array(arc, np.int32), network,
        )  # fmt: skip

    def best_path(
        self, densities: Float[np.ndarray, "frames columns"], beam: float = np.inf
    ) -> tuple[Int32[np.ndarray, " frames"], float]:
        """Return the states of the most probable path to an end, and its log-density.

        Where frames do not suffice for any path, it is empty and of log-density minus infinity.
        """
        scores, origins = search(
            self.start, self.stay, self.first_arc, self.source, self.weight, self.emission,
            densities.astype(np.float64, copy=False), beam,
        )  # fmt: skip
        ends = scores + self.final
        last = int(ends.argmax())
        if ends[last] == _NEVER:
            return np.empty(0, np.int32), _NEVER
        return trace(origins, last), float(ends[last])

    def segments(self, path: Int32[np.ndarray, " frames"]) -> list[Segment]:
        """Return the words of a path of states, without pauses."""
        # States of a word rise; from its last one a repeated word goes back to its first.
        change = (np.diff(self.arc[path]) != 0) | (np.diff(path) < 0)
        begins = np.flatnonzero(np.append(True, change)) if len(path) else np.empty(0, np.int64)
        ends = np.append(begins[1:], len(path))
        return [
            Segment(
                self.network.arcs[self.arc[path[b]]].word, int(b), int(e), int(self.arc[path[b]])
            )
            for b, e in zip(begins, ends, strict=True)
            if self.arc[path[b]] >= 0
        ]
