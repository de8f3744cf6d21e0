"""Scipion's forms say of a parameter what commands and functions say of it."""

import re

import pytest

from cryodl import protocols
from cryodl.methods import registry
from cryodl.methods.options import as_labels, by_name
from cryodl.protocols import (
    protocol_enhance,
    protocol_half_map_resolution,
    protocol_local_resolution,
    protocol_oversharpening,
    protocol_resolution_class,
)
from cryodl.protocols.maps import choice_help, describe_value

NETWORK = {"thorough": "thorough", "batchSize": "batch_size"}
# class -> the method whose options its parameters are, and which; choices with what they stand for
FORMS = {
    "CryodlProtLocalResolution": (registry.LOCALRES["deepres"], {
        "range": ("range", protocol_local_resolution.RANGES),
        "sharpen": ("sharpen", protocol_local_resolution.SHARPENINGS),
        "claimed": "claimed", "networkFolder": "bundle", **NETWORK}),
    "CryodlProtSingleMapResolution": (registry.LOCALRES["cryores"], {
        "claimed": "claimed", "networkFolder": "bundle", **NETWORK}),
    "CryodlProtLocalClasses": (registry.LOCALRES["unet-monores"], {
        "probabilities": "probabilities", **NETWORK}),
    "CryodlProtHalfMapResolution": (registry.LOCALRES["monogenic"], {
        "method": ("method", protocol_half_map_resolution.METHODS),
        "minRes": "min_resolution", "maxRes": "max_resolution",
        "significance": "significance", "window": "window"}),
    "CryodlProtResolutionClass": (registry.COMMANDS["classify"], {
        "model": ("model", protocol_resolution_class.MODELS), "claimed": "claimed",
        "thorough": "thorough"}),
    "CryodlProtEnhance": (registry.COMMANDS["enhance"], {
        "modelType": ("model", protocol_enhance.MODELS),
        "normalization": ("normalisation", protocol_enhance.NORMALISATIONS),
        "noiseMean": "noise_mean", "noiseStd": "noise_std", "sizeFraction_CC": "clean",
        "thorough": "thorough", "batch_size": "batch_size"}),
    "CryodlProtOversharpening": (registry.COMMANDS["oversharpening"], {
        "method": ("method", protocol_oversharpening.METHODS),
        "criterion": ("criterion", protocol_oversharpening.CRITERIA)}),
    "CryodlProtCompareResolution": (registry.COMMANDS["compare"], {"claimed": "claimed"}),
    "CryodlProtImportResolution": (registry.COMMANDS["import"], {
        "background": ("background", ("auto", "value"))}),
    "CryodlProtLocalFilter": (registry.COMMANDS["filter"], {}),
    "CryodlProtValidateMap": (registry.COMMANDS["report"], {"claimed": "claimed"}),
    "CryodlProtFsc": (registry.COMMANDS["fsc"], {"directional": "directional"}),
    "CryodlProtFindMask": (registry.COMMANDS["mask"], {
        "threshold": "threshold", "dilate": "dilate", "soft": "soft",
        "networkFolder": "bundle", **NETWORK}),
}  # fmt: skip
OWN_DEFAULT = {"sizeFraction_CC": "0.05"}  # another parameter switches the cleaning off
SHARED_HELP = ("thorough", "bundle")  # said of any network by the same words in every form
# what a form asks beside, to lead to a volume, a network or a list that an option is given
OF_THE_FORM = {
    "bFactor", "backgroundValue", "compareResolution", "findResolutions", "firstB",
    "halfMapsAttached", "hasHalfVolumesFile", "lastB", "maskFinder", "maskThreshold", "network",
    "numberOfThreads", "performCleaningStep", "runMode", "stepB", "useGpu", "useHalfMapsInsteadVol",
    "useHalfVolumes",
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_forms_have_the_defaults_and_the_help_of_options(name):
    method, shared = FORMS[name]
    options = by_name(method.load_options())
    run = getattr(protocols, name)()
    for parameter, words in shared.items():
        keyword, values = words if isinstance(words, tuple) else (words, None)
        shown, option = run.getParam(parameter), options[keyword]
        if keyword not in SHARED_HELP:
            said = choice_help(option, values, shown.choices) if values else option.help
            assert str(shown.help).startswith(f"{said[0].upper()}{said[1:]}.")
        default = shown.default.get()
        if values is not None:
            assert len(shown.choices) == len(values)
            assert set(values) <= set(option.choices or values)
            assert values[int(default)] == option.default
        elif keyword != "bundle":
            own = OWN_DEFAULT.get(parameter, option.default)
            assert default == (None if own is None else str(own)), parameter


@pytest.mark.parametrize("name", FORMS)
def test_no_parameter_of_a_form_is_declared_beside_its_option(name):
    _, shared = FORMS[name]
    run = getattr(protocols, name)()
    kinds = ("BooleanParam", "EnumParam", "FloatParam", "IntParam")
    values = {name for name, p in run._definition.iterParams() if type(p).__name__ in kinds}
    assert values - OF_THE_FORM <= set(shared)


EVERY = [name for name in protocols.__all__ if not name.endswith("Base")]
COMMAND_LINE = re.compile(
    r"--\w|`|\bcryodl [a-z]|localfsc|highres|unet-|\bbundle\b|\bcommand\b|stats\.json"
)


@pytest.mark.parametrize("name", EVERY)
def test_forms_say_nothing_of_the_command_line(name):
    run = getattr(protocols, name)()
    said = [type(run).__doc__, *run._summary()]
    for _, param in run._definition.iterAllParams():
        said += [str(param.label), str(param.help), *getattr(param, "choices", [])]
    for text in said:
        assert not COMMAND_LINE.search(text), text


@pytest.mark.parametrize("name", EVERY)
def test_help_says_what_when_how_and_what_can_go_wrong(name):
    what, *more = getattr(protocols, name).__doc__.split("\n\n")
    assert what.strip().endswith(".")
    for head in ("*When to use it*: ", "*How to read it*: ", "*Pitfalls*: "):
        assert sum(part.strip().startswith(head) for part in more) == 1, head


def test_a_bad_value_is_told_by_the_label_of_the_form():
    [claimed] = [o for o in registry.LOCALRES["deepres"].load_options() if o.name == "claimed"]
    said = ["Claimed resolution: 300 Å is not between 0.5 and 100 Å."]
    assert describe_value(claimed, 300.0) == said
    assert describe_value(claimed, 4.0) == describe_value(claimed, None) == []


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("--claimed=500 is not between", "Claimed resolution: 500 is not between"),
        ("give the true one as --voxel-size", "give the true one as 'Sampling rate'"),
        ("no map is given: give MAP", "no map is given: give 'Input Volume'"),
        ("cannot read a/MAP or MAP.mrc --mask-2", "cannot read a/MAP or MAP.mrc --mask-2"),
        ("x exists: give another name, or --overwrite",) * 2,
    ],
)
def test_what_the_engine_refuses_is_said_in_the_words_of_the_form(said, wanted):
    assert as_labels(said, registry.options_of("localres", "cryores")) == wanted


def test_an_engine_that_refuses_stops_the_run_with_a_label(monkeypatch):
    from cryodl.plugin import Plugin

    def refuse(*given):
        raise RuntimeError("--batch-size=0 is not between 1 and 1024")

    monkeypatch.setattr(Plugin, "runEngine", refuse)
    run = protocols.CryodlProtSingleMapResolution()
    with pytest.raises(RuntimeError, match="^Tiles at a time: 0 is not between"):
        run._callEngine("localres", {"method": "cryores"}, "run")
