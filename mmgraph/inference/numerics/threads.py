"""Work that several threads share, each a part of a range."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


def run_together(
    pool: ThreadPoolExecutor, work: Callable[..., None], parts: Sequence[object]
) -> None:
    """Call a function with every part on the threads of a pool, and wait for all of them."""
    if len(parts) == 1:
        work(parts[0])
    else:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()


def cuts(begin: int, end: int, parts: int, step: int = 1) -> list[tuple[int, int]]:
    """Cut a range into at most so many parts, at multiples of a step."""
    if end <= begin:
        return []
    marks = {begin, end}
    for part in range(1, parts):
        cut = round((begin + (end - begin) * part / parts) / step) * step
        if begin < cut < end:
            marks.add(cut)
    return list(itertools.pairwise(sorted(marks)))
