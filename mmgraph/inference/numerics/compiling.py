"""The decorators of compiled functions."""

from __future__ import annotations

import numba

# Infinities are legal, so that flag is left out; there are no NaNs.
compiled = numba.njit(
    cache=True, fastmath={"nnan", "nsz", "contract", "reassoc"}, nogil=True, error_model="numpy"
)


# A call passes every array as seven numbers, which costs more than the few states it is about.
inlined = numba.njit(
    cache=True,
    fastmath={"nnan", "nsz", "contract", "reassoc"},
    nogil=True,
    error_model="numpy",
    inline="always",
)
