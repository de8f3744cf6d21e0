"""One declaration of every parameter: commands, functions and messages agree with it."""

import inspect

import numpy as np
import pytest

import cryodl
from cryodl.cli.main import COMMANDS, main
from cryodl.compute.device import DEVICES
from cryodl.compute.precision import PRECISIONS
from cryodl.errors import CryodlError, InputError, SettingError
from cryodl.methods import registry
from cryodl.methods.options import DEVICE, PALETTE, PRECISION, Option, as_flags, declared, differing
from cryodl.report.palette import PALETTES

METHODS = {
    **registry.COMMANDS,
    **registry.LOCALRES,
    **{f"train {name}": method for name, method in registry.TRAIN.items()},
    **{f"evaluate {name}": method for name, method in registry.EVALUATE.items()},
}
PYTHON_ONLY = {"judged", "progress", "notify", "log", "estimate", "curve"}  # on no command line


def test_every_command_and_function_is_in_the_registry():
    assert set(registry.COMMANDS) <= set(COMMANDS)
    assert set(registry.functions()) <= set(cryodl.__all__)
    for name, module in registry.functions().items():
        assert getattr(cryodl, name).__module__ == module


def declared_options(name):
    return {one.name: one for one in METHODS[name].load_options() if not one.process}


@pytest.mark.parametrize("name", METHODS)
def test_signatures_are_what_is_declared(name):
    options = declared_options(name)
    taken = inspect.signature(METHODS[name].load()).parameters
    assert set(taken) - PYTHON_ONLY == set(options) | ({"device"} if name == "simulate" else set())
    for one in options.values():
        default = taken[one.name].default
        if default is inspect.Parameter.empty:
            assert one.required, f"{one.name} has no default and is not required"
        else:
            assert (default, type(default)) == (one.default, type(one.default)), one.name


@pytest.mark.parametrize("name", METHODS)
def test_a_wrong_keyword_names_the_near_one(name):
    keyword = list(declared_options(name))[-1]
    said = f"no keyword '{keyword}s': did you mean '{keyword}'\\?"
    with pytest.raises(TypeError, match=said):
        METHODS[name].load()("map.mrc", **{f"{keyword}s": 1})


RANGED = [
    pytest.param(name, one.name, id=f"{name}-{one.name}")
    for name in METHODS
    for one in declared_options(name).values()
    if one.kind in (int, float) or one.choices
]


@pytest.mark.parametrize(("name", "keyword"), RANGED)
def test_python_names_the_keyword_of_a_value_that_cannot_be_used(name, keyword):
    one = declared_options(name)[keyword]
    required = [o for o in declared_options(name).values() if o.required]
    given: dict = {o.name: "map.mrc" if o.kind is str else 1.0 for o in required}
    given.update({o.name: ["map.mrc"] for o in required if o.many == "list"})
    with pytest.raises(SettingError, match=f"^{keyword}='nonesuch' is ") as caught:
        METHODS[name].load()(**{**given, keyword: "nonesuch"})
    assert "--" not in str(caught.value)
    one.check(one.default)


def test_the_command_line_names_its_option(tmp_path, capsys):
    assert main(["mask", "map.mrc", "-o", str(tmp_path / "m.mrc"), "--threshold", "1"]) == 2
    assert "--threshold=1 is not above 0 and below 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "bad", "good", "words"),
    [
        (Option("x", kind=float, least=0.5, most=100, unit="Å"), (0.4, 101, float("nan")),
         (0.5, 100, None), "is not between 0.5 and 100 Å"),
        (Option("x", 0.0, kind=float, least=0, below=1), (-0.1, 1, float("inf")), (0, 0.99),
         "is not at least 0 and below 1"),
        (Option("x", 1, kind=int, least=1), (0, -5), (1, 10**9),
         "is not a whole number from 1 up"),
        (Option("x", 1, kind=int), (1.5, True, "1"), (1,), "is not a whole number"),
        (Option("x", 0.0, kind=float), ("1", True, [1.0], None), (1,), "is not a number"),
        (Option("x", False, kind=bool), ("no", 2, None), (0, True), "is neither True nor False"),
        (Option("x", "a", choices=("a", "b")), ("c", None), ("b",), "is unknown: choose a or b"),
    ],
)  # fmt: skip
def test_one_message_for_each_range(option, bad, good, words):
    for value in bad:
        assert option.problem(value) == words, value
        with pytest.raises(SettingError, match="^x="):
            option.check(value)
    for value in good:
        option.check(value)


def test_choices_are_those_of_what_computes():
    """They stand twice: options read no other module, and what computes no method."""
    assert DEVICE.choices == DEVICES and PRECISION.choices == PRECISIONS
    assert PALETTE.choices == tuple(PALETTES)


def test_one_value_or_one_for_each():
    each = Option("x", kind=float, least=1, each=True)
    each.check([1, 2.5, None])
    with pytest.raises(SettingError, match="^x=0.5 is not at least 1$"):
        each.check([1, 0.5])
    with pytest.raises(SettingError, match="is not a number"):
        each._replace(each=False).check([1])


def test_messages_in_the_words_of_the_command_line():
    options = [
        Option("volume", metavar="MAP", argument=True),
        Option("protect_mask", flag="protect"),
        Option("mask"),
        Option("voxel_size"),
        Option("overwrite"),
    ]
    said = "mask= (or protect_mask=), voxel_size='x', overwrite=True, volume=; a/mask=1.mrc or x=2"
    wanted = "--mask (or --protect), --voxel-size='x', --overwrite, MAP; a/mask=1.mrc or x=2"
    assert as_flags(said, options) == wanted


def test_a_value_given_by_its_place_is_checked_too():
    @declared([Option("share", 0.5, kind=float, least=0, most=1)])
    def function(volume, share=0.5):
        return volume, share

    assert function("map", 1) == ("map", 1) and function("map") == ("map", 0.5)
    with pytest.raises(SettingError, match="^share=2 "):
        function("map", 2)


def test_differing_options_are_those_that_were_given():
    class Args:
        first, second_one = 1, "x"

    options = [Option("first", 1), Option("second_one"), Option("third")]
    assert [one.name for one in differing(options, Args)] == ["second_one"]


VOLUME = cryodl.Volume(np.random.default_rng(0).normal(size=(16,) * 3), 2.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cryodl.run_local_resolution(3), "volume=3 is no path or name"),
        (lambda: cryodl.run_local_resolution(None), "volume=None is nothing"),
        (lambda: cryodl.run_local_resolution(["a.mrc"]), r"volume=\['a.mrc'\] is no path"),
        (lambda: cryodl.run_local_resolution(VOLUME, mask=3), "mask=3 is no path or name"),
        (lambda: cryodl.run_local_resolution(VOLUME, sharpen=True), "sharpen True is not none"),
        (lambda: cryodl.run_local_resolution(VOLUME, device=np.ones(3)), "device=array.* unknown"),
        (lambda: cryodl.run_mask(VOLUME, output=VOLUME), r"output=Volume\(...\) is no path"),
        (lambda: cryodl.run_mask(VOLUME, bundle=np.ones(3)), "bundle=array.* is no path"),
        (lambda: cryodl.run_compare("a.mrc"), "resolutions='a.mrc' is one value, where a list"),
        (lambda: cryodl.run_compare([1, 2]), "resolutions=1 is no path"),
        (lambda: cryodl.run_oversharpening(VOLUME, bfactors=5), "bfactors=5 is one value"),
        (lambda: cryodl.run_half_map_resolution(VOLUME, VOLUME, window=3.0), "window= does"),
        (lambda: cryodl.run_half_map_resolution(VOLUME, VOLUME, method="localfsc",
            significance=0.9), "significance= does"),
        (lambda: cryodl.run_experiments(".", output="."), ". is what is read"),
        (lambda: cryodl.run_experiments(".", output="o", workers=10**5), "workers=100000 is not"),
        (lambda: cryodl.classify_maps([VOLUME], claimed=np.array([3.0, 4.0])), "2 claims"),
    ],
)  # fmt: skip
def test_python_says_what_cannot_be_used_before_anything_is_done(call, said):
    with pytest.raises(CryodlError, match=f"^{said}"):
        call()


def test_python_takes_what_stands_for_a_file():
    text = Option("bundle")
    for value, takes in ((VOLUME, "Volume | str | Path"), (VOLUME, "MapLike | None"),
                         (VOLUME, "Any"), (VOLUME.data, "Volume | np.ndarray | str")):  # fmt: skip
        text.check(value, takes)
    with pytest.raises(SettingError, match="is no path or name"):
        text.check(VOLUME, "str | Path | None")


@pytest.mark.parametrize(
    "data", [np.ones((16,) * 3), np.random.default_rng(0).normal(size=(7, 16, 16))]
)
@pytest.mark.parametrize(
    "run", [cryodl.run_local_resolution, cryodl.run_single_map_resolution, cryodl.run_mask,
            cryodl.classify_maps, cryodl.run_enhance, cryodl.run_local_classes],
)  # fmt: skip
def test_what_shows_no_molecule_is_refused(run, data):
    with pytest.raises(InputError, match="the map is constant|are the least that show anything"):
        run(cryodl.Volume(data, 2.0))
