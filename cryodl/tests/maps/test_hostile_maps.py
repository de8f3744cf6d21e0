"""Bytes that programs sign as they like; files that never end, or promise more than they hold."""

import bz2
import gzip
import io
import os
import resource

import numpy as np
import pytest

from cryodl.compute import memory
from cryodl.errors import InputError, SettingError
from cryodl.maps.inputs import input_map, input_mask
from cryodl.maps.mrc import read_map, read_mask
from cryodl.maps.resample import resample
from cryodl.maps.volume import Volume
from cryodl.resolution_maps.load import load_resolution
from cryodl.simulation.model_map import simulate_map
from cryodl.simulation.structure import Structure
from cryodl.tests.maps.test_mrc import asymmetric, header_and_data

IMOD = 1146047817


def imod(flags, order="<"):
    extra = np.zeros(100, "u1")
    extra[40:48] = np.frombuffer(np.array([IMOD, flags], f"{order}i4").tobytes(), "u1")
    return extra.tobytes()


def block(dtype="i1"):
    """A mask of 0 and 1: a block in a box of (z, y, x) = (4, 5, 7)."""
    mask = np.zeros((4, 5, 7), dtype)
    mask[1:3, 1:4, 2:6] = 1
    return mask


MASKS = {
    "IMOD, signed": header_and_data((block("i2") - 128).astype("i1"), extra2=imod(1)),
    "IMOD, signed, big-endian": header_and_data(
        (block("i2") - 128).astype("i1"), byte_order=">", extra2=imod(1, ">")
    ),
    "IMOD's header kept by a program that signs as the standard says": header_and_data(
        block(), extra2=imod(1)
    ),
    "IMOD, unsigned": header_and_data(block() * -1, extra2=imod(0)),
    "0 and 255": header_and_data(block() * -1),
    "0 and 255, as its header says": header_and_data(block() * -1, dmin=0, dmax=255),
    "words of 0 and 65535": header_and_data(block("i2") * -1, dmin=0, dmax=65535),
    "standard": header_and_data(block()),
}


@pytest.mark.parametrize("case", MASKS)
def test_masks_of_every_program_are_the_same_mask(case, tmp_path):
    (tmp_path / "mask.mrc").write_bytes(MASKS[case])
    inside, notes = input_mask(tmp_path / "mask.mrc", Volume(asymmetric(), 1.5))
    np.testing.assert_array_equal(inside, block().astype(bool))
    assert notes == []


def test_soft_bytes_are_unsigned_where_the_header_says_so(tmp_path):
    soft = (asymmetric() * 2).astype("u1")  # 0 to 198
    raw = header_and_data(soft.view("i1"), dmin=0, dmax=198)
    (tmp_path / "soft.mrc").write_bytes(raw)
    np.testing.assert_array_equal(read_map(tmp_path / "soft.mrc").data, soft)
    # and signed where it says that, or nothing
    for told in ({"dmin": -128, "dmax": 126}, {}):
        (tmp_path / "soft.mrc").write_bytes(header_and_data(soft.view("i1"), **told))
        assert read_map(tmp_path / "soft.mrc").data.min() == soft.view("i1").min()


def test_a_mask_of_the_whole_box_is_one(tmp_path):
    volume = Volume(asymmetric(), 1.5)
    for value in (1, -1, 255):
        kind = "f4" if value == 255 else "i1"
        (tmp_path / "mask.mrc").write_bytes(header_and_data(np.full((4, 5, 7), value, kind)))
        if value == -1:  # nothing tells that it is 255
            continue
        inside, notes = input_mask(tmp_path / "mask.mrc", volume)
        assert inside.all() and notes == ["the mask covers the whole box"]
    (tmp_path / "mask.mrc").write_bytes(header_and_data(np.zeros((4, 5, 7), "f4")))
    with pytest.raises(InputError, match="mask is empty"):
        input_mask(tmp_path / "mask.mrc", volume)
    (tmp_path / "mask.mrc").write_bytes(header_and_data(np.full((4, 5, 7), np.nan, "f4")))
    with pytest.raises(InputError, match="140 values that are NaN"):
        read_mask(tmp_path / "mask.mrc")


HEADERS = {  # what other programs leave blank or odd; all hold the same map
    "old: no MAP, no stamp": {"map": b"\0\0\0\0", "machst": [0, 0, 0, 0], "ispg": 0},
    "old: axes and angles blank": {"mapc": 0, "mapr": 0, "maps": 0, "cellb": (0, 0, 0)},
    "wrong machine stamp": {"machst": [0x11, 0x11, 0, 0]},
    "FEI's extended header": {"nsymbt": 4 * 768, "exttyp": b"FEI1"},
    "SerialEM's extended header": {"nsymbt": 1024, "exttyp": b"SERI"},
    "exported from DM4": {"map": b"MAP\0", "ispg": 0, "nlabl": 10, "dmax": 0, "dmean": -1},
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_headers_of_other_programs(case, pack, tmp_path):
    (tmp_path / "map.mrc").write_bytes(pack(header_and_data(asymmetric(), **HEADERS[case])))
    volume = read_map(tmp_path / "map.mrc")
    np.testing.assert_array_equal(volume.data, asymmetric())
    assert volume.voxel_size == pytest.approx(1.5)


def test_chance_in_the_word_for_more_headers(tmp_path):
    raw = bytearray(header_and_data(asymmetric()))
    raw[92:96] = np.array([2_000_000_000], "<i4").tobytes()
    (tmp_path / "map.mrc").write_bytes(raw)
    np.testing.assert_array_equal(read_map(tmp_path / "map.mrc").data, asymmetric())
    (tmp_path / "map.mrc").write_bytes(raw[:-4])
    with pytest.raises(InputError, match="truncated: 1580 bytes of 2000001584"):
        read_map(tmp_path / "map.mrc")
    (tmp_path / "map.mrc").write_bytes(gzip.compress(raw))
    with pytest.raises(InputError, match="extended header of 2000000000 bytes"):
        read_map(tmp_path / "map.mrc")


@pytest.mark.parametrize("use", [read_map, load_resolution])
def test_a_pipe_is_refused_at_once(use, tmp_path):
    os.mkfifo(tmp_path / "pipe.mrc")
    with pytest.raises(InputError, match="is a pipe, not a map"):
        use(tmp_path / "pipe.mrc")


def grown(do):
    """Bytes by which the process grew at most, in MB; what it raised."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as caught:
        do()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3, str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_promise_that_the_file_cannot_hold_costs_no_memory(pack, tmp_path):
    header = header_and_data(asymmetric(), nx=1700, ny=1700, nz=1700)[:1024]
    (tmp_path / "map.gz").write_bytes(pack(header + bytes(2**20)))
    more, message = grown(lambda: read_map(tmp_path / "map.gz"))
    assert more < 100 and ("truncated" in message or "GB" in message)


def test_what_follows_a_compressed_map_is_not_unpacked(tmp_path, monkeypatch):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(header_and_data(asymmetric()))
        file.write(bytes(2**26))
    (tmp_path / "map.gz").write_bytes(packed.getvalue())
    read, taken = gzip.GzipFile.read, []

    def counted(self, size=-1):
        taken.append(size)
        return read(self, size)

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    np.testing.assert_array_equal(read_map(tmp_path / "map.gz").data, asymmetric())
    assert all(size >= 0 for size in taken) and sum(taken) < 2**21


@pytest.mark.parametrize("edge", [1e20, 1e-20, 1e4])
def test_voxels_that_cannot_be(edge, tmp_path):
    raw = header_and_data(asymmetric(), cella=(7 * edge, 5 * edge, 4 * edge))
    (tmp_path / "map.mrc").write_bytes(raw)
    with pytest.raises(InputError, match="cannot be; give the true size as voxel_size="):
        read_map(tmp_path / "map.mrc")
    assert read_map(tmp_path / "map.mrc", 1.5).voxel_size == 1.5
    for use in (lambda: read_map(tmp_path / "map.mrc", edge),
                lambda: input_map(Volume(asymmetric(), 1.0), edge)):  # fmt: skip
        with pytest.raises(InputError, match="give 0.01 to 200 Å"):
            use()


def test_grids_larger_than_the_memory_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, "8")
    with pytest.raises(InputError, match="crop or bin the map"):
        resample(Volume(np.random.default_rng(0).normal(size=(64, 64, 64)), 100.0), 1.0)
    far = Structure(
        np.array([[0, 0, 0], [4000, 4000, 4000]], np.float32), np.array([6, 6], "u1"),
        np.zeros(2, "i2"),
    )  # fmt: skip
    with pytest.raises(InputError, match="4000 x 4000 x 4000 Å takes 4030 x .* GB are free"):
        simulate_map(far, 5.0, 1.0)


def test_the_memory_that_a_user_grants_is_the_most(tmp_path, monkeypatch):
    (tmp_path / "map.mrc").write_bytes(header_and_data(asymmetric()))
    assert memory.free_memory() > 1e8
    monkeypatch.setenv(memory.VARIABLE, "0.001")
    with pytest.raises(InputError, match="7 x 5 x 4 voxels, which need .* crop or bin the map"):
        read_map(tmp_path / "map.mrc")
    monkeypatch.setattr(memory, "address_space", lambda: 5e8)
    with pytest.raises(SettingError, match="0.5 GB more of address space"):
        memory.check_network_memory()
