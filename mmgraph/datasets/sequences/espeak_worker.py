"""Speaks with the library of eSpeak NG; started as a process of its own, by its path.

It needs the standard library alone. From standard input it reads JSON: ``[library, folder of its
data, [[text, voice, speed, pitch], …]]``; to standard output it writes, for each phrase, the
number of bytes (four, little-endian) and the samples (16 bits), and then in the same way its phones
as JSON: ``[[first sample, IPA], …]``. What goes wrong ends it with a line on standard error.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any

RATE = 22050
_SYNCHRONOUS, _NO_EXIT, _UTF8 = 2, 0x8000, 1
_PHONE_EVENTS, _IN_IPA = 1, 2
_SPEED, _PITCH = 1, 3
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def main() -> None:
    """Answer what stands on standard input."""
    path, data, phrases = json.load(sys.stdin)
    library = ctypes.CDLL(path)
    options = _NO_EXIT | _PHONE_EVENTS | _IN_IPA
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), options)
    if rate != RATE:
        sys.exit(f"eSpeak NG speaks at {rate} Hz, not at {RATE} (its data are in {data})")
    for phrase in phrases:
        sys.stdout.buffer.write(_in_a_fork(library, phrase))


def _in_a_fork(library: ctypes.CDLL, phrase: list[Any]) -> bytes:
    """Speak one phrase: in a fork, since the library's noise depends on what it spoke before."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(writing, "wb") as pipe:
            status = _speak(library, phrase, pipe.write)
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        spoken = pipe.read()
    if os.waitpid(child, 0)[1]:
        sys.exit(f"eSpeak NG cannot speak {phrase[0]!r} as {phrase[1]!r}")
    return spoken


class _Event(ctypes.Structure):
    """What eSpeak NG says of a place in the samples; the last of several has the type 0."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("type", "number", "text", "length", "time", "sample")),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


_PHONE = 7


def _speak(library: ctypes.CDLL, phrase: list[Any], write: Callable[[bytes], Any]) -> int:
    """Speak one phrase; 0 where that succeeds."""
    text, voice, speed, pitch = phrase
    spoken, phones = bytearray(), []

    def take(samples: int | None, count: int, events: int) -> int:
        if samples and count > 0:
            spoken.extend(ctypes.string_at(samples, 2 * count))
        event: Any = ctypes.cast(events, ctypes.POINTER(_Event))
        place = 0
        while events and event[place].type:
            if event[place].type == _PHONE:
                phones.append((event[place].sample, event[place].name.decode(errors="replace")))
            place += 1
        return 0

    callback = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    failed = library.espeak_SetVoiceByName(voice.encode())
    failed |= library.espeak_SetParameter(_SPEED, speed, 0)
    failed |= library.espeak_SetParameter(_PITCH, pitch, 0)
    library.espeak_ng_SetRandSeed(0)
    content = text.encode() + b"\0"
    failed |= library.espeak_Synth(content, len(content), 0, 1, 0, _UTF8, None, None)
    for part in (spoken, json.dumps(phones).encode()):
        write(len(part).to_bytes(4, "little") + part)
    return int(bool(failed))


if __name__ == "__main__":
    main()
