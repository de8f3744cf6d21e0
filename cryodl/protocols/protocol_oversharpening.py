"""The B-factor that sharpens a map without oversharpening it."""

import math

import pyworkflow.protocol.params as params
from pwem.objects import Volume
from pyworkflow import BETA
from pyworkflow.object import Float

from cryodl.methods import oversharpening_options
from cryodl.methods.options import by_name
from cryodl.plugin import Plugin
from cryodl.protocols.inputs import HalfMapInputs, describe_resolution, resolution_of
from cryodl.protocols.maps import (
    add_choice,
    add_mask,
    add_volume,
    describe_inputs,
    given,
    volume_of,
)
from cryodl.protocols.protocol_base import CryodlProtBase

LOCAL_FSC, MONOGENIC = range(2)
METHODS = ("localfsc", "monogenic")
CRITERIA = ("auto", "crossing")  # half maps, of which it is asked, give the correlation
OPTIONS = by_name(oversharpening_options.OPTIONS)
MOST = 60  # B-factors in one scan


class CryodlProtOversharpening(HalfMapInputs, CryodlProtBase):
    """Find the B-factor that sharpens a map without oversharpening it.

    A map is sharpened with several B-factors and its aspect resolution, how it looks, is estimated
    after each; what the half maps hold, the signal-to-noise resolution, does not move. Where the
    20 % percentiles of both meet, a map looks as good as it is. Half maps also tell with which
    B-factor the map is most like its atoms, which is then recommended.

    *When to use it*: before you sharpen a map, or to judge one that was sharpened elsewhere.

    *How to read it*: left of the point where the curves meet a map could be sharpened more; right
    of it, it looks better than its half maps hold. The output has the recommended B-factor.

    *Pitfalls*: curves that do not meet say that the scan is too short, or that the map was
    sharpened before. One B-factor serves a whole map: parts of other resolutions want others.
    """

    _label = "oversharpening"
    _devStatus = BETA
    _command = "oversharpening"
    _labels = {
        "map": "Volume", "resolution-map": "Local resolution map", "sharpened": "Sharpened volume",
    }  # fmt: skip
    _pending = "The B-factors are not scanned yet."
    _possibleOutputs = {"outputVolume": Volume}

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.best_bfactor = Float()

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        self._defineDeviceParams(form)
        form.addSection(label="Input")
        self._defineHalfParams(
            form,
            "Yes estimates the signal-to-noise resolution of half maps. No takes it from a "
            "local resolution map that you have.",
            "Its half maps come with it; their mean is the unsharpened map.",
            "First half map, neither masked nor sharpened.",
        )
        for name, label, text in (
            ("inputVolume", "Volume", "The unsharpened map."),
            (
                "inputResolution",
                "Local resolution map",
                "Signal-to-noise resolution in Å of the unsharpened map, of any package: MonoRes, "
                "blocres, or this plugin's half-map local resolution.",
            ),
        ):
            add_volume(
                form, name, label, text,
                condition="not useHalfVolumes", allowsNull=True, important=True,
            )  # fmt: skip
        add_choice(
            form,
            "method",
            OPTIONS["method"],
            METHODS,
            ["local FSC", "monogenic"],
            "Local FSC is as blocres, monogenic as MonoRes.",
            condition="useHalfVolumes",
        )
        add_choice(
            form,
            "criterion",
            OPTIONS["criterion"],
            CRITERIA,
            ["correlation", "crossing"],
            "Both are told.",
            condition="useHalfVolumes",
        )
        add_volume(
            form,
            "sharpenedMap",
            "Sharpened volume",
            "Optional: a map on the same grid, sharpened in any way. It is judged over-, under- "
            "or well sharpened.",
            allowsNull=True,
        )
        add_mask(form, "mask", "Resolutions are compared inside it. Left empty, a mask is found.")
        group = form.addGroup("B-factors (Å²)")
        for name, default, label, text in (
            ("firstB", 0.0, "First", "0 is the map as it is; negative values sharpen."),
            ("lastB", -200.0, "Last", "The strongest sharpening."),
            ("stepB", 25.0, "Step", "Where the resolutions meet is interpolated between steps."),
        ):
            group.addParam(name, params.FloatParam, default=default, label=label, help=text)
        form.addParallelSection(threads=Plugin.defaultThreads(), mpi=0)

    # --------------------------- engine -----------------------------------
    def _engineInputs(self):
        inputs = dict(zip(("half1", "half2"), self._halves()))
        if not self.useHalfVolumes.get():
            inputs = given(map=self.inputVolume)
            if self.inputResolution.get() is not None:
                inputs["resolution-map"] = resolution_of(self.inputResolution)
        return {**inputs, **given(sharpened=self.sharpenedMap, mask=self.mask)}

    def _engineParams(self):
        bfactors = self._bfactors()
        # the command's own default looks once more where the resolutions meet
        default = [-25.0 * i for i in range(9)]
        return {
            **self._enginePaths(),
            "method": METHODS[self.method.get()],
            "criterion": CRITERIA[self.criterion.get()] if self.useHalfVolumes.get() else None,
            "bfactors": None if bfactors == default else ",".join(f"{b:g}" for b in bfactors),
        }

    def _bfactors(self):
        """Return the B-factors from first to last; [] where they make no sense."""
        first, last, step = (p.get() for p in (self.firstB, self.lastB, self.stepB))
        if None in (first, last, step) or not (0 >= first > last > -math.inf and abs(step) > 0):
            return []
        step = abs(step)  # the minus of the B-factors is taken for granted
        count = int((first - last) / step + 1e-6)
        found = [first - i * step for i in range(min(count, MOST) + 1)]
        return found if last >= found[-1] - 1e-6 * step else [*found, last]

    def getShownVolume(self):
        """Return the volume on whose grid the output lies."""
        if not self.useHalfVolumes.get():
            return volume_of(self.inputVolume)
        attached = self.hasHalfVolumesFile.get()
        return volume_of(self.associatedHalves if attached else self.halfMap1)

    def _like(self):
        return self.getShownVolume()

    def _sources(self):
        alone = [self.inputVolume, self.inputResolution]
        used = self._halfPointers() if self.useHalfVolumes.get() else alone
        return [*used, self.sharpenedMap, self.mask]

    def _makeOutputs(self):
        return {"outputVolume": self._register("sharpened.mrc", Volume, self.getShownVolume())}

    def _figures(self):
        return {"best_bfactor": self.getStats()["best_bfactor"]}

    # --------------------------- info -------------------------------------
    def _validate(self):
        lines = self._validateDevice() + self._validateInputs()
        first, last, step = (p.get() for p in (self.firstB, self.lastB, self.stepB))
        bfactors = self._bfactors()
        if None in (first, last, step):
            return lines  # Scipion itself says which
        if not bfactors:
            lines.append(
                f"B-factors: first {first:g}, last {last:g}, step {step:g} are no scan; go from 0 "
                "or below to a more negative one, as from 0 to -200 in steps of 25."
            )
        elif len(bfactors) > MOST:
            lines.append(f"B-factors: more than {MOST} of them; choose a larger step.")
        elif bfactors[-1] < -2000:
            lines.append(f"B-factors: the last, {last:g} Å², is beyond -2000 Å².")
        return lines

    def _validateInputs(self):
        missing = self._describeMissingHalves()
        if missing:
            return missing
        if not self.useHalfVolumes.get():
            if self.inputVolume.get() is None:
                return ["Volume: choose the unsharpened one."]
            if self.inputResolution.get() is None:
                return ["Local resolution map: choose one, or use half volumes."]
        volumes = self._labelled()
        lines = describe_inputs(volumes, volumes[0][0].lower())
        resolution = dict(volumes).get(self._labels["resolution-map"])
        if resolution is not None:
            lines += describe_resolution(self._labels["resolution-map"], resolution)
        return lines

    def _summaryOf(self, stats):
        lines = [
            f"Recommended B-factor: *{stats['best_bfactor']:.0f} Å²*",
            f"Signal-to-noise resolution at 20 %: {stats['snr_percentile_20']:.2f} Å",
        ]
        if stats["criterion"] == "correlation" and stats["crossing"]:
            lines.append(f"Resolutions meet at: {stats['crossing_bfactor']:.0f} Å²")
        if stats["verdict"]:
            text = stats["verdict"]["text"]
            lines.append(text[0].upper() + text[1:] + ".")
        return lines + self.warningLines()

    def _methodsOf(self, stats):
        names = {"localfsc": "local FSC", "monogenic": "monogenic amplitudes"}
        snr = names.get(stats["snr_method"], "a given map")
        scanned = [entry["bfactor"] for entry in stats["scan"]]
        if stats["criterion"] == "correlation":
            return [
                f"The map was sharpened with a B-factor of {stats['best_bfactor']:.0f} Å², with "
                "which, by the spectra of its half maps and of atoms, it is expected to correlate "
                "best with the density of its atoms (cryodl). Its aspect resolution was compared "
                f"with the signal-to-noise resolution ({snr}, {stats['snr_percentile_20']:.2f} Å "
                f"at 20 %) at {len(scanned)} B-factors [RamirezAportela2019]."
            ]
        if not stats["crossing"]:
            return [
                f"{len(scanned)} B-factors from {scanned[0]:g} to {scanned[-1]:g} Å² were scanned "
                "with cryodl [RamirezAportela2019]; the 20 % percentiles of aspect and "
                f"signal-to-noise resolution did not meet, and {stats['best_bfactor']:.0f} Å² was "
                "taken."
            ]
        return [
            f"The map was sharpened with a B-factor of {stats['best_bfactor']:.0f} Å², at which "
            "the 20 % percentile of its aspect resolution meets that of the signal-to-noise "
            f"resolution ({snr}, {stats['snr_percentile_20']:.2f} Å) of the unsharpened map "
            f"[RamirezAportela2019]; {len(scanned)} B-factors from {scanned[0]:g} to "
            f"{scanned[-1]:g} Å² were scanned with cryodl."
        ]

    def _citations(self):
        return ["RamirezAportela2019"]
