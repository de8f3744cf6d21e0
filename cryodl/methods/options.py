"""What is to be known of a parameter, declared once: for commands, functions and forms.

A method lists its parameters as `OPTIONS`, a tuple of Option. The command line makes its arguments
of them, `declared` holds the Python function to them, and Scipion's forms take default, range and
help. Plain Python, which reads no other module when it is imported: forms are made by an older one.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, NamedTuple, TypeVar

Function = TypeVar("Function", bound="Callable[..., Any]")


class Option(NamedTuple):
    """One parameter.

    name : keyword of the Python function
    default : of the keyword, the command's option and the form
    help : what it means, without a capital or a full stop
    kind : type of a value: str, int, float or bool; of a bool the option is a flag
    least, most : ends of its range, allowed;  above, below : ends that are not
    choices : values that are allowed, all others are not
    unit : of a number
    metavar : what stands for the value in help; else the unit
    flag : name of the command's option, where it is not that of the keyword
    short : letter of the command's option, such as "-o"
    argument : the command takes it by its place and not by its name
    required : the command asks for it; the function does only where it has no default
    many : how the command takes several: "repeat" (the option again), "list" (after the name),
        "commas" (in one word), "rest" (all words from it on), or "" for one value
    each : the function takes one value, or a sequence of one for each map
    process : of the command alone, whose process keeps to it
    label : in Scipion's forms
    """

    name: str
    default: Any = None
    help: str = ""
    kind: type = str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple = ()
    unit: str = ""
    metavar: str = ""
    flag: str = ""
    short: str = ""
    argument: bool = False
    required: bool = False
    many: str = ""
    each: bool = False
    process: bool = False
    label: str = ""

    @property
    def key(self) -> str:
        """Its name in --params, and without dashes in the parsed arguments."""
        return self.flag or self.name.replace("_", "-")

    @property
    def dest(self) -> str:
        return self.key.replace("-", "_")

    @property
    def shown(self) -> str:
        """What the command's messages call it."""
        return self.metavar if self.argument else f"--{self.key}"

    def problem(self, value: Any, takes: str = "str | Path") -> str:
        """What is wrong with a value, such as "is not between 0.5 and 100 Å"; "" for nothing.

        takes : annotation of the function's parameter: what else than text stands for a file
        """
        if value is None and (self.default is None or self.required):
            return ""
        if self.choices:
            known = " or ".join(", ".join(map(str, self.choices)).rsplit(", ", 1))
            ours = isinstance(value, (str, int, float)) and value in self.choices
            return "" if ours else f"is unknown: choose {known}"
        if self.kind is bool:
            return "" if _is_truth(value) else "is neither True nor False"
        if self.kind is str:
            if isinstance(value, str) and not value and self.default != "":
                return "is empty: give a value, or leave it out"
            return _text_problem(value, takes)
        if self.kind is int and not _is_number(value, whole=True):
            return "is not a whole number"
        if not _is_number(value):
            return "is not a number"
        return "" if self._within(value) else f"is not {self.range()}"

    def _within(self, value: float) -> bool:
        return bool(
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and abs(value) < float("inf")
        )

    def range(self) -> str:
        """The range in words.

        >>> Option("claimed", kind=float, least=0.5, most=100, unit="Å").range()
        'between 0.5 and 100 Å'
        >>> Option("share", kind=float, above=0, below=1).range()
        'above 0 and below 1'
        """
        unit = f" {self.unit}" if self.unit else ""
        if self.least is not None and self.most is not None:
            return f"between {self.least:.10g} and {self.most:.10g}{unit}"
        if self.kind is int and self.least is not None:
            return f"a whole number from {self.least:.10g} up"
        ends = (("at least", self.least), ("above", self.above), ("at most", self.most),
            ("below", self.below))  # fmt: skip
        words = [f"{word} {end:.10g}{unit}" for word, end in ends if end is not None]
        return " and ".join(words) or "finite"

    def check(self, value: Any, takes: str = "str | Path") -> None:
        """Raise SettingError where a value cannot be used; takes : as `problem` has it.

        The message names the keyword, as `name=value`; the command line says `--name=value`.
        """
        several = _is_several(value) and ("Sequence" in takes or self.each)
        if "Sequence" in takes and not several and not _takes_one(takes):
            if value is not None:
                self._refuse(value, "is one value, where a list is meant")
        for one in value if several else [value]:
            said = self.problem(one, takes)
            if said:
                self._refuse(one, said)

    def _refuse(self, value: Any, said: str) -> None:
        from cryodl.errors import SettingError

        number = _is_number(value) and not isinstance(value, int)
        shown = f"{value:.10g}" if number else repr(value)
        if len(shown) > LONGEST_SHOWN:
            shown = f"{type(value).__name__}(...)"
        raise SettingError(f"{self.name}={shown} {said}")


LONGEST_SHOWN = 200  # letters of a value in a message
# types by the names that annotations have for them; an array for a map has its own message, later
ALSO = {
    "ndarray": ("Volume", "MapLike"),
    "Volume": ("MapLike",),
    "dict": ("Mapping",),
    "function": ("Callable",),
}


def _text_problem(value: Any, takes: str) -> str:
    from os import PathLike

    if isinstance(value, (str, PathLike)):
        longest = max(map(len, str(value).encode("utf-8", "replace").split(b"/")))
        return f"holds a name of {longest} bytes: no file has more than 255" * (longest > 255)
    if isinstance(value, bool) or _is_number(value):
        return "" if "float" in takes else "is no path or name"
    names = [each.__name__ for each in type(value).__mro__[:-1]]
    names += [other for name in names for other in ALSO.get(name, ())]
    taken = "Any" in takes or any(name in takes for name in names)
    return "" if taken else "is no path or name"


def _is_several(value: Any) -> bool:
    """Whether it holds values one after another: a list, a tuple, an array of one dimension."""
    return isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1


def _takes_one(takes: str) -> bool:
    """Whether an annotation such as "float | Sequence[float]" takes a value by itself, too."""
    import re

    while "[" in takes:
        takes = re.sub(r"\[[^\[\]]*\]", "", takes)
    return bool({part.strip() for part in takes.split("|")} - {"Sequence", "None"})


def _is_truth(value: Any) -> bool:
    return isinstance(value, (bool, int)) and value in (0, 1) or type(value).__name__ == "bool_"


def _is_number(value: Any, whole: bool = False) -> bool:
    from numbers import Integral, Real

    return isinstance(value, Integral if whole else Real) and not isinstance(value, bool)


def option(options: Iterable[Option], name: str, **changes: Any) -> Option:
    """One of them, by the name of its keyword, with what is changed about it."""
    [found] = [one for one in options if one.name == name]
    return found._replace(**changes)


# --------------------------- what methods share -------------------------------
MAPS = "(MRC or CCP4, also .gz and .bz2)"

MAP = Option("volume", help=f"density map {MAPS}", flag="map", metavar="MAP", argument=True,
    required=True, label="Input Volume")  # fmt: skip
OUTPUT = Option("output", help="folder for the results", metavar="OUT", short="-o", required=True)
OVERWRITE = Option("overwrite", False, "replace results of an earlier run", bool)
PALETTE = Option("palette", "viridis", "colours of the figures",
    choices=("viridis", "cividis", "plasma", "turbo", "rainbow", "amber"))  # fmt: skip
VOXEL_SIZE = Option("voxel_size", help="where the map's header is wrong", kind=float, above=0,
    unit="Å", label="Sampling rate")  # fmt: skip
VOXEL_SIZES = VOXEL_SIZE._replace(help="where the maps' headers are wrong")
MASK = Option("mask", metavar="FILE", label="Binary Mask", help="mask on the map's grid, or "
    "'network': the one that cryodl mask finds; without it a simple rule finds one")  # fmt: skip
CLAIMED = Option("claimed", help="resolution claimed for the map", kind=float, least=0.5, most=100,
    unit="Å", label="Claimed resolution")  # fmt: skip
BUNDLE = Option("bundle", metavar="NAME_OR_FOLDER", label="Network of your own",
    help="trained network to use instead of the shipped one")  # fmt: skip
HALF1 = Option("half1", help="first half map", metavar="FILE", label="Half map 1")
HALF2 = Option("half2", help="second half map", metavar="FILE", label="Half map 2")
MODEL = Option("model", metavar="FILE", label="Atomic model",
    help="atomic model that is fitted into the map (PDB or mmCIF, also .gz)")  # fmt: skip
THOROUGH = Option("thorough", False, "average the network's answer over the 24 rotations of the "
    "cube, in 24 times the time: a map that is turned by 90 degrees then gives the turned answer",
    bool, label="Average over 24 rotations")  # fmt: skip
JUDGED = (  # a map with all that says how good it is
    MAP._replace(required=False, help="density map; without it the mean of the half maps"),
    HALF1,
    HALF2,
    OUTPUT,
    MASK._replace(help="mask on the map's grid; without it a simple rule finds one"),
    MODEL,
    CLAIMED,
)
BATCH_SIZE = Option("batch_size", 1, "tiles predicted at a time", int, 1, 1024, metavar="N",
    label="Tiles at a time")  # fmt: skip
DEVICE = Option("device", "auto", "where to compute", choices=("auto", "cpu", "gpu"))
MOST_WORKERS = 256  # processes: each takes memory
GPUS = Option("gpus", help="numbers of the GPUs to use, such as 0,1; all by default",
    metavar="LIST", process=True)  # fmt: skip
THREADS = Option("threads", help="processor cores to use; all by default", kind=int, least=1,
    metavar="N", process=True)  # fmt: skip
PRECISION = Option("precision", help="of networks on processors: half takes half the time, and "
    "moves resolutions by 0.02 to 0.05 Å in the mean; auto (the default) takes it where the "
    "processor has matrix units (AMX)", choices=("auto", "single", "half"),
    process=True)  # fmt: skip
PROCESSOR = DEVICE, GPUS, THREADS, PRECISION
NETWORK = THOROUGH, *PROCESSOR, BATCH_SIZE
ONE_MAP = MAP, OUTPUT, MASK, CLAIMED, VOXEL_SIZE, *NETWORK


# --------------------------- the command line ---------------------------------
def add_arguments(parser: Any, options: Iterable[Option]) -> None:
    """Give an argparse parser the arguments that options stand for, in their order."""
    for one in options:
        words: dict[str, Any] = {"help": one.help}
        if one.kind is bool:
            words["action"] = "store_true"
        else:
            words["metavar"] = one.metavar or one.unit or None
            words["default"] = one.default
            if isinstance(one.default, tuple):  # argparse reads it, and help shows it, as a word
                words["default"] = ",".join(f"{value:g}" for value in one.default)
        if one.choices:
            words.update(choices=list(one.choices), metavar=None)
        if one.kind in (int, float) and not one.choices:
            words["type"] = one.kind
        if one.many == "commas":
            words["type"] = _split(one.kind)
        if one.many == "repeat":
            words["action"] = "append"
        if one.argument:
            several = "+" if one.required else "*"
            words["nargs"] = several if one.many else None if one.required else "?"
            if one.many == "rest":
                words["nargs"] = "A..."
            parser.add_argument(one.dest, **words).required = one.required
            continue
        if one.many == "list":
            words["nargs"] = "+"
        names = [one.short] if one.short else []
        parser.add_argument(*names, f"--{one.key}", required=one.required, **words)


def _split(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    def numbers(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",")]

    return numbers


def keywords(options: Iterable[Option], args: Any) -> dict[str, Any]:
    """The Python function's keywords, of a command's parsed arguments."""
    return {one.name: getattr(args, one.dest) for one in options if not one.process}


# --------------------------- Python functions ---------------------------------
def declared(options: Iterable[Option]) -> Callable[[Function], Function]:
    """Hold a function to its options: their ranges, and no other keyword.

    A keyword that it does not have raises TypeError and names the nearest that it has; a value that
    cannot be used raises SettingError, both before anything else is done.
    """
    chosen = {one.name: one for one in options}

    def hold(function: Function) -> Function:
        from functools import wraps
        from inspect import signature

        taken = signature(function)

        @wraps(function)
        def checked(*args: Any, **named: Any) -> Any:
            for name in named:
                if name not in taken.parameters:
                    raise TypeError(_unknown(function.__name__, name, taken.parameters))
            for name, value in taken.bind(*args, **named).arguments.items():
                if name in chosen:
                    its = taken.parameters[name]
                    if value is None and its.default is its.empty:
                        chosen[name]._refuse(value, "is nothing: it has to be given")
                    annotated = its.annotation is not its.empty
                    chosen[name].check(value, str(its.annotation) if annotated else "Any")
            return function(*args, **named)

        return checked  # type: ignore[return-value]

    return hold


def _unknown(function: str, name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
    return f"{function}() has no keyword {name!r}: {hint}"


# --------------------------- messages -----------------------------------------
def as_flags(message: str, options: Iterable[Option]) -> str:
    """A message that names keywords, as `name=`, in the words of the command line.

    `mask=` becomes `--mask`, `overwrite=True` becomes `--overwrite`, and `claimed=500` becomes
    `--claimed=500`; what stands for no option, such as a part of a path, stays.
    """
    import re

    for one in options:
        pattern = rf"(?<![\w/.\-]){re.escape(one.name)}=(True\b)?(?=(\S?))"

        def said(found: Any, one: Option = one) -> str:
            follows = found.group(2) not in ("", *" ,;:.)")
            return one.shown + ("=" if follows and not found.group(1) else "")

        message = re.sub(pattern, said, message)
    return message


def as_labels(message: str, options: Iterable[Option]) -> str:
    """What the command line says, in the words of Scipion's forms.

    `--claimed=500` becomes `Claimed resolution: 500`, and `--mask` becomes `'Mask'`.
    """
    import re

    for one in options:
        if one.label:
            found = rf"(?<![\w/.\-]){re.escape(one.shown)}(?![\w.\-])"
            message = re.sub(f"{found}=", f"{one.label}: ", message)
            message = re.sub(found, f"'{one.label}'", message)
    return message


def by_name(options: Iterable[Option]) -> dict[str, Option]:
    return {one.name: one for one in options}


def differing(options: Iterable[Option], args: Any) -> Iterator[Option]:
    """Those that the parsed arguments give another value than their default."""
    for one in options:
        if getattr(args, one.dest, one.default) != one.default:
            yield one
