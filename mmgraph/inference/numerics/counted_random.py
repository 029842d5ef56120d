"""Random bits from a counter: the same wherever, and on whichever thread, they are made.

Philox4x32-10 of Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as 1, 2,
3", section 3.3. Nothing is carried from one number to the next, so the loop runs in vector
registers.
"""

from __future__ import annotations

import numpy as np
import torch

from mmgraph.inference.numerics.compiling import compiled

_FIRST, _SECOND = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_FIRST_WEYL, _SECOND_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

# Uniform numbers in the middle of equal steps of (0, 1): never zero, so that what has probability
# zero is never drawn, and below one.
STEP_DOUBLE, HALF_STEP_DOUBLE = np.float64(2.0**-32), np.float64(2.0**-33)
STEP_SINGLE, HALF_STEP_SINGLE = np.float32(2.0**-23), np.float32(2.0**-24)
SINGLE_SHIFT = np.uint32(9)  # the bits of a word that single precision cannot hold


def random_keys(generator: torch.Generator | None, count: int) -> np.ndarray:
    """Draw keys of random streams, shape (count, 2); the same seed gives the same keys."""
    bits = torch.randint(0, 2**32, (count, 2), generator=generator, dtype=torch.int64)
    return bits.numpy().astype(np.uint32)


def device_generator(generator: torch.Generator | None, device: torch.device) -> torch.Generator:
    """Return a generator on a device, seeded by one that is perhaps elsewhere."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


def placed_generator(
    generator: torch.Generator | None, device: torch.device | str
) -> torch.Generator | None:
    """Return a generator itself where it is on a device, else one there that it seeds."""
    if generator is None or generator.device.type == torch.device(device).type:
        return generator
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    return torch.Generator(device).manual_seed(seed)


@compiled
def random_words(words, quarter, first, second, third, fourth, key):
    """Fill ``4 * quarter`` words of 32 random bits from ``quarter`` counters.

    The counters are ``(first + i, second, third, fourth)``; the words of a counter lie ``quarter``
    apart.
    """
    count = np.uint64(quarter)
    two = count + count
    three = two + count
    begin, b0 = np.uint64(first), np.uint64(second) & _LOW
    c0, d0 = np.uint64(third) & _LOW, np.uint64(fourth) & _LOW
    x0, y0 = np.uint64(key[0]), np.uint64(key[1])
    for i in range(count):
        a, b, c, d = (begin + i) & _LOW, b0, c0, d0
        x, y = x0, y0
        for _ in range(10):
            p, q = a * _FIRST, c * _SECOND
            a, b = (q >> _HALF) ^ b ^ x, q & _LOW
            c, d = (p >> _HALF) ^ d ^ y, p & _LOW
            x, y = (x + _FIRST_WEYL) & _LOW, (y + _SECOND_WEYL) & _LOW
        words[i] = np.uint32(a)
        words[count + i] = np.uint32(b)
        words[two + i] = np.uint32(c)
        words[three + i] = np.uint32(d)
