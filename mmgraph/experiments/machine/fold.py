"""One fold of a machine's cross-validation: fit it, and use it with modalities missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.machine.declaration import MachineDeclaration
from mmgraph.experiments.scales import LinearScale, Scale, fit_scale
from mmgraph.graph.errors import needs
from mmgraph.graph.state_labels import index
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.inputs.labels import class_order
from mmgraph.networks.boltzmann.layers import Pathway
from mmgraph.networks.boltzmann.multimodal import MultimodalDeepBoltzmannMachine
from mmgraph.networks.boltzmann.units import Units

EpochProgress = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class FittedMachine:
    """A machine and the scales of its modalities."""

    machine: MultimodalDeepBoltzmannMachine
    scales: dict[str, Scale]

    def evidence(self, data: MultimodalData, given: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """Return the rows of some modalities on the machine's scales."""
        return {
            m: torch.as_tensor(self.scales[m].forward(data.features[m])).to(self.machine.dtype)
            for m in given
        }

    def predict_proba(
        self, data: MultimodalData, given: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the probabilities of the target's states when only some modalities are there."""
        table = self.machine.predict_proba(self.evidence(data, given))
        table = np.asarray(table, np.float64)[:, np.argsort(class_order(data.target))]
        return table / table.sum(1, keepdims=True)

    def impute(
        self, data: MultimodalData, given: tuple[str, ...], imputed: str
    ) -> Float64[np.ndarray, "rows features"]:
        """Return the posterior means of a modality in its own units."""
        means = self.machine.impute(self.evidence(data, given), imputed)
        return self.scales[imputed].backward(means[imputed].double().numpy())

    def represent(self, data: MultimodalData) -> Float64[np.ndarray, "rows joint"]:
        """Return the joint representation of rows of which everything is given but the label."""
        rows = self.evidence(data, tuple(data.features))
        return self.machine.represent(rows).double().numpy()

    def in_units_of_data(self) -> MultimodalDeepBoltzmannMachine:
        """Return a machine that speaks of features in their own units.

        Natural parameters take up a scale without loss. Normal quantiles are no change of scale:
        modalities on them stay so.
        """
        linear = {m: t for m, t in self.scales.items() if isinstance(t, LinearScale)}
        units = Units(
            {m: torch.as_tensor(t.mean) for m, t in linear.items()},
            {m: torch.as_tensor(t.deviation) for m, t in linear.items()},
        )
        made = self.machine.to(dtype=torch.float64)
        units.write(self.machine.to(dtype=torch.float64), made)
        return made


def fit_scales(declaration: MachineDeclaration, data: MultimodalData) -> dict[str, Scale]:
    """Fit the scale of each modality to training rows; errors are those of :func:`fit_scale`."""
    return {
        view.modality: fit_scale(
            view.transform, data.features[view.modality], view.modality, floor=1e-3
        )
        for view in declaration.views
    }


def fit_machine(
    declaration: MachineDeclaration,
    data: MultimodalData,
    checkpoint: Path | None = None,
    progress: EpochProgress | None = None,
) -> FittedMachine:
    """Build the machine that a declaration describes, and train it on rows."""
    scales, pathways = fit_scales(declaration, data), []
    for view in declaration.views:
        shape = data.features[view.modality].shape[1:]
        visible = Variable(view.modality, shape=shape, modality=view.modality, family="gaussian")
        pathways.append(Pathway(visible, view.hidden))
    generator = torch.Generator().manual_seed(declaration.report.seed)
    network = declaration.network
    links: Any = network.label_links
    machine = MultimodalDeepBoltzmannMachine(
        pathways, network.joint, data.target, label_links=links, generator=generator
    )
    fitted = FittedMachine(machine, scales)
    machine.fit(
        fitted.evidence(data, declaration.modalities),
        index(data.codes),
        checkpoint=checkpoint,
        progress=progress,
        generator=generator,
        **declaration.fit,
    )
    return fitted


def run_fold(
    declaration: MachineDeclaration,
    fitted: FittedMachine,
    train: MultimodalData,
    test: MultimodalData,
) -> dict[str, np.ndarray]:
    """Return all that is reported of a fold, by name.

    ``probabilities:<given>``, ``imputed:<imputed>:<given>`` and, where asked for,
    ``representation``: the labels predicted from the joint layer.
    """
    arrays: dict[str, np.ndarray] = {}
    for given in declaration.report.given:
        arrays[f"probabilities:{'+'.join(given)}"] = fitted.predict_proba(test, given)
    for one in declaration.report.imputations:
        key = f"imputed:{one.imputed}:{'+'.join(one.given)}"
        arrays[key] = fitted.impute(test, one.given, one.imputed)
    if declaration.report.representation:
        arrays["representation"] = _from_representation(
            fitted.represent(train), train.codes, fitted.represent(test)
        )
    return arrays


def _from_representation(
    train: Float64[np.ndarray, "rows joint"],
    codes: np.ndarray,
    test: Float64[np.ndarray, "others joint"],
) -> np.ndarray:
    """Labels by logistic regression on the joint layer's means."""
    with needs("data", "scikit-learn", "logistic regression"):
        from sklearn.linear_model import LogisticRegression
    model = LogisticRegression(max_iter=1000).fit(train, codes)
    return np.asarray(model.predict(test), np.int64)
