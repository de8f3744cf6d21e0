"""One declaration of every parameter: commands, functions and messages agree with it."""

import inspect

import pytest

import cryodl
from cryodl.cli.main import COMMANDS, main
from cryodl.errors import SettingError
from cryodl.methods import registry
from cryodl.methods.options import Option, as_flags, declared, differing

METHODS = {
    **registry.COMMANDS,
    **registry.LOCALRES,
    **{f"train {name}": method for name, method in registry.TRAIN.items()},
    **{f"evaluate {name}": method for name, method in registry.EVALUATE.items()},
}
PYTHON_ONLY = {"progress", "notify", "log", "estimate"}  # that no command line can give


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
    given = {o.name: "map.mrc" if o.kind is str else 1.0 for o in required}
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
