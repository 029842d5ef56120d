"""The decorators of compiled functions."""

from __future__ import annotations

from typing import Any

import numba

# Infinities are legal, so that flag is left out; there are no NaNs.
_OPTIONS: dict[str, Any] = {
    "cache": True,
    "fastmath": {"nnan", "nsz", "contract", "reassoc"},
    "nogil": True,
    "error_model": "numpy",
}
_UNCOUNTED: dict[str, Any] = {"_nrt": False}

compiled = numba.njit(**_OPTIONS)

# A call passes every array as seven numbers, which costs more than the few states it is about.
inlined = numba.njit(**_OPTIONS, inline="always")

# For functions that allocate nothing. Each look at an array of a record counts a reference to it,
# in every turn of a loop; functions that only borrow their arrays need not count.
uncounted = numba.njit(**_OPTIONS, **_UNCOUNTED)
