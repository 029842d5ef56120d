"""Records of comparisons that were never run, of models whose quality is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmgraph.comparison.results import About, Answers, Condition, Failure, Tested

FAMILIES = {"network": "graphical", "late_fusion": "deep", "hybrid": "hybrid"}
MODALITIES = ("sound", "movement")
PLAIN = Condition()
EVERY = (MODALITIES, ("sound",), ("movement",), ())
Quality = Mapping[tuple[str, tuple[str, ...], Condition], float]


def about(**others) -> About:
    return About(
        **{
            **{"title": "Made up", "target": "act", "classes": ("run", "sit", "walk")},
            **{"modalities": MODALITIES, "rows": 400, "groups": None, "folds": 4},
            **{"inner_folds": 3, "seed": 0, "settings": {}, **others},
        }
    )


def split_rows(rows: int = 400, folds: int = 4, groups: int = 0, split: str = "random") -> Tested:
    generator = np.random.default_rng(7)
    group = np.arange(rows) % groups if groups else None
    folds = min(folds, groups) if groups else folds
    return Tested(
        split,
        np.arange(rows),
        generator.integers(0, 3, rows),
        np.arange(rows) % folds if group is None else group % folds,
        group,
        (rows - rows // folds,) * folds,
    )


def answers(
    model: str,
    share: float,
    rows: Tested,
    given: tuple[str, ...] = MODALITIES,
    condition: Condition = PLAIN,
    sure: float | None = None,
    **others,
) -> Answers:
    """A model that is right in a share of rows, the easy ones first, and so sure that it is."""
    count = len(rows.codes)
    ease = np.random.default_rng(3).permutation(count) / count
    own = np.random.default_rng(sum(map(ord, model))).random(count)
    right = np.argsort(np.argsort(0.9 * ease + 0.1 * own)) < share * count
    told = np.where(right, rows.codes, (rows.codes + 1) % 3)
    sure = share if sure is None else sure
    table = np.full((count, 3), (1 - sure) / 2)
    table[np.arange(count), told] = sure
    family = FAMILIES.get(model, "reference")
    return Answers(model, family, rows.split, given, condition, table, **others)


def prior(rows: Tested) -> list[Answers]:
    shares = np.full((len(rows.codes), 3), 1 / 3)
    return [Answers("prior", "reference", rows.split, g, Condition(), shares) for g in EVERY]


def full(split: str = "random", groups: int = 0) -> tuple[Tested, list[Answers]]:
    """Four models in every condition: the network loses to late fusion, and fusion to sound."""
    rows = split_rows(groups=groups, split=split)
    quality = {"network": 0.80, "late_fusion": 0.90, "hybrid": 0.91, "logistic <b>": 0.70}
    found = prior(rows)
    for place, (model, share) in enumerate(quality.items()):
        costs = {"train_seconds": 10.0**place, "rows_per_second": 1e4, "peak_bytes": 5e7}
        chosen = ({"width": 64}, {"width": 64}, {"width": 128}, {"width": 64})
        found.append(answers(model, share, rows, costs=costs, settings=chosen))
        sound = share + (0.06 if model == "network" else -0.1)
        for given, part in ((("sound",), sound), (("movement",), share - 0.2)):
            found.append(answers(model, part, rows, given))
            found.append(answers(model, part + 0.02, rows, given, Condition("refitted")))
        for modality in MODALITIES:
            for level in (0.5, 1.0, 2.0):
                noisy = Condition("noise", modality, level)
                found.append(answers(model, share - 0.1 * level, rows, condition=noisy))
        for level in (0.01, 0.05, 0.2):
            few = Condition("labels", "", level)
            found.append(answers(model, share - 0.2 + level, rows, condition=few))
    return rows, found


def failure(split: str = "random") -> Failure:
    return Failure("machine", split, 1, "the loss is <not> a number")
