"""The report of a comparison: its figures, in words, as a frame, as JSON, as a page."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

from mmgraph.comparison.report.compared_figures import ComparedFigures
from mmgraph.comparison.report.differences import METRICS, ROPE, Difference
from mmgraph.comparison.report.lead import lead
from mmgraph.comparison.report.page import content, page
from mmgraph.comparison.report.words import topics
from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.graph.storage.whole_files import checked_suffix, write_text

_SHOWN = ("model", "accuracy", "log_loss", "debiased_calibration_error", "train_seconds")


class ComparisonReport(ComparedFigures):
    """What models say of rows that they have not learned from, compared.

    Made by :func:`mmgraph.compare`; parameters and errors are those of :class:`ComparedFigures`.

    Examples
    --------
    >>> report = mm.compare(data, models=["network", "late_fusion"])  # doctest: +SKIP
    >>> report.differences("network", "late_fusion")                  # doctest: +SKIP
    >>> report.write("comparison.html")                               # doctest: +SKIP
    """

    def to_frame(self) -> Any:
        """Return :meth:`rows` as a data frame, with modalities that are given joined by commas.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame"):
            import pandas
        return pandas.DataFrame([{**row, "given": ", ".join(row["given"])} for row in self.rows()])

    def differences(self, a: str, b: str, *, rope: float = ROPE) -> Any:
        """Return how two models differ, for each split, set of modalities and metric.

        Parameters
        ----------
        a, b : str
            Models that were compared.
        rope : float
            Differences in accuracy and log-loss, to both sides of zero, that make none in practice.

        Returns
        -------
        pandas.DataFrame
            The fields of :class:`~mmgraph.comparison.report.differences.Difference`, and the
            ``verdict``: of each metric ``a`` less ``b`` with the 95% interval of a paired bootstrap
            over rows (of a grouped split, groups), the p-value of the corrected t-test over folds,
            and the probabilities that ``a`` is better, practically equivalent, or worse.

        Raises
        ------
        MmgraphError
            If there is no such model, both are the same, or ``rope`` is negative.
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame"):
            import pandas
        if self.checked_model(a) == self.checked_model(b):
            raise MmgraphError(f"'{a}' differs from itself in nothing")
        records = [one.as_record() for one in self._pair(a, b, rope)]
        return pandas.DataFrame([{**r, "given": ", ".join(r["given"])} for r in records])

    def _pair(self, a: str, b: str, rope: float) -> list[Difference]:
        """The differences of two models wherever both were asked of rows as they are."""
        places = [(split, given) for split in self.splits for given in self.sets(split)]
        return [
            self.difference(one, other, metric, rope)
            for (split, given), metric in itertools.product(places, METRICS)
            if (one := self.find(a, split, given)) and (other := self.find(b, split, given))
        ]

    def words(self) -> list[str]:
        """Return what the numbers say: in short, then a paragraph on each topic and split.

        First stands which split counts, which model is best, how the best graphical and deep models
        differ, and what fusion brings. Then it is said which models cannot be told apart from the
        best, where graphical models lose, where fusion loses to its best part, what is lost when
        modalities are missing or disturbed, and what is not calibrated.
        """
        return [lead(self), *(topic.text for topic in topics(self))]

    def to_json(self) -> str:
        """Return every number as JSON: rows, differences, curves, Shapley values and so on."""
        return json.dumps(content(self), indent=1, allow_nan=False) + "\n"

    def write(self, path: str | os.PathLike[str]) -> list[str]:
        """Write the page, one file that works offline, prints and reads on a telephone.

        Parameters
        ----------
        path : str or path
            A name that ends in ``.html``; all numbers go to the same name in ``.json``. What is
            there is replaced.

        Returns
        -------
        list of str
            The files written.

        Raises
        ------
        FormatError
            If the ending is another, or the place cannot be written.
        MissingExtraError
            If jinja2 or matplotlib is not installed.
        """
        checked_suffix(path, (".html",))
        files = {Path(path): page(self), Path(path).with_suffix(".json"): self.to_json()}
        for file, text in files.items():
            write_text(file, text)
        return [str(file) for file in files]

    def __repr__(self) -> str:
        lines = []
        for split in self.splits:
            rows = [self.row(one) for one in self.answers_given_all(split)]
            cells = [list(_SHOWN), *([_cell(row[key]) for key in _SHOWN] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            lines.append(f"{self.about.title}, {split}, {' + '.join(self.all_modalities)}:")
            lines += [
                "  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip()
                for line in cells
            ]
        return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
