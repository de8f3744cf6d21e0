"""Reading and writing maps in the MRC2014/CCP4 format.

Source of the format: Cheng et al. 2015, J. Struct. Biol. 192, 146 (MRC2014), and
https://www.ccpem.ac.uk/mrc_format/mrc2014.php.
"""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Union

import numpy as np

from cryodl.compute.memory import check_memory
from cryodl.errors import InputError, OutputError
from cryodl.files.folder import whole_file
from cryodl.files.places import check_link
from cryodl.files.reading import check_is_file, unpacked
from cryodl.maps.mrc_bytes import as_meant
from cryodl.maps.volume import Triple, Volume

PathLike = Union[str, "os.PathLike[str]"]

HEADER_BYTES = 1024
WRITTEN = {"float32": (2, "<f4"), "float16": (12, "<f2"), "int8": (0, "i1")}  # mode, type
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
UNUSABLE_MODES = {3: "complex 16-bit integers", 4: "complex 32-bit reals", 101: "4-bit integers"}
ANISOTROPY = 0.01  # relative difference of voxel edges that is still called cubic
VOXEL_SIZES = (0.01, 200.0)  # Å; anything else is no voxel of a density, but a damaged header
EXTENDED = 2**28  # bytes, beyond which no extended header of a compressed map is believed
GZIP_RATIO = 1032  # that DEFLATE can reach; more cannot lie in a file
TAIL = 2**20  # bytes read behind the data of a compressed map, where its checksum stands


def read_map(path: PathLike, voxel_size: float | None = None) -> Volume:
    """Read a map: MRC or CCP4, plain, gzip or bzip2 (by content, not by name).

    Modes 0, 1, 2, 6 and 12, either byte order and every axis order are understood. The origin is
    the header's ORIGIN or, where that is zero, its start indices times the voxel size, as
    ChimeraX reads it.

    A space group of 0 ("image stack") is common in headers of real volumes, so it is believed
    only if the sampling agrees (MZ = 1) or the name ends in ``.mrcs``; a space group of 401 to
    630 is a stack of volumes unless it holds exactly one.

    Parameters
    ----------
    path : of the map
    voxel_size : Å, instead of the header's

    Returns
    -------
    Volume : its data, shape (z, y, x), float32, in memory of its own

    Raises
    ------
    InputError : the file is missing, no MRC file, truncated, a single image or a stack, or has
        non-orthogonal axes, anisotropic or zero voxels, values that are not finite or all equal
    """
    volume = read_values(path, voxel_size)
    _check_finite(path, volume.data)
    low, high = volume.data.min(), volume.data.max()
    if low == high:
        raise InputError(f"{path} is constant: every voxel is {low:g}; give a map with density")
    return volume


def read_mask(path: PathLike, voxel_size: float | None = None) -> Volume:
    """As `read_map`, of a mask, which may be 1 (or 255) in the whole box."""
    volume = read_values(path, voxel_size)
    _check_finite(path, volume.data)
    return volume


def read_values(path: PathLike, voxel_size: float | None = None) -> Volume:
    """As `read_map`, of a map whose values may be all equal, NaN or infinite."""
    path = Path(path)
    check_voxel_size(voxel_size, path)
    header, data = _read(path, only_header=False)
    return Volume(data, **_geometry(path, header, voxel_size))


def check_voxel_size(voxel_size: float | None, path: PathLike = "the map") -> None:
    """Raise InputError where a voxel size (Å) that is given cannot be."""
    if voxel_size is None:
        return
    if not (np.isfinite(voxel_size) and voxel_size > 0):
        raise InputError(f"voxel size {voxel_size} given for {path}: give a positive number of Å")
    low, high = VOXEL_SIZES
    if not low <= voxel_size <= high:
        raise InputError(f"voxel size {voxel_size:g} given for {path}: give {low:g} to {high:g} Å")


def header_voxel_size(path: PathLike) -> float | None:
    """Voxel size (Å) along x as the header says, 0 where it says none; None where it cannot be
    read: reading the map will say why."""
    try:
        header, _ = _read(Path(path), only_header=True)
    except InputError:
        return None
    edge, count = float(header["cella"]["x"]), int(header["mx"])
    size = edge / count if count > 0 else 0.0
    return size if np.isfinite(size) and size > 0 else 0.0


def read_header(path: PathLike) -> np.ndarray:
    """The header as it is stored, a record of `mrcfile`; InputError where it is none."""
    return _read(Path(path), only_header=True)[0]


def _read(path: Path, only_header: bool) -> tuple[np.ndarray, np.ndarray]:
    """Header and values, ndarray (z, y, x), float32; empty where only the header is wanted."""
    if os.path.isdir(path):
        raise InputError(f"{path} is a directory; give the map's file")
    check_is_file(path, "map")
    try:
        with open(path, "rb") as file, unpacked(file) as stream:
            header = _parse_header(path, stream.read(HEADER_BYTES))
            if only_header:
                return header, np.empty((0, 0, 0), np.float32)
            read = _read_plain if stream is file else _read_stream
            return header, read(path, stream, header)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); copy it again") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def write_map(
    path: PathLike, volume: Volume, *, overwrite: bool = False, kind: str = "float32"
) -> None:
    """Write a map so that every program sees it where the map it came from lies.

    The file is MRC2014, little-endian, of mode 2 (float32; or 12, float16, or 0, int8, as `kind`
    says), with the volume's axis order, start and origin fields; it is compressed if the name ends
    in ``.gz`` or ``.bz2``. It appears under its name only when complete.

    Raises
    ------
    OutputError : the file exists (without `overwrite`), or cannot be written
    """
    path = Path(path)
    if not isinstance(volume, Volume):
        raise InputError(
            f"{type(volume).__name__} is no map: give cryodl.Volume(array, voxel_size), in Å"
        )
    if os.path.isdir(path):
        raise OutputError(f"{path} is a directory; give a file name for the map")
    check_link(path)
    if os.path.exists(path) and not overwrite:
        raise OutputError(f"{path} exists; choose another name or allow overwriting")
    if not os.path.isdir(path.parent):
        raise OutputError(f"{path.parent} is not a directory; create it to write {path.name}")
    mode, stored = WRITTEN[kind]
    try:
        with whole_file(path, overwrite=overwrite) as part:
            with _open_for_writing(part, path.suffix.lower()) as file:
                file.write(_make_header(volume, mode).tobytes())
                for section in volume.data.transpose(_file_axes(volume.axis_order)):
                    file.write(np.ascontiguousarray(section, dtype=stored).data)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def _open_for_writing(path: Path, compression: str) -> Any:
    if compression == ".gz":
        return gzip.GzipFile(path, "wb", compresslevel=4, mtime=0)
    if compression == ".bz2":
        return bz2.BZ2File(path, "wb")
    return open(path, "wb")


def _parse_header(path: Path, raw: bytes) -> np.ndarray:
    """The header in the byte order in which it makes sense; the machine stamp is often wrong."""
    from mrcfile.dtypes import HEADER_DTYPE

    if not raw:
        raise InputError(f"{path} is empty; give a map in MRC format")
    if len(raw) == HEADER_BYTES:
        for order in "<>":
            header = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order))[0]
            sizes = (int(header["nx"]), int(header["ny"]), int(header["nz"]))
            known = int(header["mode"]) in MODES or int(header["mode"]) in UNUSABLE_MODES
            axes = sorted(_axis_order(header))
            if known and all(0 < size < 2**16 for size in sizes) and axes == [1, 2, 3]:
                return header
        if raw[208:211] == b"MAP":
            mode = {int(np.frombuffer(raw[12:16], order + "i4")[0]) for order in "<>"}
            sizes = np.frombuffer(raw[:12], "<i4").tolist()
            raise InputError(
                f"{path} has a damaged MRC header (size {sizes}, mode"
                f" {min(mode, key=abs)}); write it again with another program"
            )
    raise InputError(f"{path} is not an MRC file; give a map in MRC or CCP4 format")


def _axis_order(header: np.ndarray) -> tuple[int, int, int]:
    order = (int(header["mapc"]), int(header["mapr"]), int(header["maps"]))
    return order if any(order) else (1, 2, 3)  # left blank by some old programs


def _layout(path: Path, header: np.ndarray) -> tuple[int, tuple[int, int, int], np.dtype]:
    """Offset of the data in bytes, their shape (sections, rows, columns) and type."""
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    mode, group, sampling = int(header["mode"]), int(header["ispg"]), int(header["mz"])
    if mode in UNUSABLE_MODES:
        raise InputError(
            f"{path} holds {UNUSABLE_MODES[mode]} (mode {mode}); convert it to mode 2 (float32)"
        )
    if min(shape) == 1:
        size = " x ".join(str(count) for count in reversed(shape))
        raise InputError(f"{path} is a single image ({size}); give a 3D map")
    if group == 0 and (sampling == 1 or path.suffix.lower() == ".mrcs"):
        raise InputError(f"{path} is a stack of {shape[0]} images; give a 3D map")
    if 401 <= group <= 630 and sampling != shape[0]:
        raise InputError(f"{path} is a stack of volumes (space group {group}); give one of them")
    dtype = np.dtype(MODES[mode]).newbyteorder(header.dtype["nx"].byteorder)
    return HEADER_BYTES + max(0, int(header["nsymbt"])), shape, dtype


def _read_plain(path: Path, file: BinaryIO, header: np.ndarray) -> np.ndarray:
    offset, shape, dtype = _layout(path, header)
    held = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    size = os.fstat(file.fileno()).st_size
    if size < offset + held:
        if size != HEADER_BYTES + held:  # some programs left chance in the word for more headers
            raise InputError(f"{path} is truncated: {size} bytes of {offset + held}; copy it again")
        offset = HEADER_BYTES
    _check_fits(path, shape, 4)
    return _to_float(np.memmap(file, dtype, "r", offset, shape), header)


def _read_stream(path: Path, stream: Any, header: np.ndarray) -> np.ndarray:
    offset, shape, dtype = _layout(path, header)
    held = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    size = path.stat().st_size
    if isinstance(stream, gzip.GzipFile) and held > GZIP_RATIO * size:
        raise InputError(f"{path} is truncated: {size} bytes cannot hold {held}; copy it again")
    if offset > HEADER_BYTES + EXTENDED:
        raise InputError(
            f"{path} has a damaged MRC header (an extended header of"
            f" {offset - HEADER_BYTES} bytes); write it again with another program"
        )
    _check_fits(path, shape, 4 if dtype.itemsize == 4 else 4 + dtype.itemsize)
    left = offset - HEADER_BYTES
    while left:
        skipped = len(stream.read(min(left, TAIL)))
        if not skipped:
            raise InputError(f"{path} is truncated: it ends in its extended header; copy it again")
        left -= skipped
    stored = np.empty(shape, dtype)
    buffer, filled = stored.reshape(-1).view(np.uint8).data, 0
    while filled < len(buffer):
        count = stream.readinto(buffer[filled : filled + 2**24])
        if not count:
            raise InputError(f"{path} is truncated: {filled} bytes of {len(buffer)}; copy it again")
        filled += count
    stream.read(TAIL)  # the checksum stands at the end; more may follow, and is none of the map's
    return _to_float(stored, header)


def _check_fits(path: Path, shape: tuple[int, int, int], bytes_each: int) -> None:
    size = " x ".join(str(count) for count in reversed(shape))
    needed = float(np.prod(shape, dtype=np.float64)) * bytes_each
    check_memory(needed, f"{path} holds {size} voxels", "crop or bin the map, or use a larger"
                 " machine")  # fmt: skip


def _file_axes(order: tuple[int, int, int]) -> tuple[int, ...]:
    """Where the file's sections, rows and columns lie among the axes (z, y, x)."""
    return tuple(3 - axis for axis in reversed(order))


def _to_float(stored: np.ndarray, header: np.ndarray) -> np.ndarray:
    """Contiguous float32 with axes (z, y, x); copies only what it must."""
    axes = np.argsort(_file_axes(_axis_order(header)))
    turned = as_meant(stored, header).transpose(axes)
    if isinstance(stored, np.memmap):
        return np.array(turned, dtype=np.float32, order="C")
    return np.ascontiguousarray(turned, dtype=np.float32)


def _check_finite(path: PathLike, data: np.ndarray) -> None:
    if not (np.isfinite(data.min()) and np.isfinite(data.max())):  # either is NaN if any value is
        count = int(data.size - np.isfinite(data).sum())
        are = "values that are" if count > 1 else "value that is"
        raise InputError(f"{path} has {count} {are} NaN or infinite; mend the map first")


def _geometry(path: Path, header: np.ndarray, voxel_size: float | None) -> dict[str, Any]:
    """Voxel size, origin and what is needed to write the header back."""
    angles = [float(header["cellb"][name]) for name in ("alpha", "beta", "gamma")]
    if any(abs(angle - 90) > 0.05 for angle in angles) and any(angles):  # all zero: left blank
        named = ", ".join(f"{angle:g}" for angle in angles)
        raise InputError(f"{path} has cell angles {named}; resample it onto orthogonal axes")
    spacing = (voxel_size,) * 3 if voxel_size else _header_spacing(path, header)
    order = _axis_order(header)
    start = (int(header["nxstart"]), int(header["nystart"]), int(header["nzstart"]))
    header_origin = _xyz(header["origin"])
    if not np.all(np.isfinite(header_origin)):
        header_origin = (0.0, 0.0, 0.0)
    return dict(
        voxel_size=round(float(np.mean(spacing)), 6),
        origin=_seen_origin(header_origin, start, order, spacing),
        axis_order=order,
        start=start,
        header_origin=header_origin,
        header_spacing=spacing if len(set(spacing)) > 1 else None,
    )


def _seen_origin(
    header_origin: Triple, start: tuple[int, int, int], order: tuple[int, int, int], spacing: Triple
) -> Triple:
    """Where other programs see the first voxel: ORIGIN, or start indices if ORIGIN is zero."""
    if any(header_origin):
        return header_origin
    by_axis = dict(zip(order, start))  # start indices run along the file's axes, not x, y, z
    return by_axis[1] * spacing[0], by_axis[2] * spacing[1], by_axis[3] * spacing[2]


def _xyz(field: np.ndarray) -> Triple:
    return float(field["x"]), float(field["y"]), float(field["z"])


def _header_spacing(path: Path, header: np.ndarray) -> Triple:
    """Voxel edges (x, y, z) in Å."""
    edges = _xyz(header["cella"])
    counts = [int(header[name]) for name in ("mx", "my", "mz")]
    spacing = [edge / count if count > 0 else 0.0 for edge, count in zip(edges, counts)]
    if not all(np.isfinite(value) and value > 0 for value in spacing):
        cell, grid = (" x ".join(f"{value:g}" for value in each) for each in (edges, counts))
        raise InputError(
            f"{path} has no voxel size in its header (a cell of {cell} Å in {grid} voxels); give "
            "the true one as voxel_size="
        )
    low, high = VOXEL_SIZES
    if not all(low <= value <= high for value in spacing):
        named = " x ".join(f"{value:.4g}" for value in spacing)
        raise InputError(
            f"{path} has voxels of {named} Å in its header, which cannot be; give the"
            " true size as voxel_size="
        )
    if max(spacing) - min(spacing) > ANISOTROPY * min(spacing):
        named = " x ".join(f"{value:.4g}" for value in spacing)
        raise InputError(
            f"{path} has anisotropic voxels of {named} Å; resample it to cubic voxels,"
            " or give the true edge as voxel_size= if the header is wrong"
        )
    # a header's float32 holds seven digits; edges that agree so far are meant to be equal
    if max(spacing) - min(spacing) < 1e-5 * min(spacing):
        return (round(sum(spacing) / 3, 6),) * 3
    return round(spacing[0], 6), round(spacing[1], 6), round(spacing[2], 6)


def _fields_to_write(volume: Volume) -> tuple[Triple, tuple[int, int, int], Triple]:
    """Voxel edges, start indices and ORIGIN: as read, unless the volume has moved since."""
    spacing = (volume.voxel_size,) * 3
    if volume.header_spacing and abs(np.mean(volume.header_spacing) - volume.voxel_size) < 1e-5:
        spacing = volume.header_spacing
    if volume.header_origin is not None:
        seen = _seen_origin(volume.header_origin, volume.start, volume.axis_order, spacing)
        if np.allclose(seen, volume.origin, rtol=0, atol=1e-3):
            return spacing, volume.start, volume.header_origin
    return spacing, (0, 0, 0), volume.origin


def _make_header(volume: Volume, mode: int = 2) -> np.ndarray:
    from mrcfile.dtypes import HEADER_DTYPE

    header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    axes = _file_axes(volume.axis_order)
    header["nz"], header["ny"], header["nx"] = (volume.shape[axis] for axis in axes)
    header["mz"], header["my"], header["mx"] = volume.shape
    header["mode"] = mode
    header["mapc"], header["mapr"], header["maps"] = volume.axis_order
    spacing, start, origin = _fields_to_write(volume)
    header["nxstart"], header["nystart"], header["nzstart"] = start
    for axis, name in enumerate("xyz"):
        header["cella"][name] = volume.shape[2 - axis] * spacing[axis]
        header["origin"][name] = origin[axis]
    for name in ("alpha", "beta", "gamma"):
        header["cellb"][name] = 90
    data = volume.data
    mean = float(data.mean(dtype=np.float64))
    offsets = (plane - np.float32(mean) for plane in data)  # plane by plane to spare memory
    variance = np.mean([np.square(plane, dtype=np.float64).mean() for plane in offsets])
    header["dmin"], header["dmax"], header["dmean"] = data.min(), data.max(), mean
    header["rms"] = np.sqrt(variance)
    header["ispg"] = 1
    header["nversion"] = 20141
    header["map"] = b"MAP "
    header["machst"] = [0x44, 0x44, 0, 0]
    header["nlabl"] = 1
    header["label"][0] = b"Written by cryodl"
    return header
