"""The form that shows a local-resolution run: slices, histogram, radius, uncertainty, ChimeraX.

Its parameters are called as in the viewers of other local-resolution protocols, and as in pwem's
colour scales.
"""

import pyworkflow.protocol.params as params

from cryodl.protocols import (
    CryodlProtImportResolution,
    CryodlProtLocalResolution,
    CryodlProtResolutionBase,
    CryodlProtSingleMapResolution,
)
from cryodl.protocols.protocol_base import CHOICES
from cryodl.protocols.protocol_local_resolution import SHARPEN_AUTO
from cryodl.report.histogram import draw_bars, draw_radius, radial_profile
from cryodl.report.palette import (
    DEFAULT_PALETTE,
    PALETTES,
    UNCERTAINTY_PALETTE,
    colour_map,
    palette_colours,
)
from cryodl.report.slice_grid import AXES
from cryodl.report.slices import molecule_centre
from cryodl.viewers.base import CryodlViewerBase, define_axis, define_entry
from cryodl.viewers.results import RunResults

MIDDLE = -1
FLATTENED = CHOICES["'Judge the map' auto"]

#: Colours to choose from.
COLOUR_SETS = [name for name in PALETTES if name != UNCERTAINTY_PALETTE]


class CryodlResolutionViewer(CryodlViewerBase):
    """Show the local resolution of a map, and what it was estimated from."""

    _label = "local resolution viewer"
    # The base comes last: protocols named before it are found as their own.
    _targets = [
        CryodlProtLocalResolution,
        CryodlProtImportResolution,
        CryodlProtSingleMapResolution,
        CryodlProtResolutionBase,
    ]

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        define_form(form, self._results())

    def _results(self):
        return RunResults(self.protocol)

    def _actions(self, window_of):
        """Offer what the run itself advises."""
        if not any(FLATTENED in line for line in self.protocol.warningLines()):
            return []
        return [("Run again flattened…", lambda: self._run_again(window_of()))]

    def _run_again(self, window):
        """Open the form of a copy of the run that judges the map flattened."""
        runs = window.master.getViewWidget()
        copy = self.getProject().copyProtocol(self.protocol)
        copy.sharpen.set(SHARPEN_AUTO)
        runs._openProtocolForm(copy)

    def _shows(self):
        return {
            "doShowVolumeColorSlices": self._show_colour_slices,
            "doShowOneColorslice": self._show_one_slice,
            "doShowVolumeSlices": self._show_resolution_slices,
            "doShowOriginalVolumeSlices": self._show_original_slices,
            "doShowMask": self._show_mask,
            "doShowUncertainty": self._show_uncertainty,
            "doShowResHistogram": self._show_histogram,
            "doShowRadius": self._show_radius,
            "doShowChimera": self._show_chimera,
        }

    # --------------------------- pictures ---------------------------------
    def _show_colour_slices(self, results):
        return self._colour_slices(results, f"Local resolution along {self._axis()}")

    def _show_one_slice(self, results):
        axis, number = self._axis(), self.sliceNumber.get()
        index = AXES.index(axis)
        if number == MIDDLE:
            plane = molecule_centre(results.inside())[index]
        else:
            depth = results.inside().shape[index]
            if number is None or not 1 <= number <= depth:
                raise ValueError(
                    f"Slice number {number} is not between 1 and {depth}, the planes along "
                    f"{axis}; {MIDDLE} is the middle of the molecule."
                )
            plane = number - 1
        return self._colour_slices(results, f"Local resolution, slice {plane + 1}", [plane])

    def _colour_slices(self, results, window, planes=None):
        vmin, vmax, palette, _ = check_scale(self)
        return self._slices(
            window,
            results.resolution,
            results.inside(),
            planes,
            colours=colour_map(palette),
            vmin=vmin,
            vmax=vmax,
            label="Local resolution (Å)",
            known=results.known(results.resolution),
            **results.background(),
        )

    def _show_resolution_slices(self, results):
        from matplotlib.colors import LinearSegmentedColormap

        vmin, vmax, _, _ = check_scale(self)
        # ends in a grey that stands out from the paper
        grey = LinearSegmentedColormap.from_list("cryodl_grey", ["0.0", "0.88"], N=1024)
        return self._slices(
            f"Resolution map along {self._axis()}",
            results.resolution,
            results.inside(),
            colours=grey,
            vmin=vmin,
            vmax=vmax,
            label="Local resolution (Å)",
            known=results.known(results.resolution),
        )

    def _show_original_slices(self, results):
        return self._density_slices(results, "Map")

    def _show_mask(self, results):
        return self._density_slices(results, "Mask on the map", outline=results.inside())

    def _density_slices(self, results, window, **how):
        density = results.density(required=True)
        row = results.density_layer("Map", density).row
        return self._row(window, density, row, results.inside(), **how)

    def _show_uncertainty(self, results):
        shown = results.uncertainty()
        row = results.width_layer("Uncertainty", shown, results.known(shown)).row
        return self._row("Uncertainty", shown, row, results.inside(), **results.background())

    def _show_histogram(self, results):
        vmin, vmax, palette, _ = check_scale(self)
        stats = results.stats()
        return self._drawn(
            "Histogram of local resolution",
            draw_bars,
            results.resolution.data[results.inside()],
            vmin=vmin,
            vmax=vmax,
            palette=palette,
            stats=stats or None,
            claimed=stats.get("claimed"),
        )

    def _show_radius(self, results):
        vmin, vmax, palette, _ = check_scale(self)
        resolution = results.resolution
        profile = radial_profile(resolution.data, results.inside(), resolution.voxel_size)
        return self._drawn(
            "Local resolution against radius",
            draw_radius,
            profile,
            vmin=vmin,
            vmax=vmax,
            palette=palette,
        )

    # --------------------------- ChimeraX ---------------------------------
    def _show_chimera(self, results):
        vmin, vmax, palette, intervals = check_scale(self)
        colours = palette_colours(vmin, vmax, intervals, palette)
        if self.live:
            vmin, vmax, colours = self.live.low, self.live.high, self.live.stops(intervals)
        return self._scene(results, results.resolution, vmin=vmin, vmax=vmax, colours=colours)


def define_form(form, results):
    """Define a viewer's parameters.

    results : RunResults, which give the colour scale and say whether there is an uncertainty
    """
    form.addSection(label="Local resolution")
    group = form.addGroup("Slices")
    define_axis(group)
    define_entry(
        group,
        "doShowVolumeColorSlices",
        "Show coloured slices",
        "Local resolution in colour, over the map in faint grey, with the key.",
    )
    group.addParam(
        "sliceNumber",
        params.IntParam,
        default=MIDDLE,
        label="Slice number",
        help="Number of the plane, counted from 1, as it stands above every slice. "
        "-1 is the middle of the molecule.",
    )
    define_entry(
        group,
        "doShowOneColorslice",
        "Show the selected slice",
        "The slice of this number, coloured.",
        important=False,
    )
    define_entry(
        group,
        "doShowVolumeSlices",
        "Show resolution slices",
        "Local resolution in grey, without the map: dark is well resolved.",
        important=False,
    )
    define_entry(
        group,
        "doShowOriginalVolumeSlices",
        "Show original volume slices",
        "The map that was judged.",
        important=False,
    )
    define_entry(
        group,
        "doShowMask",
        "Show the mask on the volume",
        "The outline inside which local resolution is given.",
        important=False,
    )
    if results.has_uncertainty():
        define_entry(
            group,
            "doShowUncertainty",
            "Show uncertainty slices",
            "Half-width in Å of the interval that holds the resolution in 90 % of cases.",
            important=False,
        )
    group = form.addGroup("Distribution")
    define_entry(
        group,
        "doShowResHistogram",
        "Show resolution histogram",
        "Of the voxels inside the mask, with their median.",
        important=False,
    )
    define_entry(
        group,
        "doShowRadius",
        "Show resolution against radius",
        "Median and 5-95 % of the voxels in shells around the molecule's centre.",
        important=False,
    )
    group = form.addGroup("ChimeraX")
    group.addParam(
        "chimeraVolume",
        params.PointerParam,
        pointerClass="Volume",
        allowsNull=True,
        label="Map to colour",
        help="Another map of the same molecule, such as a sharpened one; its box and sampling "
        "may differ. Left empty, the map that was judged.",
    )
    define_entry(
        group,
        "doShowChimera",
        "Show the coloured map in ChimeraX",
        "With the colour key, at the map's true origin.",
    )
    _define_scale(form, results.scale_ends())


def _define_scale(form, ends):
    # the names of pwem's own colour scales, so that its wizard's base class finds them
    line = form.addLine(
        "Colour scale (Å)",
        help="Resolutions at the ends of the colour key of all pictures; values beyond take its "
        "end's colour. The wizard brings back the scale that fits this run.\n"
        "*Colours in the key* counts the colours of the key in ChimeraX.\n"
        "viridis, cividis and plasma are safe for the colour-blind.",
    )
    line.addParam("highest", params.FloatParam, default=ends[1], label="Highest")
    line.addParam("lowest", params.FloatParam, default=ends[0], label="Lowest")
    line.addParam(
        "intervals",
        params.IntParam,
        default=11,
        expertLevel=params.LEVEL_ADVANCED,
        label="Colours in the key",
    )
    line.addParam(
        "colorMap",
        params.EnumParam,
        choices=COLOUR_SETS,
        default=COLOUR_SETS.index(DEFAULT_PALETTE),
        label="Colour set",
    )


def check_scale(viewer):
    """Return lowest and highest (Å), name of the palette, and number of colours of a form.

    Raises ValueError with what to change.
    """
    low, high, count = viewer.lowest.get(), viewer.highest.get(), viewer.intervals.get()
    if low is None or high is None or not 0 <= low < high:
        raise ValueError(
            f"Colour scale: the lowest value ({low}) must be below the highest ({high}), "
            "and not below 0."
        )
    if count is None or not 2 <= count <= 50:
        raise ValueError(f"Colour scale: {count} colours in the key; give 2 to 50.")
    return low, high, COLOUR_SETS[viewer.colorMap.get()], count
