"""Data sets by name, each read as a record of its own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, overload

from mmgraph.datasets.entries import entry

if TYPE_CHECKING:
    from mmgraph.datasets.basic_motions import BasicMotions
    from mmgraph.datasets.bnlearn import BundledNetworks
    from mmgraph.datasets.digits_six_views import DigitsSixViews
    from mmgraph.datasets.efficientnet_lite0 import EfficientNetLite0Weights
    from mmgraph.datasets.emoji import Emoji
    from mmgraph.datasets.home_activities import HomeActivities
    from mmgraph.datasets.indian_pines import IndianPines
    from mmgraph.datasets.motorcycle_stereo import MotorcycleStereo
    from mmgraph.datasets.open_clip_art import OpenClipArt
    from mmgraph.datasets.sachs import Sachs
    from mmgraph.datasets.sequences.asterisk_prompts import AsteriskPrompts
    from mmgraph.datasets.sequences.espeak_ng import EspeakNg
    from mmgraph.datasets.sequences.hapt import Hapt
    from mmgraph.datasets.sequences.spoken_commands import SpokenCommands
    from mmgraph.datasets.sequences.square_video import SquareVideo
    from mmgraph.datasets.sequences.tud_pedestrians import TudPedestrians
    from mmgraph.datasets.smartwatch_exercises import SmartwatchExercises
    from mmgraph.datasets.tux_paint_stamps import TuxPaintStamps


@overload
def load(name: Literal["home_activities"]) -> HomeActivities: ...
@overload
def load(name: Literal["digits_six_views"]) -> DigitsSixViews: ...
@overload
def load(name: Literal["bnlearn"]) -> BundledNetworks: ...
@overload
def load(name: Literal["indian_pines"]) -> IndianPines: ...
@overload
def load(name: Literal["motorcycle_stereo"]) -> MotorcycleStereo: ...
@overload
def load(name: Literal["sachs"]) -> Sachs: ...
@overload
def load(name: Literal["smartwatch_exercises"]) -> SmartwatchExercises: ...
@overload
def load(name: Literal["basic_motions"]) -> BasicMotions: ...
@overload
def load(name: Literal["efficientnet_lite0"]) -> EfficientNetLite0Weights: ...
@overload
def load(name: Literal["open_clip_art"]) -> OpenClipArt: ...
@overload
def load(name: Literal["emoji"]) -> Emoji: ...
@overload
def load(name: Literal["tux_paint_stamps"]) -> TuxPaintStamps: ...
@overload
def load(name: Literal["hapt"]) -> Hapt: ...
@overload
def load(name: Literal["tud_pedestrians"]) -> TudPedestrians: ...
@overload
def load(name: Literal["espeak_ng"]) -> EspeakNg: ...
@overload
def load(name: Literal["spoken_commands"]) -> SpokenCommands: ...
@overload
def load(name: Literal["asterisk_prompts"]) -> AsteriskPrompts: ...
@overload
def load(name: Literal["square_video"]) -> SquareVideo: ...
@overload
def load(name: str) -> Any: ...


def load(name: str) -> Any:
    """Load a data set, fetching it first if need be.

    Parameters
    ----------
    name : str
        A name in :func:`catalog`.

    Returns
    -------
    object
        The data set's own record, such as
        :class:`mmgraph.datasets.home_activities.HomeActivities`.

    Raises
    ------
    DatasetError
        If the name is unknown or the data cannot be got; the message says what to run.
    """
    # A module a data set, imported only when asked for: some need pandas or Pillow.
    module = importlib.import_module(entry(name).module)
    return module.load()
