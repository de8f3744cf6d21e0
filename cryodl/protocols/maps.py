"""What a form must know of a map file before the engine reads it: its grid, from the header."""

import os
from collections import namedtuple

import pyworkflow.protocol.params as params
from pwem.objects import Volume

MRC_EXTENSIONS = (".mrc", ".map", ".ccp4", ".mrcs", ".mrc.gz", ".map.gz", ".ccp4.gz", ".mrc.bz2")

# shape: (z, y, x) in voxels; voxel_size: Å, 0 where the header does not say
Header = namedtuple("Header", "shape voxel_size")


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


def read_header(path):
    """Grid of an MRC file.

    Raises OSError or ValueError where it is missing or is no MRC file.
    """
    import warnings

    import mrcfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old headers are mended by the engine
        with mrcfile.open(path, header_only=True, permissive=True) as mrc:
            header = mrc.header
            if header is None:
                raise ValueError(f"{path} has no MRC header")
            sizes = [int(header[name]) for name in ("nx", "ny", "nz")]
            axes = [int(header[name]) for name in ("mapc", "mapr", "maps")]
            voxel_size = float(mrc.voxel_size.x)
    if sorted(axes) == [1, 2, 3]:  # columns, rows and sections may be any of x, y, z
        sizes = [sizes[axes.index(axis)] for axis in (1, 2, 3)]
    return Header(tuple(reversed(sizes)), voxel_size)


def header_differs(path, voxel_size):
    """Whether the file's header gives another voxel size (Å) than Scipion does."""
    return abs(read_header(path).voxel_size - voxel_size) > 1e-3 * voxel_size


def write_plain(volume, path):
    """Write a volume as an MRC file of its own, with Scipion's sampling rate in the header.

    volume : of an MRC file, which may hold several volumes behind each other

    Raises ValueError where the file does not hold it.
    """
    import warnings

    import mrcfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old headers: what is wrong in them is written anew
        with mrcfile.open(plain_path(volume), permissive=True) as mrc:
            data, header = mrc.data, mrc.header
            if data is not None and data.ndim == 4:
                index = max(volume.getIndex(), 1)
                data = data[index - 1] if index <= len(data) else None
            if data is None or data.ndim != 3:
                raise ValueError(f"{volume.getFileName()} holds no volume {volume.getIndex()}.")
            with mrcfile.new(path, data, overwrite=True) as new:
                for name in ("mapc", "mapr", "maps", "nxstart", "nystart", "nzstart", "origin"):
                    new.header[name] = header[name]
                new.set_volume()
                new.voxel_size = volume.getSamplingRate()


def add_volume(form, name, label, text, *, kind="Volume", **options):
    """Add a pointer to a volume (or another kind of object) to a form.

    options : of the parameter, such as important, allowsNull and condition
    """
    form.addParam(name, params.PointerParam, pointerClass=kind, label=label, help=text, **options)


def add_mask(form, name, text):
    """Add an optional mask to a form."""
    add_volume(form, name, "Mask", text, kind="VolumeMask", allowsNull=True)


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
        others["allowsNull"] = True
    else:
        others.setdefault("default", option.default)
    kinds = {bool: params.BooleanParam, int: params.IntParam, float: params.FloatParam}
    form.addParam(name, kinds[option.kind], help=sentence(option, more), **others)


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
        help=sentence(option, more),
        **others,
    )


def describe_value(option, value, needed=False):
    """A line about a value that an option of a command does not take; empty when it does.

    needed : None is no value, either
    """
    said = option.problem(value) or ("is empty" if needed and value is None else "")
    unit = f" {option.unit}" if option.unit and value is not None else ""
    shown = value if value is None else f"{value:g}"
    return [f"{option.label}: {shown}{unit} {said}."] if said else []


def describe_problems(name, volume):
    """Lines that say why the engine could not read a Scipion volume; empty when all is well."""
    if not isinstance(volume, Volume):
        return [f"{name}: choose one volume, not a {type(volume).__name__}."]
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
            f"{name} has {sizes[0]} voxels and {other_name} {sizes[1]}: choose a "
            f"{name.lower()} on the same grid, or resample it."
        ]
    rates = volume.getSamplingRate(), other.getSamplingRate()
    if abs(rates[0] - rates[1]) > 1e-3 * rates[1]:
        return [
            f"{name} has {rates[0]:g} Å/pixel and {other_name} {rates[1]:g}: set the right "
            "sampling rate with the protocol 'assign Orig & Sampling'."
        ]
    return []
