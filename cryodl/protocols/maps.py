"""What a form must know of a map file before the engine reads it: its grid, from the header."""

import os
from collections import namedtuple
from contextlib import contextmanager

import pyworkflow.protocol.params as params
from pwem.objects import Volume

MRC_EXTENSIONS = (".mrc", ".map", ".ccp4", ".mrcs", ".mrc.gz", ".map.gz", ".ccp4.gz", ".mrc.bz2")

LARGEST = 20000  # voxels along an axis; more is no header of a map
STACK = range(401, 631)  # space groups by which MRC files of several volumes are known
PREFIX = "cryodl - "  # Scipion's, of the labels of runs

# shape: (z, y, x) in voxels; voxel_size: Å, 0 where the header does not say; origin: (x, y, z) in Å
# of the first voxel
Header = namedtuple("Header", "shape voxel_size origin")


def is_mrc(path):
    """Whether the engine reads this kind of file."""
    return path.lower().split(":")[0].endswith(MRC_EXTENSIONS)


def plain_path(volume):
    """Path of a Scipion volume's file, without the ":mrc" by which Xmipp names the format."""
    return volume.getFileName().split(":")[0]


def volume_of(pointer):
    """The volume that a pointer leads to, as an object of its own; a set or None as they are.

    Scipion hands out all items of a set as one and the same object, which becomes the next item as
    soon as that is asked for.
    """
    given = pointer.get()
    return given.clone() if isinstance(given, Volume) else given


def given(**pointers):
    """The volumes that pointers lead to, by the same names; those of empty ones are left out."""
    found = {name: volume_of(pointer) for name, pointer in pointers.items()}
    return {name: volume for name, volume in found.items() if volume is not None}


def write_above(path, threshold):
    """Make a file's values 1 where they are above a threshold, and 0 elsewhere."""
    import mrcfile

    with mrcfile.open(path, "r+") as mrc:
        mrc.set_data((mrc.data > threshold).astype("i1"))


def run_name(protocol):
    """What a run is called in figures and tables: without the name of this plugin before it."""
    name = str(protocol.getRunName())
    return name[len(PREFIX) :] if name.startswith(PREFIX) else name


def read_header(path):
    """Grid of an MRC file.

    Raises OSError or ValueError where it is missing or is no MRC file.
    """
    with _opened(path, header_only=True) as mrc:
        header = mrc.header
        if header is None:
            raise ValueError(f"{path} has no MRC header")
        sizes = [int(header[name]) for name in ("nz", "ny", "nx")]
        if int(header["ispg"]) in STACK:  # of volumes, each of so many sections
            sizes[0] = int(header["mz"]) or sizes[0]
        if not all(0 < size <= LARGEST for size in sizes):
            raise ValueError("its header tells no size of a map")
        axes, spacing, origin = frame_of(header)
        shape = tuple(sizes[axes.index(axis)] for axis in (3, 2, 1))
        return Header(shape, spacing, origin)


@contextmanager
def _opened(path, **how):
    import warnings

    import mrcfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old headers: only what is needed is read from them
        with mrcfile.open(path, permissive=True, **how) as mrc:
            yield mrc


def frame_of(header, voxel_size=None):
    """How an MRC file lies in space.

    voxel_size : Å, where the header's does not count

    Returns (axes, voxel_size, origin): which of x, y, z (1, 2, 3) sections, rows and columns run
    along; Å, 0 where the header does not say; (x, y, z) in Å of the first voxel
    """
    axes = [int(header[name]) for name in ("maps", "mapr", "mapc")]
    if sorted(axes) != [1, 2, 3]:
        axes = [3, 2, 1]  # left blank by old programs
    edges = [float(header["cella"][name]) for name in "xyz"]
    counts = [int(header[name]) for name in ("mx", "my", "mz")]
    spacing = [edge / count if count > 0 else 0.0 for edge, count in zip(edges, counts)]
    spacing = [voxel_size] * 3 if voxel_size else spacing
    origin = tuple(float(header["origin"][name]) for name in "xyz")
    if not any(origin):  # then other programs go by the start indices, which run along the file
        start = dict(zip(axes, (int(header[f"n{name}start"]) for name in "zyx")))
        origin = tuple(start[axis] * spacing[axis - 1] for axis in (1, 2, 3))
    return axes, sum(spacing) / 3, origin


def origin_of(volume, like=None):
    """Where Scipion has the first voxel of a volume: (x, y, z) in Å; None where it has no origin.

    like : volume on whose grid it may lie. Half maps, masks and local resolutions often come
        without an origin, or with the middle of the box, which Scipion gives to what nobody has
        placed: on the same grid they then lie where that one does.
    """
    own = volume.getOrigin().getShifts() if volume.hasOrigin() else None
    if like is None or not (own is None or _is_middle(volume, own)):
        return own
    return origin_of(like) if same_box(volume, like) else own


def _is_middle(volume, origin):
    shape = read_header(plain_path(volume)).shape if is_mrc(plain_path(volume)) else ()
    middle = [-n / 2 * volume.getSamplingRate() for n in reversed(shape)]
    return bool(shape) and all(abs(a - b) < 0.01 for a, b in zip(origin, middle))


def same_box(volume, like):
    """Whether two volumes have boxes of one size and one sampling rate."""
    paths = plain_path(volume), plain_path(like)
    if not all(is_mrc(path) for path in paths):
        return volume.getDim() == like.getDim()
    apart = abs(volume.getSamplingRate() - like.getSamplingRate())
    same = read_header(paths[0]).shape == read_header(paths[1]).shape
    return same and apart <= 1e-3 * like.getSamplingRate()


def header_differs(volume, origin=None):
    """Whether a volume's file says another voxel size or origin than Scipion does.

    origin : (x, y, z) in Å, None where only the file knows
    """
    header, rate = read_header(plain_path(volume)), volume.getSamplingRate()
    if abs(header.voxel_size - rate) > 1e-3 * rate:
        return True
    return origin is not None and any(
        abs(a - b) > 1e-2 * rate for a, b in zip(header.origin, origin)
    )


def read_grid(path, index=0, voxel_size=None):
    """Read a map, whatever the order of its axes: (data of shape (z, y, x), Å, origin in Å).

    index : of a map among several behind each other in the file, from 1
    voxel_size : as of `frame_of`

    Raises OSError or ValueError where the file does not hold it.
    """
    with _opened(path) as mrc:
        data, header = mrc.data, mrc.header
        if data is not None and data.ndim == 4:
            index = max(index, 1)
            data = data[index - 1] if index <= len(data) else None
        if data is None or data.ndim != 3:
            raise ValueError(f"{path} holds no volume {index}" if index else "it holds no 3D map")
        axes, found, origin = frame_of(header, voxel_size)
        return data.transpose([axes.index(axis) for axis in (3, 2, 1)]), found, origin


def negative_share(path):
    """Share of negative values in a map, of some of its planes; 0 of a compressed one."""
    import warnings

    import mrcfile

    if not path.endswith((".mrc", ".map", ".ccp4")):
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mrcfile.mmap(path, permissive=True) as mrc:
            planes = mrc.data[:: max(1, len(mrc.data) // 64)]
            return float((planes < 0).mean())


def write_plain(volume, path, origin=None, source=None):
    """Write a volume as an MRC file of its own that lies where Scipion has it.

    volume : of an MRC file, which may hold several volumes behind each other
    origin : (x, y, z) in Å of the first voxel; None leaves the file's
    source : another file of the volume's density

    Raises ValueError where the file does not hold it.
    """
    rate = volume.getSamplingRate()
    data, _, found = read_grid(source or plain_path(volume), volume.getIndex(), rate)
    write_grid(path, data, rate, origin or found)


def write_grid(path, data, voxel_size, origin):
    """Write values (z, y, x) as an MRC file; voxel_size, origin (x, y, z) of the first : Å."""
    import mrcfile

    with mrcfile.new(path, data, overwrite=True) as new:
        new.set_volume()
        new.voxel_size = voxel_size
        for name, value in zip("xyz", origin):
            new.header["origin"][name] = value


def add_volume(form, name, label, text, *, kind="Volume", **options):
    """Add a pointer to a volume (or another kind of object) to a form.

    options : of the parameter, such as important, allowsNull and condition
    """
    form.addParam(name, params.PointerParam, pointerClass=kind, label=label, help=text, **options)


def add_mask(form, name, text):
    """Add an optional mask to a form."""
    add_volume(form, name, "Binary Mask", text, kind="VolumeMask", allowsNull=True)


def describe_inputs(volumes, reference):
    """Lines that say why the engine could not read volumes; empty when all is well.

    volumes : list of (name, Scipion volume), which must all lie on the grid of the first
    reference : what the first is called in a sentence
    """
    lines = []
    for name, volume in volumes:
        lines += describe_problems(name, volume)
    if not lines:
        for name, volume in volumes[1:]:
            lines += describe_mismatch(name, volume, reference, volumes[0][1])
    return lines


def sentence(option, more=""):
    """The help of a command's option as a form says it, and what is to be said beyond."""
    return f"{option.help[0].upper()}{option.help[1:]}. {more}".strip()


def add_option(form, name, option, more="", **others):
    """Add a parameter that is an option of a command, with its default and help.

    option : Option;  more : said after its help;  others : of the parameter
    """
    unit = f" ({option.unit})" if option.unit else ""
    others.setdefault("label", option.label + unit)
    if option.default is None:
        others.setdefault("allowsNull", True)
    else:
        others.setdefault("default", option.default)
    kinds = {bool: params.BooleanParam, int: params.IntParam, float: params.FloatParam}
    param = form.addParam(name, kinds[option.kind], help=sentence(option, more), **others)
    param.option = option  # which knows what values it takes


def add_choice(form, name, option, values, choices, more="", **others):
    """Add a parameter that chooses one of the values that an option of a command takes.

    values : in the form's order, which saved workflows hold;  choices : how the form calls them
    """
    others.setdefault("label", option.label)
    form.addParam(
        name,
        params.EnumParam,
        default=values.index(option.default),
        choices=choices,
        display=params.EnumParam.DISPLAY_HLIST,
        help=sentence(option._replace(help=choice_help(option, values, choices)), more),
        **others,
    )


def choice_help(option, values, choices):
    """The help of an option, where it explains each value, in lines that name the choices."""
    called = dict(zip(values, choices))
    lines, explained = [], False
    for part in option.help.split("; "):
        value, colon, text = part.partition(": ")
        if colon and value in called:
            explained, part = True, f"*{called[value]}*: {text}"
        lines.append(part)
    return ".\n".join(lines) if explained else option.help


def describe_value(option, value):
    """A line about a value that an option of a command does not take; empty when it does.

    Scipion itself tells which fields are empty that must not be.
    """
    said = "" if value is None else option.problem(value)
    unit = f" {option.unit}" if option.unit else ""
    return [f"{option.label}: {value:g}{unit} {said}."] if said else []


def describe_problems(name, volume):
    """Lines that say why the engine could not read a Scipion volume; empty when all is well."""
    if volume is None:
        return [f"{name}: what was chosen is gone; choose another."]
    if not isinstance(volume, Volume):
        return [f"{name}: choose one volume, and no {type(volume).__name__}."]
    path = plain_path(volume)
    if not os.path.exists(path):
        return [f"{name}: the file {path} is missing; run again the protocol that made it."]
    sampling = volume.getSamplingRate()
    if not sampling or not 0.1 <= sampling <= 20:
        return [
            f"{name}: its sampling rate is {sampling} Å/pixel; set the right one with the "
            "protocol 'assign Orig & Sampling' (between 0.1 and 20 Å)."
        ]
    if is_mrc(path):
        try:
            read_header(path)
        except (OSError, ValueError) as error:
            return [f"{name}: {path} is not a readable MRC file ({error})."]
    return []


def describe_mismatch(name, volume, other_name, other):
    """A line that says that two volumes lie on different grids; empty when they agree."""
    paths = plain_path(volume), plain_path(other)
    if not all(is_mrc(path) for path in paths):
        return []  # converted later, and then compared by the engine
    shapes = [read_header(path).shape[::-1] for path in paths]
    if shapes[0] != shapes[1]:
        sizes = [" x ".join(str(n) for n in shape) for shape in shapes]
        return [
            f"{name} has {sizes[0]} voxels and {other_name} {sizes[1]}: choose one on the same "
            "grid, or resample it."
        ]
    rates = volume.getSamplingRate(), other.getSamplingRate()
    if abs(rates[0] - rates[1]) > 1e-3 * rates[1]:
        return [
            f"{name} has {rates[0]:g} Å/pixel and {other_name} {rates[1]:g}: set the right "
            "sampling rate with the protocol 'assign Orig & Sampling'."
        ]
    return []
