"""Settings of models by name, as scikit-learn's estimators have them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from mmgraph.graph.errors import LearningError, check_choice

_NEEDED = inspect.Parameter.empty


class ModelSettings:
    """A model that remembers what its constructor was given.

    ``sklearn.base.clone`` makes another of the same settings, which has learned nothing. Of a
    constructor that takes ``**settings`` those of the class that it extends are settings, too.
    """

    _constructed_with: dict[str, Any]

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Remember the settings, before the constructor of the class reads them.

        Raises
        ------
        LearningError
            If there is no setting of a name: which, and the nearest.
        """
        made = super().__new__(cls)
        defaults = cls._defaults()
        for name in settings:
            check_choice(f"setting of a {cls.__name__}:", name, defaults, LearningError)
        given = dict(zip(defaults, args, strict=False)) | settings
        known = {n: default for n, default in defaults.items() if default is not _NEEDED} | given
        made._constructed_with = {n: known[n] for n in defaults if n in known}
        return made

    @classmethod
    def _defaults(cls) -> Mapping[str, Any]:
        """The settings in order, with their defaults."""
        found: dict[str, Any] = {}
        for base in cls.__mro__:
            if "__init__" not in base.__dict__:
                continue
            own = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
            named = [p for p in own if p.kind is not inspect.Parameter.VAR_KEYWORD]
            found |= {p.name: p.default for p in named if p.name not in found}
            if len(named) == len(own):
                break
        return found

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, as the constructor was given them."""
        return dict(self._constructed_with)

    def set_params(self, **settings: Any) -> Self:
        """Change settings, and forget what was learned.

        Raises
        ------
        LearningError
            If there is no setting of a name, or one does not fit: which.
        """
        if settings:
            made = vars(type(self)(**self._constructed_with | settings))
            vars(self).clear()
            vars(self).update(made)
        return self

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn's searches ask of an estimator."""
        from sklearn.utils import InputTags, Tags, TargetTags

        inputs = InputTags(two_d_array=False, allow_nan=True)
        return Tags("density_estimator", TargetTags(required=False), input_tags=inputs)


def seeded(random_state: int | None, *more: int) -> np.random.Generator:
    """Return a generator: of a seed the same at each call, of None another."""
    return np.random.default_rng(None if random_state is None else [random_state, *more])
