"""The training of a small net, in this process or in one that tests kill or run twice at once.

In ``slow`` mode each step takes a moment, so that a kill comes in the midst; in ``nan`` mode the
loss of the second epoch's first step is not a number.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

import mmgraph as mm
from mmgraph.deep.inputs.modality_input import fitted_inputs
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import NetLearner, learn_net
from mmgraph.deep.training.net import NetDesign
from mmgraph.deep.training.options import NetTraining
from mmgraph.graph.errors import MmgraphError

ROWS = 70
TRAINING = NetTraining(epochs=4, batch_size=16, blocks=2, seed=3, checkpoint_steps=3,
                       warm_up_epochs=1.0)  # fmt: skip
_LAST_GOOD_STEP = ROWS // TRAINING.batch_size + 1


def rows_of(count: int = ROWS, seed: int = 0) -> mm.MultimodalData:
    """Rows of two modalities, of which cells are missing."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    sound, movement = (labels[:, None] + random.standard_normal((count, w)) for w in (3, 4))
    sound[random.random(sound.shape) < 0.1] = np.nan
    movement[::7] = np.nan
    return mm.MultimodalData.of({"sound": sound, "movement": movement}, labels)


def design_of(data: mm.MultimodalData, width: int = 8, members: int = 2) -> NetDesign:
    shapes = {m: one.shape for m, one in fitted_inputs(data, data.modalities).items()}
    encoders = {m: ("mlp", {"hidden": (16,)}) for m in shapes}
    return NetDesign(shapes, encoders, "joint", 3, members, width)


def run(
    directory: Path | str | None = None,
    mode: str = "",
    data: mm.MultimodalData | None = None,
    training: NetTraining = TRAINING,
    device: str = "cpu",
    **design: int,
) -> LearnedNet:
    data, inner, calls = data or rows_of(), NetLearner.losses, 0

    def losses(self, *arguments):
        nonlocal calls
        calls += 1
        if "slow" in mode:
            time.sleep(0.02)
        return inner(self, *arguments) * (
            np.nan if "nan" in mode and calls > _LAST_GOOD_STEP else 1
        )

    NetLearner.losses = losses
    try:
        return learn_net(
            design_of(data, **design), fitted_inputs(data, data.modalities), data, training,
            device=device, directory=directory and Path(directory),
        )  # fmt: skip
    finally:
        NetLearner.losses = inner


def main(directory: str, result: str, mode: str = "") -> None:
    """Train, and write the parameters; an error is exit code 3."""
    try:
        learned = run(directory, mode)
    except MmgraphError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
    file = Path(result).with_suffix(f".{os.environ.get('RANK', '0')}")
    save_file(learned.net.state_dict(), file)
