"""Maps survive reading and writing; bad files are refused in one line."""

import bz2
import gzip
import itertools
from dataclasses import replace

import mrcfile
import numpy as np
import pytest

from cryodl.errors import InputError, OutputError
from cryodl.maps.mrc import read_map, write_map
from cryodl.maps.volume import Volume

TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def asymmetric(dtype="f4"):
    """Shape (z, y, x) = (4, 5, 7), every voxel different from its mirror images."""
    return np.arange(4 * 5 * 7).reshape(4, 5, 7).astype(dtype) % 100


def header_and_data(data, order=(1, 2, 3), byte_order="<", **fields):
    """An MRC file in bytes, made from the standard's table and not with our writer."""
    stored = data.transpose([3 - axis for axis in reversed(order)])
    header = np.zeros((), mrcfile.dtypes.HEADER_DTYPE.newbyteorder(byte_order))
    header["nz"], header["ny"], header["nx"] = stored.shape
    header["mz"], header["my"], header["mx"] = data.shape
    header["mode"] = next(mode for mode, kind in TYPES.items() if data.dtype == np.dtype(kind))
    header["mapc"], header["mapr"], header["maps"] = order
    for axis, name in enumerate("xyz"):
        header["cella"][name] = data.shape[2 - axis] * 1.5
    header["cellb"] = (90, 90, 90)
    header["ispg"] = 1
    header["map"] = b"MAP "
    header["machst"] = [0x44, 0x44, 0, 0] if byte_order == "<" else [0x11, 0x11, 0, 0]
    for name, value in fields.items():
        header[name] = value
    stored = stored.astype(stored.dtype.newbyteorder(byte_order))
    return header.tobytes() + b"\0" * int(header["nsymbt"]) + stored.tobytes()


@pytest.mark.parametrize("order", itertools.permutations((1, 2, 3)))
def test_axis_order_start_and_origin_are_kept(order, tmp_path):
    data = asymmetric()
    (tmp_path / "in.mrc").write_bytes(
        header_and_data(data, order, nxstart=-3, nystart=5, nzstart=11)
    )
    volume = read_map(tmp_path / "in.mrc")
    np.testing.assert_array_equal(volume.data, data)
    # nxstart counts along the file's columns, which are the axis order[0]
    expected = {order[0]: -3 * 1.5, order[1]: 5 * 1.5, order[2]: 11 * 1.5}
    assert volume.origin == pytest.approx([expected[axis] for axis in (1, 2, 3)])
    assert volume.voxel_size == pytest.approx(1.5)
    assert volume.data.flags.c_contiguous and volume.data.dtype == np.float32

    write_map(tmp_path / "out.mrc", volume)
    with mrcfile.open(tmp_path / "out.mrc") as written, mrcfile.open(tmp_path / "in.mrc") as given:
        np.testing.assert_array_equal(written.data, given.data)
        for name in (
            "nx",
            "ny",
            "nz",
            "nxstart",
            "nystart",
            "nzstart",
            "mapc",
            "mapr",
            "maps",
            "mx",
            "my",
            "mz",
            "cella",
            "origin",
        ):
            assert written.header[name] == given.header[name], name
        assert written.header.rms == pytest.approx(data.std(), rel=1e-5)
        assert (written.header.dmin, written.header.dmax) == (0, 99)
        assert written.header.dmean == pytest.approx(data.mean(), rel=1e-6)
        assert written.header.ispg == 1 and written.header["map"] == b"MAP "
    assert mrcfile.validate(tmp_path / "out.mrc")


@pytest.mark.parametrize(
    "mode, byte_order, pack", itertools.product(TYPES, "<>", (bytes, gzip.compress, bz2.compress))
)
def test_modes_byte_orders_and_compressions(mode, byte_order, pack, tmp_path):
    data = asymmetric(TYPES[mode])
    data[0, 0, 0] = 3
    raw = header_and_data(data, (3, 1, 2), byte_order, nsymbt=80)
    (tmp_path / "any.name").write_bytes(pack(raw))
    np.testing.assert_array_equal(read_map(tmp_path / "any.name").data, data.astype("f4"))


def test_a_wrong_machine_stamp_and_a_missing_map_word_do_no_harm(tmp_path):
    data = asymmetric()
    raw = header_and_data(data, byte_order=">", machst=[0x44, 0x44, 0, 0], map=b"\0\0\0\0")
    (tmp_path / "old.mrc").write_bytes(raw)
    np.testing.assert_array_equal(read_map(tmp_path / "old.mrc").data, data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_unsigned_bytes_of_imod(tmp_path, order):
    data = asymmetric("i1")
    data[1, 2, 3] = -6
    raw = bytearray(header_and_data(data, byte_order=order))
    raw[152:160] = np.array([1146047817, 0], f"{order}i4").tobytes()
    (tmp_path / "imod.mrc").write_bytes(raw)
    assert read_map(tmp_path / "imod.mrc").data[1, 2, 3] == 250


def test_origin_wins_over_start_and_both_are_written_back(tmp_path):
    raw = header_and_data(asymmetric(), origin=(-10.5, 20, 0), nxstart=9)
    (tmp_path / "in.mrc").write_bytes(raw)
    volume = read_map(tmp_path / "in.mrc")
    assert volume.origin == (-10.5, 20, 0)
    write_map(tmp_path / "out.mrc", volume)
    again = read_map(tmp_path / "out.mrc")
    assert again.origin == (-10.5, 20, 0) and again.start == (9, 0, 0)


def test_a_moved_volume_is_written_where_it_now_is(tmp_path):
    (tmp_path / "in.mrc").write_bytes(header_and_data(asymmetric(), nxstart=9, nystart=-4))
    volume = read_map(tmp_path / "in.mrc")
    for origin in ((1.0, 2.0, 3.0), (0.0, 0.0, 0.0)):
        write_map(tmp_path / "out.mrc", replace(volume, origin=origin), overwrite=True)
        assert read_map(tmp_path / "out.mrc").origin == origin


def test_slightly_different_edges_are_kept(tmp_path):
    raw = header_and_data(asymmetric(), cella=(7 * 1.5, 5 * 1.5, 4 * 1.506))
    (tmp_path / "in.mrc").write_bytes(raw)
    volume = read_map(tmp_path / "in.mrc")
    assert volume.voxel_size == pytest.approx(1.502)
    write_map(tmp_path / "out.mrc", volume)
    with mrcfile.open(tmp_path / "out.mrc") as written:
        assert float(written.voxel_size.z) == pytest.approx(1.506)
        assert float(written.voxel_size.x) == pytest.approx(1.5)


def test_voxel_size_can_be_given(tmp_path):
    (tmp_path / "in.mrc").write_bytes(header_and_data(asymmetric(), cella=(0, 0, 0), nxstart=2))
    volume = read_map(tmp_path / "in.mrc", voxel_size=2.5)
    assert volume.voxel_size == 2.5 and volume.origin == (5, 0, 0)


@pytest.mark.parametrize("name", ["out.mrc", "out.map.gz", "out.mrc.bz2"])
def test_written_maps_are_compressed_by_name(name, tmp_path):
    volume = Volume(asymmetric(), 1.1, (1, 2, 3))
    write_map(tmp_path / name, volume)
    magic = (tmp_path / name).read_bytes()[:2]
    assert magic == {"gz": b"\x1f\x8b", "z2": b"BZ"}.get(name[-2:], magic)
    again = read_map(tmp_path / name)
    np.testing.assert_array_equal(again.data, volume.data)
    assert again.origin == volume.origin and again.voxel_size == pytest.approx(1.1)


def test_a_stack_header_on_a_volume_is_forgiven(tmp_path):
    (tmp_path / "sloppy.mrc").write_bytes(header_and_data(asymmetric(), ispg=0))
    (tmp_path / "one.mrc").write_bytes(header_and_data(asymmetric(), ispg=401))
    for name in ("sloppy.mrc", "one.mrc"):
        assert read_map(tmp_path / name).shape == (4, 5, 7)


def with_value(value):
    data = asymmetric()
    data[1, 1, 1] = value
    return header_and_data(data)


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"This is no map.\n" * 200, "not an MRC"),
    "short": (b"abc", "not an MRC"),
    "damaged header": (header_and_data(asymmetric(), nx=-4), "damaged MRC header"),
    "unknown mode": (header_and_data(asymmetric(), mode=77), "damaged MRC header"),
    "truncated": (header_and_data(asymmetric())[:-3], "truncated"),
    "truncated stream": (gzip.compress(header_and_data(asymmetric())[:-3]), "truncated"),
    "truncated gzip": (gzip.compress(header_and_data(asymmetric()))[:-9], "truncated"),
    "truncated bzip2": (bz2.compress(header_and_data(asymmetric()))[:-30], "truncated"),
    "NaN": (with_value(np.nan), "1 value that is NaN"),
    "infinite": (with_value(-np.inf), "NaN or infinite"),
    "constant": (header_and_data(np.full((4, 5, 7), 2, "f4")), "constant: every voxel is 2"),
    "image": (header_and_data(asymmetric()[:1]), "single image"),
    "image stack": (header_and_data(asymmetric(), ispg=0, mz=1), "stack of 4 images"),
    "volume stack": (header_and_data(asymmetric(), ispg=401, mz=2), "stack of volumes"),
    "anisotropic": (header_and_data(asymmetric(), cella=(7, 10, 4)), "1 x 2 x 1 Å"),
    "voxel size 0": (header_and_data(asymmetric(), cella=(0, 0, 0)), "voxel_size="),
    "sampling 0": (
        header_and_data(asymmetric(), mx=0),
        "Å in 0 x 5 x 4 voxels); give the true one as voxel_size=",
    ),
    "cell below 0": (header_and_data(asymmetric(), cella=(-50, 5, 4)), "a cell of -50 x 5 x 4 Å"),
    "skew": (header_and_data(asymmetric(), cellb=(90, 90, 120)), "cell angles 90, 90, 120"),
    "complex": (header_and_data(asymmetric(), mode=4), "complex 32-bit reals (mode 4)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line(case, tmp_path):
    raw, expected = BAD[case]
    path = tmp_path / "bad.mrc"
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        read_map(path)
    message = str(caught.value)
    assert expected in message and "bad.mrc" in message and "\n" not in message


def test_a_damaged_gzip_stream_is_told(tmp_path):
    packed = bytearray(gzip.compress(header_and_data(asymmetric())))
    packed[-6] ^= 0xFF  # the checksum
    (tmp_path / "bad.mrc.gz").write_bytes(packed)
    with pytest.raises(InputError, match="damaged"):
        read_map(tmp_path / "bad.mrc.gz")


def test_missing_file_directory_and_bad_voxel_size(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_map(tmp_path / "none.mrc")
    with pytest.raises(InputError, match="is a directory"):
        read_map(tmp_path)
    (tmp_path / "stack.mrcs").write_bytes(header_and_data(asymmetric(), ispg=0))
    with pytest.raises(InputError, match="stack of 4 images"):
        read_map(tmp_path / "stack.mrcs")
    with pytest.raises(InputError, match="positive"):
        read_map(tmp_path / "stack.mrcs", voxel_size=0)


def test_output_errors_leave_nothing_behind(tmp_path, monkeypatch):
    volume = Volume(asymmetric(), 1.0)
    (tmp_path / "there.mrc").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists"):
        write_map(tmp_path / "there.mrc", volume)
    with pytest.raises(OutputError, match="is not a directory"):
        write_map(tmp_path / "nowhere" / "out.mrc", volume)
    with pytest.raises(OutputError, match="is a directory"):
        write_map(tmp_path, volume, overwrite=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_map(tmp_path / "there.mrc", volume, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["there.mrc"]
    assert (tmp_path / "there.mrc").read_bytes() == b"precious"


def test_overwriting_replaces(tmp_path):
    (tmp_path / "out.mrc").write_bytes(b"old")
    write_map(tmp_path / "out.mrc", Volume(asymmetric(), 1.0), overwrite=True)
    assert read_map(tmp_path / "out.mrc").shape == (4, 5, 7)
    assert len(list(tmp_path.iterdir())) == 1


def test_volume_refuses_what_is_no_map():
    with pytest.raises(InputError, match="three axes"):
        Volume(np.zeros((3, 3)), 1.0)
    for size in (0, -1, np.nan):
        with pytest.raises(InputError, match="voxel size"):
            Volume(np.zeros((3, 3, 3)), size)
    volume = Volume(np.zeros((2, 3, 4), int), 2.0, (1, 2, 3))
    assert volume.data.dtype == np.float32 and volume.box == (8, 6, 4)
    assert volume.with_data(np.ones((2, 3, 4))).origin == (1, 2, 3)
    with pytest.raises(InputError, match="do not fit"):
        volume.with_data(np.zeros((4, 3, 2)))
