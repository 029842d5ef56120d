"""Densities of word states by a small time-delay network: what it says of a state, over its prior.

Bourlard and Morgan (1994, "Connectionist speech recognition: a hybrid approach") divide the
probabilities of states given the sound by how frequent the states are, which gives scaled
likelihoods; Peddinti, Povey and Khudanpur (2015, "A time delay neural network architecture for
efficient modeling of long temporal contexts") is the shape of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmgraph.sequences.commands.features import (
    DECIBEL,
    Frames,
    band_means,
    floored,
    loud_frames,
    stretched,
)
from mmgraph.sequences.commands.word_models import Alignment

_KERNELS = ((5, 1), (3, 2), (3, 2))
"""Width and dilation of each layer."""
CONTEXT = sum(dilation * (width // 2) for width, dilation in _KERNELS)
"""Frames to either side on which an output depends."""
_SCALE = 2.5
"""Log energies of speech deviate by so much from their mean."""
_NOISY = 0.4
"""Share of recordings to which noise is added."""
_NOTHING = -100
"""The target of frames behind the end, which cross-entropy leaves out."""


class NeuralEmission:
    """Scaled likelihoods of states, from log mel energies whose band means are removed.

    Parameters
    ----------
    network : nn.Sequential
        From ``(recordings, bands, frames)`` to ``(recordings, states, frames)``.
    prior : array, shape (states,)
        Logarithms of the shares of states in training.
    spectrum : array, shape (bands,)
        Mean log energies of speech in training, see :func:`features.band_means`.
    """

    def __init__(
        self,
        network: nn.Sequential,
        prior: Float[np.ndarray, " states"],
        spectrum: Float32[np.ndarray, " bands"],
    ) -> None:
        self.network, self.prior = network.eval(), np.asarray(prior, np.float64)
        self.spectrum = spectrum
        self.states = len(self.prior)

    @classmethod
    def learned(
        cls,
        views: Sequence[Sequence[Frames]],
        alignments: Sequence[Alignment],
        states: int,
        *,
        hidden: int = 96,
        steps: int = 900,
        batch: int = 16,
        seed: int = 0,
    ) -> NeuralEmission:
        """Learn from recordings, each as heard from vocal tracts of several lengths.

        Each time a recording is taken, one of its views is stretched, noise is added, it is tilted
        over the bands, and a few bands are hidden: what speakers and channels differ in.

        Parameters
        ----------
        views : sequence of sequence of array, shape (frames, bands)
            Log mel energies, see :func:`features.speech_frames`.
        alignments : sequence of array, shape (frames,)
        states, hidden, steps, batch, seed : int
            Outputs; units of a layer; gradient steps, recordings in each; of what is random.
        """
        generator = np.random.default_rng(seed)
        spectrum = np.stack([loud_frames(view[0]).mean(0) for view in views]).mean(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _network(views[0][0].shape[1], hidden, states)
            optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01)
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, 3e-3, total_steps=steps, pct_start=0.2
            )
            order = _batches([len(one) for one in alignments], batch, steps, generator)
            network.train()
            for members in order:
                drawn = [_varied(views[i], alignments[i], spectrum, generator) for i in members]
                inputs, targets = _padded(drawn)
                loss = nn.functional.cross_entropy(network(inputs), targets, ignore_index=_NOTHING)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        counts = np.bincount(np.concatenate(alignments), minlength=states) + 1.0
        return cls(network, np.log(counts / counts.sum()), spectrum)

    @classmethod
    def of_shape(cls, bands: int, hidden: int, states: int) -> NeuralEmission:
        """Return one whose parameters are to be loaded."""
        return cls(_network(bands, hidden, states), np.zeros(states), np.zeros(bands, np.float32))

    def log_densities(self, energies: Frames) -> Float[np.ndarray, "frames states"]:
        """Return scaled log-likelihoods of states in frames of log mel energies."""
        return self.log_posteriors(energies, band_means(energies, self.spectrum)) - self.prior

    @torch.no_grad()
    def log_posteriors(
        self, energies: Frames, means: Float32[np.ndarray, " bands"]
    ) -> Float[np.ndarray, "frames states"]:
        """Return log-probabilities of states in frames of a voice with these means of bands."""
        inputs = torch.from_numpy(_normalised(energies, means).T[None])
        outputs = torch.log_softmax(self.network(inputs), 1)[0].T.numpy()
        return outputs.astype(np.float64)


def _network(bands: int, hidden: int, states: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = bands
    for width, dilation in _KERNELS:
        padding = dilation * (width // 2)
        layers += [
            nn.Conv1d(inputs, hidden, width, dilation=dilation, padding=padding),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
        ]
        inputs = hidden
    return nn.Sequential(*layers, nn.Conv1d(hidden, states, 1))


def _normalised(energies: Frames, means: Float32[np.ndarray, " bands"]) -> Frames:
    return ((floored(energies) - means) / _SCALE).astype(np.float32)


def _batches(
    lengths: Sequence[int], batch: int, steps: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Recordings of each step; those of a batch are of similar length, so that little is padded."""
    usable = np.flatnonzero(lengths)
    made: list[np.ndarray] = []
    while len(made) < steps:
        order = generator.permutation(usable)
        near = np.array(lengths)[order] + generator.integers(0, 20, len(order))
        order = order[np.argsort(near)]
        groups = np.array_split(order, -(-len(order) // batch))
        made += [groups[i] for i in generator.permutation(len(groups))]
    return made[:steps]


def _varied(
    views: Sequence[Frames],
    alignment: Alignment,
    spectrum: Float32[np.ndarray, " bands"],
    generator: np.random.Generator,
) -> tuple[Frames, Alignment]:
    energies = views[int(generator.integers(len(views)))]
    frames = max(8, round(len(energies) * float(np.exp(generator.uniform(-0.25, 0.25)))))
    nearest = np.rint(np.linspace(0, len(energies) - 1, frames)).astype(np.int64)
    energies = stretched(energies, frames)
    if generator.random() < _NOISY:
        energies = _with_noise(energies, generator)
    inputs = _normalised(energies, band_means(energies, spectrum))
    bands = inputs.shape[1]
    tilt = generator.normal(0, 0.15) * np.linspace(-1, 1, bands) + generator.normal(0, 0.1, bands)
    inputs = inputs + tilt
    hidden = generator.integers(0, bands // 6 + 1)
    first = generator.integers(0, bands - hidden + 1)
    inputs[:, first : first + hidden] = 0.0
    inputs += generator.normal(0, 0.1, inputs.shape)
    return inputs.astype(np.float32), alignment[nearest]


def _with_noise(energies: Frames, generator: np.random.Generator) -> Frames:
    """Add steady noise, 15 to 50 dB below the loudest band, of some slope over the bands."""
    slope = generator.normal(0, 1.0) * np.linspace(-1, 1, energies.shape[1])
    level = energies.max() - DECIBEL * generator.uniform(15, 50)
    noise = level + slope + generator.normal(0, 0.5, energies.shape)
    return np.logaddexp(energies, noise).astype(np.float32)


def _padded(drawn: Sequence[tuple[Frames, Alignment]]) -> tuple[Tensor, Tensor]:
    longest = max(len(targets) for _, targets in drawn)
    inputs = torch.zeros(len(drawn), drawn[0][0].shape[1], longest)
    targets = torch.full((len(drawn), longest), _NOTHING)
    for row, (energies, states) in enumerate(drawn):
        inputs[row, :, : len(energies)] = torch.from_numpy(energies.T)
        targets[row, : len(states)] = torch.from_numpy(states)
    return inputs, targets
