"""Damage to files, drawn by a seed: of bytes, of text, and of what each format keeps where.

Every function takes a numpy Generator and the file's bytes, and returns other bytes.
"""

import gzip
import io
import json
import re
import zipfile
from pathlib import PurePath

import numpy as np

NASTY = [
    b"1e999", b"-1e999", b"nan", b"inf", b"-1", b"0", b"99999999999999999999", b"1e-400", b"-0.0",
    b"1" * 5000, b"A" * 70000, b"\0", b"\x1b[31m", b"\x7f", b"\xff\xfe", b"\xed\xa0\x80",
    b"\xc2\x85", b"\xe2\x80\xa8", b"\r", b"\n", b"\t", b'"', b"'", b"{", b"[", b"]", b"%s", b"../",
    b"\xef\xbb\xbf", b"****", "Å½".encode(), b"", b" ",
]  # fmt: skip
RAW = [  # values of JSON
    "1e999", "-1e999", "NaN", "-Infinity", "1e-400", "0", "-1", "1", "2.5", "1e300", "true", "null",
    '""', '"x"', '"\\u0000"', '"\\ud800"', '"\\u001b[31m"', "[]", "{}", "[[]]", "[1, 2]", "[null]",
    "[1e308, -1e308]", '{"a": {}}', "2147483648", "-9223372036854775809", "9" * 400, "9" * 5000,
    "[" * 2000 + "]" * 2000, '"' + "a" * 70000 + '"', '"../../x"', "[" + "0," * 999 + "0]",
]  # fmt: skip
WORDS = [0, 1, -1, 2, 3, 4, 6, 12, 101, 401, 630, 255, 1023, 65535, 65536, 2**24, 2**31 - 1]
WORDS += [-(2**31)]
FLOATS = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20, 1e-38, 1e-45, 0.0, -1.0, 1e10]
NUMBER = re.compile(rb"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
OTHERS = {  # files of another kind
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "zeros": bytes(3000),
    "text": b"This is no such file.\n" * 30,
    "json": b'{"a": [1, 2, 3]}\n',
    "gzip": gzip.compress(b"This is no such file.\n" * 30, mtime=0),
    "gzip of gzip": gzip.compress(gzip.compress(bytes(100), mtime=0), mtime=0),
    "zip": b"PK\x05\x06" + bytes(18),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "xml": b'<?xml version="1.0"?>\n<net name="x" version="11"></net>\n',
}


def mutate(rng, name, data):
    """The bytes of a file, damaged once to three times, as its name says what it holds."""
    chosen = one(rng, [1, 1, 1, 2, 3])
    for _ in range(chosen):
        data = _once(rng, name, data)
    return data


def one(rng, items):
    return items[int(rng.integers(len(items)))]


def _once(rng, name, data):
    path = PurePath(name)
    if path.suffix == ".gz" and rng.random() < 0.7:
        try:
            inside = gzip.decompress(data)
        except Exception:  # damaged before
            return of_bytes(rng, data)
        return gzip.compress(_once(rng, path.stem, inside), 1, mtime=0)
    aware = OF_KIND.get(path.suffix)
    if aware is not None and rng.random() < 0.65:
        try:
            return aware(rng, data)
        except Exception:  # no such file any more
            pass
    return of_bytes(rng, data)


def of_bytes(rng, data):
    """Damage that knows nothing of the format."""
    held = bytearray(data)
    at = int(rng.integers(len(held) + 1))
    length = int(min(2 ** rng.integers(0, 12), len(held) - at))
    what = int(rng.integers(15))
    if what < 3 and held:  # bits
        for _ in range(int(2 ** rng.integers(0, 6))):
            held[int(rng.integers(len(held)))] ^= 1 << int(rng.integers(8))
    elif what == 3:
        held[at : at + length] = rng.bytes(length)
    elif what == 4:
        held[at : at + length] = one(rng, [b"\0", b"\xff", b" ", b"\x80"]) * length
    elif what == 5:
        del held[at:]
    elif what == 6:
        del held[at : at + length]
    elif what == 7:
        held[at:at] = held[at : at + length] * int(2 ** rng.integers(0, 7))
    elif what in (8, 9, 10):
        held[at:at] = one(rng, NASTY)
    elif what == 11:
        there = int(rng.integers(len(held) + 1))
        held[at : at + length] = held[there : there + length]
    elif what == 12:  # byte order
        size = one(rng, [2, 4, 8])
        whole = len(held) // size * size
        held[:whole] = np.frombuffer(bytes(held[:whole]), f"V{size}").tobytes()[::-1]
        held[:whole] = held[:whole][::-1] if rng.random() < 0.5 else _swapped(held[:whole], size)
    elif what == 13:
        return one(rng, [b"", b"\n", b"\0", *OTHERS.values()])
    else:
        return _as_other_text(rng, bytes(held))
    return bytes(held)


def _swapped(held, size):
    return np.frombuffer(bytes(held), f"u{size}").byteswap().tobytes()


def _as_other_text(rng, held):
    text = held.decode("latin-1")
    return one(rng, [
        b"\xef\xbb\xbf" + held,
        text.encode("utf-16"),
        text.encode("utf-16-le"),
        held.replace(b"\n", b"\r\n"),
        held.replace(b"\n", b"\r"),
        held.upper(),
        held + held,
    ])  # fmt: skip


def of_text(rng, data):
    """Damage to lines and to numbers in a text."""
    lines = data.split(b"\n")
    at = int(rng.integers(len(lines)))
    what = int(rng.integers(8))
    if what < 4:
        found = list(NUMBER.finditer(data))
        if not found:
            return of_bytes(rng, data)
        number = one(rng, found)
        value = one(rng, NASTY)
        if rng.random() < 0.5:  # keep columns
            value = value[: number.end() - number.start()].rjust(number.end() - number.start())
        return data[: number.start()] + value + data[number.end() :]
    if what == 4:
        del lines[at]
    elif what == 5:
        lines[at:at] = [lines[at]] * int(2 ** rng.integers(0, 9))
    elif what == 6:
        there = int(rng.integers(len(lines)))
        lines[at], lines[there] = lines[there], lines[at]
    else:
        place = int(rng.integers(len(lines[at]) + 1))
        lines[at] = lines[at][:place] + one(rng, NASTY) + lines[at][place:]
    return b"\n".join(lines)


def of_table(rng, data):
    """Damage to a field or a column of a table."""
    rows = [line.split(b"\t") for line in data.split(b"\n")]
    row = one(rng, rows)
    at = int(rng.integers(len(row)))
    what = int(rng.integers(6))
    if what < 3:
        row[at] = one(rng, NASTY)
    elif what == 3:
        row.insert(at, one(rng, NASTY))
    elif what == 4:
        del row[at]
    else:
        for fields in rows:
            del fields[at : at + 1]
    return b"\n".join(one(rng, [b"\t", b"\t", b"\t", b"\t", b",", b" "]).join(row) for row in rows)


def of_json(rng, data):
    """Damage to a value, a key or a list, of JSON that is whole otherwise."""
    tree = json.loads(data)
    places = list(_places(tree))
    if not places:
        return one(rng, RAW).encode()
    holder, key = one(rng, places)
    what, raw = int(rng.integers(12)), one(rng, RAW)
    value = holder[key]
    if what < 7:
        holder[key] = "@RAW@"
    elif what == 7:
        del holder[key]
    elif what == 8:
        holder[key] = one(rng, [[value], {"a": value}, [value, value], str(value), [value] * 200])
    elif what == 9 and isinstance(value, (int, float)):
        holder[key] = one(rng, [-value, value * 1e10, value * 1e-10, value + 0.5, int(value)])
    elif what == 10 and isinstance(holder, dict):
        holder[one(rng, ["", "\0", "\x1b[31m", "x" * 5000, "\ud800", "a\nb"])] = holder.pop(key)
    else:
        other, there = one(rng, places)
        holder[key] = json.loads(json.dumps(other[there]))
    text = json.dumps(tree).replace('"@RAW@"', raw, 1)
    if rng.random() < 0.1 and isinstance(holder, dict) and text.startswith("{"):
        text = "{" + f"{json.dumps(str(key))}: {raw}, " + text[1:]  # the same key twice
    return text.encode("utf-8", "surrogatepass")


def _places(value):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inside in items:
        yield value, key
        if isinstance(inside, (dict, list)):
            yield from _places(inside)


def of_rows(rng, data):
    """Damage to one line of JSON among others."""
    lines = data.splitlines()
    at = int(rng.integers(len(lines)))
    lines[at] = of_json(rng, lines[at])
    return b"\n".join(lines) + b"\n"


def of_map(rng, data):
    """Damage to words of an MRC header, or to densities."""
    held = bytearray(data)
    what = int(rng.integers(10))
    if what < 6:
        at = 4 * int(one(rng, [rng.integers(25), rng.integers(56), rng.integers(256)]))
        kind = one(rng, ["<i4", ">i4", "<f4", ">f4"])
        value = one(rng, WORDS) if kind[1] == "i" else one(rng, FLOATS)
        held[at : at + 4] = np.array([value], kind).tobytes()
    elif what == 6:
        held[:1024] = _swapped(held[:1024], 4)
    elif what == 7:
        held[1024:] = _swapped(held[1024:], 4)
    elif what == 8:
        values = np.frombuffer(bytes(held[1024:]), "<f4").copy()
        values[rng.integers(len(values), size=int(2 ** rng.integers(0, 10)))] = one(rng, FLOATS)
        held[1024:] = values.tobytes()
    else:
        values = np.frombuffer(bytes(held[1024:]), "<f4").copy()
        with np.errstate(all="ignore"):
            values = one(rng, [values * 0, values * 0 + np.float32(one(rng, FLOATS)), -values,
                               values * np.float32(1e30), values * np.float32(1e-38)])  # fmt: skip
        held[1024:] = values.tobytes()
    return bytes(held)


def of_array(rng, data):
    """Damage to a .npy file: its type, shape or values, or the text of its header."""
    if rng.random() < 0.3:
        end = data.index(b"\n") + 1
        head = of_text(rng, data[10:end])
        return data[:8] + np.array([len(head)], "<u2").tobytes() + head + data[end:]
    return _stored(_other_array(rng, np.load(io.BytesIO(data))))


def _stored(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _other_array(rng, array):
    if array.dtype.kind not in "fiub":  # NumPy dies of converting letters that there are not
        return array[:-1]
    what = int(rng.integers(10))
    if what < 3 and array.size:
        flat = array.copy().reshape(-1)
        at = rng.integers(flat.size, size=int(2 ** rng.integers(0, 4)))
        if array.dtype.kind == "f":
            values = FLOATS
        elif array.dtype.kind == "b":
            values = [False, True]
        else:
            kept = np.iinfo(array.dtype)
            values = [0, 1, kept.max, kept.min, kept.max // 2, 100]
        with np.errstate(all="ignore"):
            flat[at] = one(rng, values)
        return flat.reshape(array.shape)
    if what < 6:
        kind = one(rng, ["f2", ">f8", "i1", ">i4", "u8", "c8", "U5", "S3", "?", "O", "M8[s]", "f4"])
        with np.errstate(all="ignore"):
            return array.astype(kind)
    return one(rng, [
        array.reshape(-1), array[None], array[:-1], array[:0], array[..., :-1], array.T.copy("F"),
        np.float32(3), np.zeros((0, 3)), array.repeat(2, 0), np.asfortranarray(array),
        np.zeros(array.shape), np.full(array.shape, np.nan),
    ])  # fmt: skip


def of_arrays(rng, data):
    """Damage to one array of a .npz file, or to its list of them."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = {entry.filename: packed.read(entry) for entry in packed.infolist()}
    name = one(rng, list(members))
    what = int(rng.integers(8))
    if what < 4:
        members[name] = of_array(rng, members[name])
    elif what == 4:
        members[name] = of_bytes(rng, members[name])
    elif what == 5:
        del members[name]
    elif what == 6:
        members[one(rng, ["x.npy", "../x.npy", "é.npy", "deep/er.npy", "n" * 300])] = members[name]
    else:
        members[name], members[list(members)[0]] = members[list(members)[0]], members[name]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", one(rng, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as packed:
        for name, held in members.items():
            packed.writestr(zipfile.ZipInfo(name), held)
    return file.getvalue()


OF_KIND = {
    ".mrc": of_map, ".map": of_map, ".pdb": of_text, ".cif": of_text, ".json": of_json,
    ".tsv": of_table, ".npz": of_arrays, ".npy": of_array, ".jsonl": of_rows, ".xml": of_text,
    ".csv": of_text,
}  # fmt: skip
