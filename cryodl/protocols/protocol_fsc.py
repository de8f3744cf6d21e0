"""Resolution of two half maps, and whether it is the same in all directions."""

import csv

from pwem.objects import FSC, SetOfFSCs, VolumeMask
from pyworkflow import BETA
from pyworkflow.object import Float

from cryodl.methods import fsc_options
from cryodl.methods.options import by_name
from cryodl.protocols.inputs import HalfMapInputs, add_mask_finder, mask_found_by
from cryodl.protocols.maps import add_mask, add_option, describe_inputs, given, volume_of
from cryodl.protocols.protocol_base import MASK, CryodlProtBase

OPTIONS = by_name(fsc_options.OPTIONS)
FREQUENCY = "frequency_per_angstrom"
CURVES = ("corrected", "masked", "unmasked")


class CryodlProtFsc(HalfMapInputs, CryodlProtBase):
    """Resolution of two half maps by Fourier shell correlation (FSC), also in cones.

    The FSC of the masked half maps is corrected for the mask by phase randomisation, as RELION's
    post-processing does it. *In directions* repeats it in cones of 20 degrees.

    *When to use it*: to validate a resolution that was reported, and where you suspect that the
    particles were seen from few sides: then a map has a worse resolution along some directions.

    *How to read it*: the resolution is where the corrected curve falls below 0.143, between two
    shells; RELION names the last shell above, which is up to a shell coarser. The masked and
    the corrected curve differ where the mask is too tight. cFAR compares the cones: 1 is the same
    in all directions. The worst axes are drawn and listed.

    *Pitfalls*: half maps that were masked, filtered or averaged with symmetry after the refinement
    agree by that. Maps without symmetry of fewer than 100 voxels vary by chance; the spread that
    chance explains is measured and taken into account.
    """

    _label = "FSC"
    _devStatus = BETA
    _command = "fsc"
    _pending = "The FSC is not computed yet."
    _possibleOutputs = {"outputFSC": SetOfFSCs, MASK: VolumeMask}

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.global_res = Float()

    def _defineParams(self, form):
        form.addSection(label="Input")
        self._defineHalfParams(form, "", "Its half maps come with it.", "Not masked.")
        add_mask(form, "mask", "The FSC is taken within it; a binary one gets a soft edge.")
        add_mask_finder(form)
        add_option(form, "directional", OPTIONS["directional"], "It takes some minutes.")

    def _engineInputs(self):
        inputs = dict(zip(("half1", "half2"), self._halves()))
        return {**inputs, **given(mask=self.mask)}

    def _engineParams(self):
        return {
            **mask_found_by(self),
            **self._enginePaths(),
            "directional": self.directional.get(),
            "device": "cpu",
        }

    def _sources(self):
        return [*self._halfPointers(), self.mask]

    def getShownVolume(self):
        return volume_of(self._halfPointers()[0])

    def _makeOutputs(self):
        curves = read_curves(self, "fsc.csv")
        mask = self._register("mask.mrc", VolumeMask, self.getShownVolume())
        return {"outputFSC": curves, MASK: mask}

    def _figures(self):
        return {"global_res": self.getStats()["resolution_0.143"]}

    def _validate(self):
        missing = self._describeMissingHalves()
        return missing or describe_inputs(self._labelled(), "half map 1")

    def _summaryOf(self, stats):
        found = stats["resolution_0.143"]
        end = " or better (Nyquist)" if found and found <= 2.02 * stats["voxel_size"] else ""
        lines = [f"Resolution (FSC 0.143): *{found:.2f} Å*{end}" if found else "No common signal"]
        cones = stats.get("directional")
        if cones:
            ends = [f"{cones[end]:.2f}" for end in ("finest", "coarsest")]
            lines.append(
                f"In cones: {' to '.join(dict.fromkeys(ends))} Å, cFAR "
                f"{cones['area_ratio']:.2f}, " + ("anisotropic" if cones["anisotropic"] else "even")
            )
        return lines + self.warningLines()

    def _methodsOf(self, stats):
        found = stats["resolution_0.143"]
        if not found:
            return []
        return [f"The FSC of the half maps falls below 0.143 at {found:.2f} Å (cryodl)."]


def read_curves(protocol, name):
    """Return the curves that the engine wrote into a file of a run, as a set of it."""
    curves = protocol._createSetOfFSCs()
    with open(protocol.getExtraFile(name), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for column in CURVES:
        curve = FSC(objLabel=column)
        kept = [row for row in rows if row[column] and float(row[FREQUENCY]) > 0]
        curve.setData(*([float(row[c]) for row in kept] for c in (FREQUENCY, column)))
        curves.append(curve)
    return curves
