"""Exponentials of whole rows, written so that compilers use the vector units."""

from __future__ import annotations

import numba
import numpy as np

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LEAST = -708.0
"""Below its exponential doubles are no longer of full precision; it is taken as zero."""

_ROUND = 6755399441055744.0
"""Adding it to a double rounds that to a whole number, which the lower bits then hold: 1.5 *
2^52."""


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz", "contract"})
def exponentials(values, shift, room, out):
    """Write ``exp(values - shift)`` to ``out``, zero where that is below 1e-307.

    The argument is ``n ln 2 + r``; exp(r) is its Taylor polynomial of degree 13 on |r| <= 0.35,
    right to a unit in the last place, and 2^n is written into the bits of a double. ``room`` takes
    as many doubles; no value may exceed ``shift`` by more than 700.
    """
    for k in range(len(values)):
        x = max(values[k] - shift, _LEAST)
        rounded = x * _LOG2_E + _ROUND
        n = rounded - _ROUND
        room[k] = rounded
        r = (x - n * _LN2_HIGH) - n * _LN2_LOW
        p = 1.6059043836821613e-10
        p = p * r + 2.08767569878681e-09
        p = p * r + 2.505210838544172e-08
        p = p * r + 2.755731922398589e-07
        p = p * r + 2.755731922398589e-06
        p = p * r + 2.48015873015873e-05
        p = p * r + 1.984126984126984e-04
        p = p * r + 1.388888888888889e-03
        p = p * r + 8.333333333333333e-03
        p = p * r + 4.1666666666666664e-02
        p = p * r + 1.6666666666666666e-01
        p = p * r + 0.5
        p = p * r + 1.0
        out[k] = p * r + 1.0
    bits = room[: len(values)].view(np.int64)
    for k in range(len(values)):
        bits[k] = (bits[k] + 1023) << 52
    for k in range(len(values)):
        out[k] = out[k] * room[k] if values[k] - shift > _LEAST else 0.0
