"""The loop of training: what holds while steps are taken."""

from __future__ import annotations

import torch

from mmgraph.learning.training.data_parallel import Processes
from mmgraph.learning.training.learner import Learner
from mmgraph.learning.training.loop import run_loop
from mmgraph.learning.training.settings import LoopSettings


class Counter(Learner):
    """Counts its steps, and looks at how convolutions of GPUs would add up."""

    kind, rows = "a counter", 4

    def __init__(self) -> None:
        self.processes = Processes.of_environment(torch.device("cpu"))
        self.steps, self.in_order = torch.zeros(1), []

    def belongs_to(self):
        return {}

    def step(self, index, rate, share):
        self.steps += 1
        self.in_order.append((torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark))
        return {}

    def parameters(self):
        return {"steps": self.steps}

    def state(self):
        return dict(self.parameters())

    def load(self, state):
        self.steps.copy_(state["steps"])


def test_convolutions_of_steps_add_up_in_one_order():
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    assert before[0] is False
    learner = Counter()
    run_loop(learner, LoopSettings(epochs=2, batch_size=2))
    assert learner.in_order == [(True, False)] * 4
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == before
