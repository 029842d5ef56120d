"""A network of which encoders observe variables: their outputs are soft evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.fusion.network_tables import NetworkTables
from mmgraph.deep.inputs.cells import Cells
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.networks.bayesian_network import BayesianNetwork


class EncodedNetwork(nn.Module):
    """A discrete network, and encoders of what cannot be tabulated.

    An encoder's code of a row is the log-likelihood of the states of its variable: the target, or
    a variable between the target and a modality. Inference is exact, and gradients run through it
    into encoders and tables, so that a loss of the answer trains both, end to end. Part by part,
    an encoder is trained by itself (on the labels of its variable), and the tables alone with what
    the encoders say of rows that they have not learned from: :meth:`graphical`.

    A modality that is missing in a row is no evidence there, and the network marginalises it.

    Parameters
    ----------
    network : BayesianNetwork
        Its tables are those to begin with, of each member.
    target : str
    encoders : mapping of str to (str, Encoder)
        Of each variable that is encoded the modality that it is seen in, and the encoder, all of
        one pack.
    members : int
        How many there are in the pack.
    observed : collection of str
        Variables that rows come with.

    Raises
    ------
    UnknownVariableError
        If a variable that is named is none of the network's.
    LearningError
        If the width of an encoder is not the number of its variable's states, or nothing is said
        of a variable that no other depends on.
    GraphError
        If the network has factors that are no tables.

    References
    ----------
    Bourlard and Morgan (1994), "Connectionist speech recognition"; Johnson et al. (2016),
    "Composing graphical models with neural networks for structured representations and fast
    inference".
    """

    def __init__(
        self,
        network: BayesianNetwork,
        target: str,
        encoders: Mapping[str, tuple[str, Encoder]],
        members: int = 1,
        observed: Collection[str] = (),
    ) -> None:
        super().__init__()
        for name in (target, *encoders, *observed):
            if name not in network.variables:
                hint = suggestion(name, network.variables)
                raise UnknownVariableError(f"the network has no variable '{name}'{hint}")
        for name, (modality, encoder) in encoders.items():
            states = network.variables[name].cardinality
            if encoder.width != states:
                raise LearningError(
                    f"the encoder of '{modality}' has {encoder.width} outputs, but '{name}' has "
                    f"{states} states"
                )
        parents = {v.name for f in network.factors for v in f.scope if v is not f.child}
        for name in network.variables:
            if name not in parents and name not in {target, *encoders, *observed}:
                raise LearningError(
                    f"nothing is said of '{name}', on which nothing depends: give it an encoder, "
                    "name it as observed, or leave it out"
                )
        self.target, self.observed = target, tuple(observed)
        self.variables = {name: modality for name, (modality, _) in encoders.items()}
        self.encoders = nn.ModuleList(encoder for _, encoder in encoders.values())
        self.tables = NetworkTables(network, members)

    def likelihoods(
        self, cells: Mapping[str, Cells]
    ) -> dict[str, Float[Tensor, "members rows states"]]:
        """Return what encoders say of their variables; zeros where a modality is missing.

        Raises
        ------
        LearningError
            If a row's code is not finite (of which modality).
        """
        said = {}
        for (name, modality), encoder in zip(self.variables.items(), self.encoders, strict=True):
            if modality not in cells:
                continue
            code = encoder(cells[modality])
            said[name] = code.where(cells[modality].present[None, :, None], 0.0)
            if not bool(said[name].detach().isfinite().all()):
                raise LearningError(f"what the encoder of '{modality}' says of rows is not finite")
        return said

    def forward(
        self, cells: Mapping[str, Cells], observed: Mapping[str, object] | None = None
    ) -> Float[Tensor, "members rows states"]:
        """Return log P(target | row) of each member; modalities may be left out.

        Parameters
        ----------
        cells : mapping of str to Cells
        observed : mapping of str to sequence, optional
            The cells of variables that rows come with.

        Raises
        ------
        LearningError
            If there are no rows, or modalities have different ones.
        ZeroProbabilityError
            If a row is impossible (which).
        """
        counts = {modality: len(one.values) for modality, one in cells.items()}
        if len(set(counts.values())) > 1:
            raise LearningError(f"modalities have different numbers of rows: {counts}")
        likelihoods = self.likelihoods(cells)
        if not likelihoods and not observed:
            raise LearningError("rows have nothing that the network could be asked by")
        return self.tables.log_posterior(self.target, likelihoods, observed)

    def loss(
        self,
        cells: Mapping[str, Cells],
        labels: Int64[Tensor, " rows"],
        observed: Mapping[str, object] | None = None,
    ) -> Float[Tensor, " members"]:
        """Return the mean log-loss of each member over rows whose target is known; as forward."""
        answers = self(cells, observed)
        picked = answers.gather(-1, labels[None, :, None].expand(len(answers), -1, 1))
        return -picked[..., 0].mean(1)

    def graphical(self) -> list[nn.Parameter]:
        """Return the parameters that are learned last where training is part by part."""
        return list(self.tables.parameters())

    def mean_probabilities(
        self, cells: Mapping[str, Cells], observed: Mapping[str, object] | None = None
    ) -> Float[Tensor, "rows states"]:
        """Return the mean of the members' posteriors, without gradients."""
        with torch.no_grad():
            return self(cells, observed).exp().mean(0)
