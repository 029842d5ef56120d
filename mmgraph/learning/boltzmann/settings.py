"""How a Boltzmann machine is trained: every option beyond those of the loop, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.learning.training.options import check_options, check_whole
from mmgraph.learning.training.settings import LoopSettings

OPTIMISERS = ("sgd", "adam")


@dataclass(frozen=True)
class TrainingSettings(LoopSettings):
    """The options of training: those of :class:`LoopSettings`, and what machines have beside them.

    Of blocks, each has chains, too. Monitors are those of the validation rows where there are any.

    Parameters
    ----------
    optimiser : {"sgd", "adam"}
        Adam's weight decay is decoupled (Loshchilov and Hutter 2019).
    momentum : float in [0, 1), default 0.5
        Of gradient descent; Adam's first moment decays by it if it is not zero, else by 0.9.
    squared_momentum : float in [0, 1), default 0.999
        The decay of Adam's second moment.
    gradient_bound : float, optional
        The longest that the vector of all gradients may be; a longer one is shortened.
    weight_decay : float, default 0
        Of weights, not of biases.
    norm_bound : float, optional
        The longest that the vector of weights into one hidden unit may be.
    sparsity_target, sparsity_cost : float
        The mean activation that hidden units are drawn to, by their biases alone (Lee, Ekanadham
        and Ng 2008, "Sparse deep belief net model for visual area V2", section 3).
    averaging : float in [0, 1), default 0
        The decay of the moving average of the natural parameters that is the result, smaller in the
        first steps; 0 takes the last ones.
    centring : bool, default True
    centring_rate : float in (0, 1], default 0.01
        How fast centres of hidden layers follow their mean activations.
    chains : int, default 100
        Of the negative phase, of all processes together; a multiple of the blocks. Without
        persistence there is one for each row of the batch.
    gibbs_steps : int, default 1
        Sweeps of the chains between two steps of learning.
    mean_field_steps : int, default 10
        The most passes of the positive phase. Where hidden layers do not touch each other, one is
        exact, and one is made.
    tolerance : float, default 0
        Passes end when no mean changes by more; looking at that costs a little.
    temperatures : sequence of float, default (1,)
        Increasing from 1: each chain is accompanied by one of each further temperature, with which
        it may swap.
    persistent : bool, default True
        Whether chains go on from step to step, or begin at the data (contrastive divergence).
    monitor_rows : int, default 500
        Rows, of training and of validation, that the monitors look at.
    likelihood_epochs : tuple of int, default ()
        Epochs after which annealed importance sampling estimates the log-likelihood.
    likelihood_steps, likelihood_chains : int
        Of annealed importance sampling.

    Raises
    ------
    LearningError
        If an option is out of its range; the message names it.
    """

    rising: ClassVar[tuple[str, ...]] = ("pseudo_likelihood", "log_likelihood")
    falling: ClassVar[tuple[str, ...]] = (
        "reconstruction_error", "free_energy", "free_energy_gap",
    )  # fmt: skip

    optimiser: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.5
    squared_momentum: float = 0.999
    gradient_bound: float | None = None
    weight_decay: float = 0.0
    norm_bound: float | None = None
    sparsity_target: float = 0.1
    sparsity_cost: float = 0.0
    averaging: float = 0.0
    centring: bool = True
    centring_rate: float = 0.01
    chains: int = 100
    gibbs_steps: int = 1
    mean_field_steps: int = 10
    tolerance: float = 0.0
    temperatures: tuple[float, ...] = (1.0,)
    persistent: bool = True
    monitor_rows: int = 500
    likelihood_epochs: tuple[int, ...] = ()
    likelihood_steps: int = 1000
    likelihood_chains: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(
            self, "chains", "gibbs_steps", "mean_field_steps", "monitor_rows", "likelihood_steps",
            "likelihood_chains",
        )  # fmt: skip
        check_choice("optimiser", self.optimiser, OPTIMISERS, LearningError)
        check_options(self, "[0, inf)", "weight_decay", "sparsity_cost", "tolerance")
        check_options(self, "(0, inf)", "norm_bound", "gradient_bound")
        check_options(self, "[0, 1)", "momentum", "squared_momentum", "averaging")
        check_options(self, "(0, 1)", "sparsity_target")
        check_options(self, "(0, 1]", "centring_rate")
        object.__setattr__(self, "temperatures", tuple(map(float, self.temperatures)))
        object.__setattr__(self, "likelihood_epochs", tuple(map(int, self.likelihood_epochs)))
