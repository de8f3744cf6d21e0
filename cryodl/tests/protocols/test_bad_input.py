"""Bad input of every form: told before the run, in one line, by the label that the form shows."""

import numpy as np
import pytest
from pwem.objects import AtomStruct, Volume, VolumeMask
from pyworkflow.tests import BaseTest, setupTestProject

from cryodl import protocols
from cryodl.objects import CryodlNetwork
from cryodl.tests.protocols.test_sets import make_set
from cryodl.tests.scipion_maps import write_map, write_molecule

SHAPE, VOXEL, ORIGIN = (20, 24, 22), 1.5, (0, 0, 0)

# what fills each form so that it may run: names of FORMS.objects, and plain values
GOOD = {
    "ValidateMap": {"inputVolume": "map"},
    "Fsc": {"associatedHalves": "map"},
    "FindMask": {"inputVolume": "map"},
    "LocalResolution": {"inputVolume": "map"},
    "SingleMapResolution": {"inputVolume": "map"},
    "HalfMapResolution": {"associatedHalves": "map"},
    "LocalClasses": {"inputVolume": "map"},
    "TrainLocalClasses": {
        "inputVolumes": ["map", "bare"],
        "inputResolutions": ["resolution", "again"],
    },
    "ResolutionClass": {"inputVolumes": ["map"]},
    "ImportResolution": {"inputResolution": "resolution"},
    "CompareResolution": {"inputResolutions": ["resolution", "again"]},
    "Enhance": {"inputVolume": "map"},
    "LocalFilter": {"inputVolume": "map", "inputResolution": "resolution"},
    "Oversharpening": {"associatedHalves": "map"},
}
ONE_MAP = ("ValidateMap", "LocalResolution", "SingleMapResolution", "LocalClasses")
HALVES = ("Fsc", "HalfMapResolution", "Oversharpening")
SMALL, GONE = "has 22 x 24 x 18 voxels and ", "gone.mrc is missing"
EMPTY = "cannot be EMPTY"  # Scipion's own word
DENSITY = "is a density and no local resolution in Å"
APART = {"hasHalfVolumesFile": False}
MAP_ONLY = {"useHalfVolumes": False}
STATISTICS, BY_MASK = {"normalization": 1}, {"normalization": 2}

CASES = [
    # one volume, or a set
    *((form, {"inputVolume": None}, "Input Volume", EMPTY)
      for form in (*ONE_MAP, "FindMask", "LocalFilter")),
    *((form, {"inputVolume": bad}, "Input Volume", said)
      for form in (*ONE_MAP, "FindMask", "Enhance", "LocalFilter")
      for bad, said in (("gone", GONE), ("text", "is not a readable MRC file"),
                        ("unset", "its sampling rate is None"),
                        ("wide", "its sampling rate is 50"))),
    *((form, {"inputVolume": "no volumes"}, "Input Volume", "the set is empty")
      for form in (*ONE_MAP, "FindMask", "Enhance")),
    *((form, {"Mask": bad}, "Binary Mask", said)
      for form in (*ONE_MAP, "LocalFilter", "ImportResolution")
      for bad, said in (("small mask", SMALL), ("coarse mask", "1.8 Å/pixel"), ("gone", GONE))),
    # half maps
    *((form, {"associatedHalves": bad}, label, said)
      for form in HALVES
      for bad, label, said in (
          (None, "Volume with half maps", "choose one"),
          ("bare", "Volume with half maps", "this one has none"),
          ("other box", "Half map 2", SMALL),
          ("twice", "Half map 2", "is the file of half map 1"),
      )),
    *((form, {**APART, "halfMap1": "bare"}, "Half maps", "give both") for form in HALVES),
    *((form, {**APART, "halfMap1": "bare", "halfMap2": "coarse"}, "Half map 2", "1.8 Å/pixel")
      for form in HALVES),
    *((form, {"mask": "small mask"}, "Binary Mask", SMALL) for form in HALVES),
    # networks, numbers
    *((form, {"networkFolder": "/nowhere"}, "Network of your own", "holds no spec.json")
      for form in ("FindMask", "LocalResolution", "SingleMapResolution", "ResolutionClass",
                   "Enhance")),
    *((form, {"claimed": -1}, "Claimed resolution", "-1 Å is not between 0.5 and 100 Å")
      for form in ("ValidateMap", "SingleMapResolution", "ResolutionClass", "CompareResolution")),
    *((form, {"batchSize": 0}, "Tiles at a time", "0 is not between 1 and 1024")
      for form in ("FindMask", "LocalResolution", "SingleMapResolution", "LocalClasses")),
    # of one form each
    ("ValidateMap", {"halfMap1": "bare"}, "Half maps", "give both"),
    ("ValidateMap", {"halfMap1": "bare", "halfMap2": "bare"}, "Half map 2", "is the file of"),
    ("ValidateMap", {"inputModel": "no model"}, "Atomic model", "none.pdb is missing"),
    ("ValidateMap", {"inputResolutions": ["map"]}, "Local resolution map 1", DENSITY),
    ("ValidateMap", {"inputResolutions": ["small"]}, "Local resolution map 1", SMALL),
    ("FindMask", {"threshold": 1.5}, "Threshold", "1.5 is not above 0 and below 1"),
    ("FindMask", {"threshold": None}, "Threshold", "should be a float"),
    ("FindMask", {"soft": -2}, "Soft edge", "-2 Å is not between"),
    ("LocalResolution", {"sharpen": 1, "claimed": 500}, "Claimed resolution", "500 Å is not"),
    ("LocalResolution", {"sharpen": 2, "bFactor": None}, "B-factor", "should be a float"),
    ("HalfMapResolution", {"minRes": 8, "maxRes": 4}, "Resolution Range", "must be smaller"),
    ("HalfMapResolution", {"minRes": -3}, "Resolution Range High", "-3 Å is not between"),
    ("HalfMapResolution", {"significance": 1.2}, "Significance", "1.2 is not at least 0.5"),
    ("HalfMapResolution", {"method": 1, "window": 0}, "Window", "0 Å is not between"),
    ("HalfMapResolution", {"maskThreshold": 1}, "Mask threshold", "1 is not at least 0"),
    ("HalfMapResolution", {**MAP_ONLY}, "Volume", "choose one"),
    ("HalfMapResolution", {**MAP_ONLY, "method": 1}, "Local FSC", "needs half maps"),
    ("HalfMapResolution", {**MAP_ONLY, "fullMap": "map", "maskExcl": "small mask"},
     "Exclude area", SMALL),
    ("LocalClasses", {"network": 2}, "Trained network", "choose one"),
    ("LocalClasses", {"network": 2, "inputNetwork": "no network"}, "Trained network",
     "holds no spec.json"),
    ("LocalClasses", {"network": 3}, "Folder of the network", "choose one"),
    ("LocalClasses", {"network": 3, "networkFolder": "/nowhere"}, "Folder of the network",
     "holds no spec.json"),
    ("TrainLocalClasses", {"inputVolumes": []}, "Maps", EMPTY),
    ("TrainLocalClasses", {"inputResolutions": ["again"]}, "maps", "do not make pairs"),
    ("TrainLocalClasses", {"inputVolumes": ["map"], "inputResolutions": ["again"]}, "One pair",
     "is not enough"),
    ("TrainLocalClasses", {"inputResolutions": ["resolution", "small"]}, "Local resolution 2",
     SMALL),
    ("TrainLocalClasses", {"inputResolutions": ["resolution", "map"]}, "Local resolution 2",
     DENSITY),
    ("TrainLocalClasses", {"startFrom": 2}, "Trained network", "choose one"),
    ("TrainLocalClasses", {"minutes": None}, "Minutes", "should be a float"),
    ("TrainLocalClasses", {"minutes": -5}, "Minutes", "-5 is not above 0"),
    ("TrainLocalClasses", {"networkName": "a/b"}, "Name of the network", "'a/b' has other than"),
    ("ResolutionClass", {"inputVolumes": []}, "Input Volumes", EMPTY),
    ("ResolutionClass", {"inputVolumes": ["no volumes"]}, "Input Volumes", "the set is empty"),
    ("ResolutionClass", {"inputVolumes": ["map", "gone"]}, "Volume 2", GONE),
    ("ImportResolution", {"inputResolution": None}, "Local resolution map", EMPTY),
    ("ImportResolution", {"inputResolution": "map"}, "Local resolution map", DENSITY),
    ("ImportResolution", {"inputVolume": "small"}, "Density map", SMALL),
    ("ImportResolution", {"background": 1, "backgroundValue": None}, "Value of the background",
     "should be a float"),
    ("CompareResolution", {"inputResolutions": []}, "Local resolution maps", EMPTY),
    ("CompareResolution", {"inputResolutions": ["again"]}, "Local resolution maps", "two or more"),
    ("CompareResolution", {"inputResolutions": ["again", "map"]}, "Map 2", DENSITY),
    ("CompareResolution", {"inputResolutions": ["again", "small"]}, "Map 2", SMALL),
    ("CompareResolution", {"inputResolutions": ["again", "text"]}, "Map 2", "readable MRC"),
    ("CompareResolution", {"inputVolume": "gone"}, "Density map", GONE),
    ("CompareResolution", {"inputModel": "no model"}, "Atomic model", "none.pdb is missing"),
    ("Enhance", {"inputVolume": None}, "Input Volume", "choose one"),
    ("Enhance", {"inputVolume": "other box"}, "Half map 2", SMALL),
    ("Enhance", {"inputVolume": "twice"}, "Half map 2", "is the file of half map 1"),
    ("Enhance", {"halfMapsAttached": False, "inputHalf1": "bare"}, "Half maps", "give both"),
    ("Enhance", {"modelType": 0, **BY_MASK}, "Binary Mask", "choose one"),
    ("Enhance", {"modelType": 0, **BY_MASK, "inputMask": "small mask"}, "Binary Mask", SMALL),
    ("Enhance", {"modelType": 0, **STATISTICS, "noiseMean": 0.0, "noiseStd": -1.0}, "Noise",
     "cannot be used"),
    ("Enhance", {"protectMask": "small mask"}, "Protect", SMALL),
    ("Enhance", {"performCleaningStep": True, "sizeFraction_CC": 2}, "Relative size", "2 is not"),
    ("Enhance", {"modelType": 3, "thorough": True}, "Model", "no use for Average over"),
    ("Enhance", {"batch_size": -1}, "Tiles at a time", "-1 is not between"),
    ("LocalFilter", {"inputResolution": None}, "Local resolution map", EMPTY),
    ("LocalFilter", {"inputResolution": "map"}, "Local resolution map", DENSITY),
    ("LocalFilter", {"inputResolution": "small"}, "Local resolution map", SMALL),
    ("Oversharpening", {**MAP_ONLY, "inputResolution": "again"}, "Volume", "choose"),
    ("Oversharpening", {**MAP_ONLY, "inputVolume": "map"}, "Local resolution map", "choose one"),
    ("Oversharpening", {**MAP_ONLY, "inputVolume": "map", "inputResolution": "small"},
     "Local resolution map", SMALL),
    ("Oversharpening", {"sharpenedMap": "small"}, "Sharpened volume", SMALL),
    ("Oversharpening", {"firstB": -200, "lastB": 0}, "B-factors", "are no scan"),
    ("Oversharpening", {"lastB": float("-inf")}, "B-factors", "are no scan"),
    ("Oversharpening", {"lastB": -9000, "stepB": 500}, "B-factors", "is beyond -2000"),
    ("Oversharpening", {"stepB": 0.1}, "B-factors", "more than 60 of them"),
    ("Oversharpening", {"stepB": None}, "Step", "should be a float"),
]  # fmt: skip


class Forms(BaseTest):
    """A project, and what is chosen in its forms."""

    __test__ = False

    @classmethod
    def make(cls):
        setupTestProject(cls)
        path = cls.getOutputPath
        inside = write_molecule(path("map.mrc"), SHAPE, VOXEL, ORIGIN, mask_path=path("mask.mrc"))
        write_molecule(path("half.mrc"), SHAPE, VOXEL, ORIGIN, seed=1)
        for name, value in (("resolution.mrc", 5.0), ("again.mrc", 6.0)):
            write_map(path(name), np.where(inside, value, 0), VOXEL, ORIGIN)
        write_map(path("small.mrc"), np.ones((18, 24, 22)), VOXEL, ORIGIN)
        with open(path("text.mrc"), "w") as file:
            file.write("no map, " * 500)
        halves = [path("map.mrc"), path("half.mrc")]
        cls.objects = {
            "map": cls.volume("map.mrc", halves=halves),
            "bare": cls.volume("half.mrc"),
            "resolution": cls.volume("resolution.mrc"),
            "again": cls.volume("again.mrc"),
            "small": cls.volume("small.mrc"),
            "small mask": cls.volume("small.mrc", kind=VolumeMask),
            "coarse": cls.volume("map.mrc", 1.8),
            "coarse mask": cls.volume("mask.mrc", 1.8, kind=VolumeMask),
            "gone": cls.volume("gone.mrc"),
            "text": cls.volume("text.mrc"),
            "wide": cls.volume("map.mrc", 50),
            "unset": cls.volume("map.mrc", None),
            "other box": cls.volume("map.mrc", halves=[halves[0], path("small.mrc")]),
            "twice": cls.volume("map.mrc", halves=halves[:1] * 2),
            "no volumes": make_set(cls, []),
            "no model": AtomStruct(filename=path("none.pdb")),
            "no network": CryodlNetwork(path("none")),
        }
        return cls

    @classmethod
    def volume(cls, name, rate=VOXEL, kind=Volume, halves=()):
        volume = kind(location=cls.getOutputPath(name))
        volume.setSamplingRate(rate)
        if halves:
            volume.setHalfMaps(list(halves))
        return volume

    @classmethod
    def filled(cls, form, changes):
        run = cls.newProtocol(getattr(protocols, f"CryodlProt{form}"))
        if hasattr(run, "useGpu"):
            run.useGpu.set(False)
        for name, value in {**GOOD[form], **changes}.items():
            if isinstance(value, list):
                value = [cls.objects[one] for one in value]
            elif isinstance(value, str):
                value = cls.objects.get(value, value)
            getattr(run, name).set(value)
        return run


@pytest.fixture(scope="module")
def forms():
    return Forms.make()


def test_all_forms_are_here_and_may_run(forms):
    names = {name[len("CryodlProt") :] for name in protocols.__all__ if "Base" not in name}
    assert names == set(GOOD)
    for form in GOOD:
        assert forms.filled(form, {}).validate() == [], form


@pytest.mark.parametrize("form, changes, label, said", CASES)
def test_bad_input_is_told_in_the_words_of_the_form(forms, form, changes, label, said):
    (line,) = forms.filled(form, changes).validate()
    assert line.strip("*").startswith(label) or label.islower() and label in line
    assert said in line
    assert "\n" not in line and "--" not in line and "Traceback" not in line
