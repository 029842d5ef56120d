"""What the loop of training asks of what learns."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.data_parallel import Processes


class Learner(abc.ABC):
    """A model, what it maximises, and steps on its rows.

    Training that is interrupted, within an epoch or between two, goes on bit for bit as if it had
    not been, and the same seed comes to the same bits: on CPUs of one kind, on as many threads,
    which is tested; on GPUs of one kind with the same torch, CUDA and cuDNN, for which all below is
    done, but no test stands guard. A learner sees to this:

    * :meth:`state` has all that the next step depends on: parameters, each tensor of the optimiser
      (its count of steps, too), averages, chains, the states of random generators; in the precision
      in which training has them. What is derived from these is made anew by :meth:`load`.
    * All random numbers of steps come from generators in the state (:class:`RandomBlocks`), none
      from the global one. Those of :meth:`monitors` come from a generator seeded by the epoch.
    * The loop says which rows a step sees; no loader of rows has a state.
    * :meth:`load` copies into tensors that exist, or clones: fast kernels round by alignment.
    * Kernels that add up in no fixed order (atomic additions on GPUs) are not used; convolutions
      of cuDNN are kept to those that have one by the loop.

    Attributes
    ----------
    kind : str
        What is trained, as messages name it, such as ``"a machine"``.
    rows : int
        How many rows there are to learn from.
    processes : Processes
        Those that train together. Each makes :meth:`step` on its share of a batch; gradients are
        added (:meth:`Processes.added`), so that all have the same parameters.
    """

    kind: ClassVar[str]
    rows: int
    processes: Processes

    @abc.abstractmethod
    def belongs_to(self) -> dict[str, dict[str, Any]]:
        """Return what a checkpoint depends on beside the settings of the loop, as JSON has it.

        By the names that messages give it: the shapes of parameters, ``"option"``, checksums of
        rows. A checkpoint that belongs to anything else is refused, and the difference named.
        """

    def begin(self) -> None:  # noqa: B027 - most need no preparation
        """Prepare for the first step; not called where training goes on."""

    @abc.abstractmethod
    def step(
        self, index: Int64[Tensor, " rows"], rate: float, share: float
    ) -> Mapping[str, float | Tensor]:
        """Take a step on rows, and return numbers of it, summed over these rows.

        Parameters
        ----------
        index : Tensor
            This process's rows of a batch, on the CPU.
        rate : float
            The learning rate.
        share : float
            These rows' share of the batch: one, if there is one process.

        Returns
        -------
        mapping of str to float or Tensor
            Averaged over an epoch's rows they are monitors. Tensors spare the waiting for a GPU.
        """

    def monitors(self, epoch: int, averages: Mapping[str, float]) -> dict[str, float]:
        """Return the monitors of an epoch that ends, counted from 1.

        The model has the epoch's parameters; the averages are those of what its steps returned.
        """
        return dict(averages)

    @abc.abstractmethod
    def parameters(self) -> Mapping[str, Tensor]:
        """Return the tensors of the model by name, which :meth:`take` writes."""

    def result(self) -> Mapping[str, Tensor]:
        """Return the parameters that training has come to: those of the model, or averages."""
        return self.parameters()

    @torch.no_grad()
    def take(self, result: Mapping[str, Tensor]) -> None:
        """Give the model these parameters; what they are beside its own are copies."""
        for name, tensor in self.parameters().items():
            if tensor.data_ptr() != result[name].data_ptr():
                tensor.copy_(result[name])

    @torch.no_grad()
    def check_sound(self, when: str, remaining: str) -> None:
        """Refuse parameters that have run away; the message says when, and what remains."""
        for name, tensor in self.result().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise LearningError(
                    f"training diverged in {when}: '{name}' is infinite or NaN; the model has the "
                    f"parameters of the {remaining}. A lower learning_rate may help"
                )

    def check_result(self, result: Mapping[str, Tensor]) -> None:  # noqa: B027 - most need none
        """Refuse what all of training has come to, where it is sound, but no good."""

    @abc.abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return what the next step depends on, of all processes; all call it at once."""

    @abc.abstractmethod
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state, whose tensors are on the CPU."""
