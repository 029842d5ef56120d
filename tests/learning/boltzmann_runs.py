"""Training in a process of its own, which tests kill, start again, or run twice at once.

    python boltzmann_runs.py DIRECTORY RESULT ["MODE …"]

In ``slow`` mode each step takes a moment, so that a kill comes in the midst; in ``stop`` mode the
run is interrupted after its second epoch. In ``fail`` mode the last of several processes raises an
error in its fifth step, and in ``die`` mode it ends itself; in ``end`` mode the first raises one
after the last step. In ``threads`` mode each tells which threads it has when it is about to end.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.loop import train
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from tests.learning.boltzmann_machines import data_of, machine

SETTINGS = TrainingSettings(
    epochs=4, batch_size=20, chains=12, gibbs_steps=2, learning_rate=0.05, momentum=0.9,
    averaging=0.9, temperatures=(1.0, 2.0), sparsity_cost=0.1, weight_decay=1e-3, norm_bound=2.0,
    checkpoint_steps=3, stopping_monitor="free_energy", patience=50,
)  # fmt: skip


class Slowly(ContrastiveDivergence):
    """The likelihood, with pauses or failures between steps."""

    mode = ""

    def gradients(self, batch):
        if "slow" in self.mode:
            time.sleep(0.02)
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == 5 and os.environ.get("RANK", "0") == "1":
            if "fail" in self.mode:
                raise MmgraphError("the disk of this process is full")
            if "die" in self.mode:
                os._exit(9)
        return super().gradients(batch)


def rows_of(graph, count=105):
    return TrainingRows(count, {"v": Clamped(data_of(graph, count).float())})


def run(directory: str | None, mode: str = "", settings: TrainingSettings = SETTINGS):
    graph = machine("bernoulli", (4, 3), dtype=torch.float32)
    Slowly.mode = mode

    def objective(parameters: BoltzmannParameters, random):
        return Slowly(parameters, replace(settings, mean_field_steps=5), random)

    def progress(epoch, monitors):
        if "end" in mode and epoch == settings.epochs:
            raise MmgraphError("the disk of the leading process is full")
        if "stop" in mode and epoch == 2:
            raise KeyboardInterrupt

    report = train(graph, rows_of(graph), rows_of(graph, 30), settings, objective, progress,
                   checkpoint=directory)  # fmt: skip
    return graph, report


def tensors_of(graph) -> dict[str, torch.Tensor]:
    rows = [f.tensors() for f in graph.factors]
    return {f"{i}:{j}": t.clone() for i, row in enumerate(rows) for j, t in enumerate(row)}


def tell_threads() -> None:
    names = sorted(path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))
    print("threads at the end:", *names, file=sys.stderr)


def main(directory: str, result: str, mode: str = "") -> None:
    """Train, and write the weights and the monitored energies; an error is exit code 3."""
    if "threads" in mode:
        atexit.register(tell_threads)  # first registered, last called: the group has been left
    try:
        graph, report = run(directory, mode)
    except MmgraphError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
    tensors = tensors_of(graph)
    tensors["energies"] = torch.tensor([h["free_energy"] for h in report.history])
    save_file(tensors, Path(result).with_suffix(f".{os.environ.get('RANK', '0')}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
