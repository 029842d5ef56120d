"""The training of Boltzmann machines, by the loop that all training runs in."""

from __future__ import annotations

from pathlib import Path

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.learning.boltzmann.parameters import natural_of
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.learner import MachineLearner
from mmgraph.learning.boltzmann.training.steps import ObjectiveMaker, Steps, read_rows
from mmgraph.learning.boltzmann.training_rows import check_same_layers
from mmgraph.learning.training.data_parallel import Processes
from mmgraph.learning.training.loop import Progress, TrainingReport, run_loop


def train(
    graph: FactorGraph,
    rows: object,
    validation: object = None,
    settings: TrainingSettings | None = None,
    objective: ObjectiveMaker | None = None,
    progress: Progress | None = None,
    checkpoint: Path | str | None = None,
    processes: Processes | None = None,
) -> TrainingReport:
    """Train a machine of biases and bilinear factors from its numbers on, in place.

    At every moment the graph holds the parameters of the last sound epoch, whatever stops training.
    No checkpoint holds what has diverged as finished. The report has the monitors of
    :meth:`MachineLearner.monitors`.

    Parameters
    ----------
    rows, validation : TrainingRows, Evidence or what evidence is read from
    objective : callable, optional
        By default the log-likelihood, see :class:`ContrastiveDivergence`.
    processes : Processes, optional
        Those that train together; by default those that ``torchrun`` started, or this one.
    settings, progress, checkpoint
        As of :meth:`BoltzmannEstimator.fit
        <mmgraph.networks.boltzmann.estimator.BoltzmannEstimator.fit>`.
    """
    settings = settings or TrainingSettings()
    device = natural_of(graph)[0][0].device
    group = Processes.of_environment(device) if processes is None else processes
    with group.together():
        learned = read_rows(graph, rows)
        watched = None if validation is None else read_rows(graph, validation)
        if watched is not None:
            check_same_layers(learned.clamped, watched.clamped)
        steps = Steps(graph, settings, objective, learned.clamped, learned.lengths(), group)
        learner = MachineLearner(graph, learned, watched, steps)
        return run_loop(learner, settings, directory=checkpoint, progress=progress)
