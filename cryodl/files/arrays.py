"""Arrays from .npy and .npz files, none of which may promise more than its file holds."""

from __future__ import annotations

import math
import os
import sys
import tokenize
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np

from cryodl.compute.memory import check_memory
from cryodl.errors import InputError
from cryodl.files.reading import check_is_file

DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, SyntaxError, RecursionError,
           NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
           tokenize.TokenError)  # fmt: skip


def read_arrays(path: str | os.PathLike[str], *names: str) -> dict[str, np.ndarray]:
    """Arrays of a .npz file, of numbers or text, by name.

    names : that it must hold; others are read, too

    Raises InputError where it is damaged, or promises more than it holds or memory can.
    """
    check_is_file(path, "packed set")
    try:
        with open(path, "rb") as file:
            arrays = read_packed(file, name=path)
    except DAMAGED as error:
        raise InputError(f"'{path}' is damaged ({_one_line(error)}): make it again") from None
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"'{path}' is damaged: it holds no {', '.join(missing)}; make it again")
    return arrays


def read_packed(file: Any, most: float = math.inf, name: Any = "it") -> dict[str, np.ndarray]:
    """Arrays of an open .npz file, by name.

    most : bytes, unpacked, beyond which it is refused;  name : of the file, for messages

    Raises one of DAMAGED where it is damaged, or promises more than it holds; InputError where it
    promises more than memory can hold.
    """
    with zipfile.ZipFile(file) as packed:
        entries = packed.infolist()
        promised = sum(entry.file_size for entry in entries)
        if promised > most:
            raise ValueError(f"it promises {promised} bytes")
        check_memory(promised, f"{name} promises arrays",
                     "it is damaged, or for a larger machine")  # fmt: skip
        arrays = {}
        for entry in entries:
            with packed.open(entry) as stream:
                held = _read_array(stream, entry.file_size)
            arrays[entry.filename.removesuffix(".npy")] = held
    return arrays


def read_array(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of a .npy file. Raises InputError as `read_arrays` does."""
    check_is_file(path, "array")
    try:
        with open(path, "rb") as stream:
            return _read_array(stream, os.fstat(stream.fileno()).st_size)
    except DAMAGED as error:
        raise InputError(f"'{path}' is damaged ({_one_line(error)}): make it again") from None


def _read_array(stream: Any, size: int) -> np.ndarray:
    """An array in NumPy's format, of so many bytes with its header."""
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0,
                   (2, 0): np.lib.format.read_array_header_2_0}[version]  # fmt: skip
    try:
        with warnings.catch_warnings():  # of a header that is nearly Python, as old ones are
            warnings.simplefilter("ignore")
            shape, columns_first, dtype = read_header(stream)
    except MemoryError:  # what Python's parser says of brackets without end
        raise ValueError("a header that cannot be read") from None
    if dtype.kind not in "biufU" or dtype.itemsize == 0:
        raise ValueError(f"an array of {dtype}")
    count = 1
    for length in shape:
        count *= int(length)
    if min(shape, default=0) < 0 or count * dtype.itemsize > size:
        raise ValueError(f"an array of shape {shape} in {size} bytes")
    array = np.empty(count, dtype)
    buffer, filled = array.view(np.uint8).data, 0
    while filled < len(buffer):
        got = stream.readinto(buffer[filled : filled + 2**24])
        if not got:
            raise ValueError(f"{filled} bytes of {len(buffer)}")
        filled += got
    if dtype.kind == "U" and count and array.view(dtype.byteorder + "u4").max() > sys.maxunicode:
        raise ValueError("letters that there are not")
    return array.reshape(shape, order="F" if columns_first else "C")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
