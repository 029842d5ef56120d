"""The job of a structure: graphs of measurements under experiments beside the accepted ones."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.experiments.job import Answer, Job, Step, StepProgress
from mmgraph.experiments.structure.data import Edge, Experiments, load_experiments
from mmgraph.experiments.structure.declaration import (
    StructureDeclaration,
    VariantDeclaration,
    read_structure,
)
from mmgraph.experiments.structure.effect import predicted_effect
from mmgraph.experiments.structure.learner import SET, Learner
from mmgraph.experiments.structure.peers import PEERS, is_installed
from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.structure.bootstrap import Frequencies
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.learned_structure import LearnedStructure

_EFFECT = "effect"


def against(edges: Collection[Edge], accepted: Collection[Edge]) -> dict[str, int]:
    """Return how many edges are right, reversed or false, and how many accepted ones are missing.

    ``false`` joins what no accepted edge joins; ``shd`` counts the pairs on which both differ.
    """
    found, truth = set(edges), set(accepted)
    joined = {frozenset(edge) for edge in truth}
    turned = {(b, a) for a, b in found - truth} & truth
    pairs = {frozenset(edge) for edge in found}
    return {
        "right": len(found & truth),
        "reversed": len(turned),
        "false": len(pairs - joined),
        "missing": len({e for e in truth if frozenset(e) not in pairs}),
        "shd": len({frozenset(edge) for edge in found ^ truth}),
    }


def job(name: str | os.PathLike[str], directory: Path | None) -> StructureJob:
    """Return the job of a declaration."""
    declaration = read_structure(name)
    return StructureJob(declaration, directory, load_experiments(declaration))


class StructureJob(Job):
    """Graphs of all variants and of peers, and an effect that is predicted without its experiment.

    A row of the results has ``graph`` (what learned it), which accepted graph it stands ``beside``,
    the figures of :func:`against`, and ``seconds``; of an averaged graph those of the bootstrap.
    """

    kind = "structure"
    declaration: StructureDeclaration

    def __init__(
        self, declaration: StructureDeclaration, directory: Path | None, data: Experiments
    ) -> None:
        super().__init__(declaration, directory)
        self.data = data

    def arrays(self) -> Iterable[np.ndarray]:
        """Return measurements and experiments."""
        return self.data.values, self.data.experiment

    def steps(self, limit: int | None) -> list[Step]:
        """Return a step for each variant, one for the effect, and one for each peer."""
        if limit is not None:
            raise MmgraphError("a structure has no folds to choose from")
        replicates = self.declaration.bootstrap.replicates
        variants = [
            Step(f"variant-{n}", variant.name, partial(self._learn, variant), replicates)
            for n, variant in enumerate(self.declaration.variants)
        ]
        effect = Step(_EFFECT, "the effect", self._effect, replicates)
        # Another package may have been installed since: an earlier run's answer will not do.
        peers = [
            Step(peer, peer, partial(self._peer, peer), keeps=is_installed(peer)) for peer in PEERS
        ]
        return [*variants, effect, *peers]

    def _learn(
        self, variant: VariantDeclaration, progress: StepProgress, scratch: Path | None
    ) -> Answer:
        """The best graph, the shares of arcs, and the seconds of both."""
        bootstrap = self.declaration.bootstrap
        learner = Learner(self.data, variant, bootstrap.seed)
        began = time.perf_counter()
        learned = learner.graph(learner.rows)
        searched = time.perf_counter()
        frequencies = learner.frequencies(
            bootstrap.replicates, lambda done, _: progress(done, variant.name), scratch
        )
        seconds = {"one": searched - began, "average": time.perf_counter() - searched}
        notes = {"seconds": seconds, "rows": len(learner.rows), "method": learned.method}
        return Answer({"graph": learned.adjacency, "arcs": frequencies.arcs}, notes)

    def _effect(self, progress: StepProgress, scratch: Path | None) -> Answer:
        """What the experiment left out brings about, predicted and measured."""
        bootstrap = self.declaration.bootstrap
        effect = predicted_effect(
            self.data,
            self.declaration.variants[0],
            self.declaration.effect,
            bootstrap.replicates,
            bootstrap.thresholds[0],
            bootstrap.seed,
            lambda done, _: progress(done, "the effect"),
            scratch,
        )
        return Answer({}, effect)

    def _peer(self, peer: str, progress: StepProgress, scratch: Path | None) -> Answer:
        """All graphs of a peer; none where it is not installed."""
        if not is_installed(peer):
            return Answer({}, [])
        variant = self.declaration.variants[0]
        learner = Learner(self.data, variant, self.declaration.bootstrap.seed)
        states = learner.states(learner.rows, learner.intervals(learner.rows))
        del states[SET]
        return Answer({}, [list(graph) for graph in PEERS[peer][2](states, variant.strength)])

    def structure(self, answer: Answer, threshold: float) -> LearnedStructure:
        """Return what a variant has learned, with its averaged graph."""
        arcs = answer.arrays["arcs"]
        return LearnedStructure.of_graph(
            Constraints.of(self.data.columns),
            answer.arrays["graph"].astype(bool),
            score=None,
            method=answer.notes["method"],
            seconds=answer.notes["seconds"]["one"],
        ).with_frequencies(Frequencies(arcs, self.declaration.bootstrap.replicates), threshold)

    def report(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Return the rows of all graphs, the ``effect``, and both in ``words``."""
        rows: list[dict[str, Any]] = []
        truths = list(self.data.accepted.items())
        for n, variant in enumerate(self.declaration.variants):
            answer = answers[f"variant-{n}"]
            seconds = answer.notes["seconds"]
            graphs = {variant.name: self.structure(answer, 1.0).edges}
            thresholds = self.declaration.bootstrap.thresholds
            for threshold in thresholds if n == 0 else thresholds[:1]:
                averaged = self.structure(answer, threshold).consensus
                graphs[f"{variant.name}, averaged at {threshold:g}"] = averaged or []
            for beside, truth in truths if n == 0 else truths[:1]:
                rows += [
                    {"graph": name, "beside": beside, **against(edges, truth)}
                    | {"seconds": seconds["one" if name == variant.name else "average"]}
                    for name, edges in graphs.items()
                ]
        words = []
        for peer, (_, extra, _) in PEERS.items():
            if not answers[peer].notes:
                words.append(f"{peer} is not installed (extra {extra}), and not compared.")
            for beside, truth in truths:
                rows += self._best(peer, beside, truth, answers[peer].notes)
        effect = answers[_EFFECT].notes
        return {"results": rows, "effect": effect, "words": [*words, *effect_words(effect)]}

    def _best(
        self, peer: str, beside: str, truth: Collection[Edge], graphs: Iterable[Any]
    ) -> list[dict[str, Any]]:
        """The row of the graph of a peer that is nearest to an accepted one, if there are any."""
        rows = [
            {
                "graph": f"{peer}, best of {len(list(graphs))}: {how}",
                "beside": beside,
                **against([(a, b) for a, b in edges], truth),
                "seconds": seconds,
            }
            for how, edges, seconds in graphs
        ]
        return sorted(rows, key=lambda row: (row["shd"], -row["right"]))[:1]

    def draw(self, directory: Path, answers: Mapping[str, Answer]) -> list[str]:
        """Draw the averaged graph with its confidence, and the effect beside what is measured."""
        from mmgraph.experiments.pictures import save_figures
        from mmgraph.experiments.structure.pictures import effect_figure
        from mmgraph.plots import draw_structure

        threshold = self.declaration.bootstrap.thresholds[0]
        learned = self.structure(answers["variant-0"], threshold)
        title = f"Edges in {threshold:.0%} of the replicates or more"
        figures = {
            "graph": draw_structure(learned, consensus=True, title=title),
            "effect": effect_figure(answers[_EFFECT].notes),
        }
        return save_figures(directory, figures)


def effect_words(effect: Mapping[str, Any]) -> list[str]:
    """Return an effect in sentences: as predicted by either graph, and as measured."""
    parts = [f"the {name} {_moved(shares)}" for name, shares in effect["predicted"].items()]
    return [
        f"Learned without the rows of {effect['experiment']}, what moves the share of "
        f"{effect['outcome']} in {effect['levels'][0]} when {effect['sets']} is set to "
        f"{effect['level']}: {', '.join(parts)}; measured {_moved(effect['measured'])}. The "
        f"confidence of an edge between them is {effect['confidence']:.2f} then."
    ]


def _moved(shares: Mapping[str, Any]) -> str:
    return f"from {shares['without'][0]:.2f} to {shares['with'][0]:.2f}"
