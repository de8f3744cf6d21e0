"""Integers of MRC files as they were meant: not all programs sign them as the standard says.

Mode 0 is signed in MRC2014 and was unsigned in most programs before; mode 1 holds unsigned words of
some cameras. What was meant is shown by IMOD's stamp and flag
(https://bio3d.colorado.edu/imod/doc/mrc_format.txt), by the header's own extremes where they fit
the unsigned values alone, and by a mask's two values, 0 and 255.
"""

from __future__ import annotations

import numpy as np

IMOD_STAMP = 1146047817  # at byte 152; bit 0 of the next word: bytes are signed
OFFSET = 128  # that IMOD adds to its signed bytes
UNSIGNED = {"i1": "u1", "i2": "u2"}


def as_meant(stored: np.ndarray, header: np.ndarray) -> np.ndarray:
    """The values that were meant; `stored` itself where they are these.

    stored : ndarray, of any shape, as the header's mode says
    header : of the file
    """
    kind = stored.dtype.str[1:]
    if kind not in UNSIGNED or not stored.size:
        return stored
    unsigned = stored.view(np.dtype(UNSIGNED[kind]).newbyteorder(stored.dtype.byteorder))
    low, high = int(stored.min()), int(stored.max())
    if low >= 0:
        return stored
    if kind == "i1":
        stamp, flags = np.frombuffer(header["extra2"].tobytes()[40:48], header.dtype["nx"])
        if stamp == IMOD_STAMP:
            return stored.astype(np.int16) + OFFSET if flags & 1 else unsigned
        if (low, high) == (-1, 0):  # a mask of 0 and 255
            return unsigned
    stated = float(header["dmin"]), float(header["dmax"])
    if _close(stated, (int(unsigned.min()), int(unsigned.max()))):
        return stored if _close(stated, (low, high)) else unsigned
    return stored


def _close(stated: tuple[float, float], found: tuple[int, int]) -> bool:
    return all(abs(a - b) < 0.5 for a, b in zip(stated, found))
