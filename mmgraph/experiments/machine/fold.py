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
from mmgraph.experiments.machine.data import Scale, Transform, fit_transform
from mmgraph.experiments.machine.declaration import MachineDeclaration
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
    """A machine and the scales of its modalities.

    Attributes
    ----------
    machine : MultimodalDeepBoltzmannMachine
    transforms : dict of str to Transform
        By modality.
    """

    machine: MultimodalDeepBoltzmannMachine
    transforms: dict[str, Transform]

    def evidence(self, data: MultimodalData, given: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """Return the rows of some modalities on the machine's scales."""
        return {
            m: torch.as_tensor(self.transforms[m].forward(data.features[m])).to(self.machine.dtype)
            for m in given
        }

    def predict_proba(
        self, data: MultimodalData, given: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the probabilities of the target's states when only some modalities are there."""
        found = self.machine.predict_proba(self.evidence(data, given))
        found = np.asarray(found, np.float64)[:, np.argsort(class_order(data.target))]
        return found / found.sum(1, keepdims=True)

    def impute(
        self, data: MultimodalData, given: tuple[str, ...], imputed: str
    ) -> Float64[np.ndarray, "rows features"]:
        """Return the posterior means of a modality in its own units."""
        found = self.machine.impute(self.evidence(data, given), imputed)
        return self.transforms[imputed].backward(found[imputed].double().numpy())

    def represent(self, data: MultimodalData) -> Float64[np.ndarray, "rows joint"]:
        """Return the joint representation of rows of which everything is given but the label."""
        given = self.evidence(data, tuple(data.features))
        return self.machine.represent(given).double().numpy()

    def in_units_of_data(self) -> MultimodalDeepBoltzmannMachine:
        """Return a machine that speaks of features in their own units.

        Natural parameters take up a scale without loss. Normal quantiles are no change of scale:
        modalities on them stay so.
        """
        linear = {m: t for m, t in self.transforms.items() if isinstance(t, Scale)}
        units = Units(
            {m: torch.as_tensor(t.mean) for m, t in linear.items()},
            {m: torch.as_tensor(t.deviation) for m, t in linear.items()},
        )
        made = self.machine.to(dtype=torch.float64)
        units.write(self.machine.to(dtype=torch.float64), made)
        return made


def fit_machine(
    declaration: MachineDeclaration,
    data: MultimodalData,
    checkpoint: Path | None = None,
    progress: EpochProgress | None = None,
) -> FittedMachine:
    """Build the machine that a declaration describes, and train it on rows.

    Raises
    ------
    LearningError
        If the settings of training do not fit, features are not finite, or training diverges.
    """
    transforms, pathways = {}, []
    for view in declaration.views:
        features = data.features[view.modality]
        transforms[view.modality] = fit_transform(view, features)
        visible = Variable(
            view.modality, shape=(features.shape[1],), modality=view.modality, family="gaussian"
        )
        pathways.append(Pathway(visible, view.hidden))
    generator = torch.Generator().manual_seed(declaration.report.seed)
    network = declaration.network
    links: Any = network.label_links
    machine = MultimodalDeepBoltzmannMachine(
        pathways, network.joint, data.target, label_links=links, generator=generator
    )
    fitted = FittedMachine(machine, transforms)
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
    found: dict[str, np.ndarray] = {}
    for given in declaration.report.given:
        found[f"probabilities:{'+'.join(given)}"] = fitted.predict_proba(test, given)
    for one in declaration.report.imputations:
        key = f"imputed:{one.imputed}:{'+'.join(one.given)}"
        found[key] = fitted.impute(test, one.given, one.imputed)
    if declaration.report.representation:
        found["representation"] = _from_representation(
            fitted.represent(train), train.codes, fitted.represent(test)
        )
    return found


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
