"""What words sound like: their states, and the densities of these in the frames of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mmgraph.learning.dynamic.emissions.mixture import MixtureEmission
from mmgraph.sequences.commands.chain import Chain, WordNetwork, WordStates
from mmgraph.sequences.commands.features import FeatureSettings, Frames, cepstra
from mmgraph.sequences.commands.neural_emission import NeuralEmission
from mmgraph.sequences.commands.word_models import Words, learned_words

EMISSIONS = ("neural", "mixture")


@dataclass(frozen=True)
class AcousticModel:
    """Word states with their emission.

    Attributes
    ----------
    settings : FeatureSettings
    words : dict of str to WordStates
    emission : NeuralEmission or MixtureEmission
        Of log mel energies, or of cepstra.
    """

    settings: FeatureSettings
    words: dict[str, WordStates]
    emission: NeuralEmission | MixtureEmission

    @classmethod
    def learned(
        cls,
        views: Sequence[Sequence[Frames]],
        transcripts: Sequence[Words],
        settings: FeatureSettings,
        *,
        emission: str = "neural",
        components: int = 4,
        steps: int = 900,
        seed: int = 0,
    ) -> AcousticModel:
        """Learn from log mel energies, the first view of each recording unwarped.

        The neural emission learns from the alignments of word models with normal densities.
        """
        rows = [cepstra(view[0], settings) for view in views]
        if emission == "mixture":
            models = learned_words(rows, transcripts, components)
            return cls(settings, models.words, models.emission)
        models = learned_words(rows, transcripts)
        networks = NeuralEmission.learned(
            views, models.alignments, models.states, steps=steps, seed=seed
        )
        return cls(settings, models.words, networks)

    def log_densities(self, energies: Frames) -> Float[np.ndarray, "frames states"]:
        """Return log-densities of all states in frames of log mel energies."""
        if isinstance(self.emission, NeuralEmission):
            return self.emission.log_densities(energies)
        return self.emission.log_densities(cepstra(energies, self.settings).astype(np.float64))

    def chain(self, network: WordNetwork) -> Chain:
        """Return the chain of a network of words that the model knows."""
        return Chain.compiled(network, self.words)
