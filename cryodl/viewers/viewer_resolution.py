"""The form that shows a local-resolution run: slices, histogram, radius, uncertainty, ChimeraX.

Its parameters are called as in the viewers of other local-resolution protocols.
"""

from cryodl.protocols import (
    CryodlProtImportResolution,
    CryodlProtLocalResolution,
    CryodlProtResolutionBase,
    CryodlProtSingleMapResolution,
)
from cryodl.report.histogram import draw_bars, draw_radius, radial_profile
from cryodl.report.palette import UNCERTAINTY_PALETTE, colour_map, palette_colours, resolution_range
from cryodl.report.slice_grid import AXES, draw_slice_grid, pick_planes
from cryodl.report.slices import crop_box, density_limits, molecule_centre
from cryodl.viewers import chimerax
from cryodl.viewers.base import CryodlViewerBase
from cryodl.viewers.form import MIDDLE, check_scale, define_form
from cryodl.viewers.maps import read_volume
from cryodl.viewers.results import RunResults


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
        define_form(form, RunResults(self.protocol))

    def _results(self):
        return RunResults(self.protocol)

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
        axis = self._axis()
        planes = pick_planes(results.inside(), axis)
        return [self._colour_slices(results, planes, f"Local resolution along {axis}")]

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
        return [self._colour_slices(results, [plane], f"Local resolution, slice {plane + 1}")]

    def _colour_slices(self, results, planes, window):
        vmin, vmax, palette, _ = check_scale(self)
        return self._slices(
            results,
            results.resolution,
            planes,
            window,
            colours=colour_map(palette),
            vmin=vmin,
            vmax=vmax,
            label="Local resolution (Å)",
            inside=results.known(results.resolution),
            **results.background(),
        )

    def _show_resolution_slices(self, results):
        from matplotlib.colors import LinearSegmentedColormap

        vmin, vmax, _, _ = check_scale(self)
        axis = self._axis()
        # ends in a grey that stands out from the paper
        grey = LinearSegmentedColormap.from_list("cryodl_grey", ["0.0", "0.88"], N=1024)
        return [
            self._slices(
                results,
                results.resolution,
                pick_planes(results.inside(), axis),
                f"Resolution map along {axis}",
                colours=grey,
                vmin=vmin,
                vmax=vmax,
                label="Local resolution (Å)",
                inside=results.known(results.resolution),
            )
        ]

    def _show_original_slices(self, results):
        return [self._density_slices(results, "Map")]

    def _show_mask(self, results):
        return [self._density_slices(results, "Mask on the map", outline=results.inside())]

    def _density_slices(self, results, window, **how):
        density = results.density(required=True)
        low, high = density_limits(density.data, results.inside())
        axis = self._axis()
        return self._slices(
            results,
            density,
            pick_planes(results.inside(), axis),
            f"{window} along {axis}",
            colours="gray_r",
            vmin=low,
            vmax=high,
            label="Density",
            labelled=False,
            **how,
        )

    def _show_uncertainty(self, results):
        uncertainty = results.uncertainty()
        inside = results.known(uncertainty)
        low, high = resolution_range(uncertainty.data[inside])
        axis = self._axis()
        return [
            self._slices(
                results,
                uncertainty,
                pick_planes(results.inside(), axis),
                f"Uncertainty along {axis}",
                colours=colour_map(UNCERTAINTY_PALETTE),
                vmin=low,
                vmax=high,
                label="Uncertainty (Å)",
                inside=inside,
                **results.background(),
            )
        ]

    def _slices(self, results, shown, planes, window, **how):
        plotter = self._plotter(window)
        draw_slice_grid(
            plotter.getFigure(),
            shown.data,
            axis=self._axis(),
            planes=planes,
            voxel_size=shown.voxel_size,
            origin=shown.origin,
            box=crop_box(results.inside()),
            title=self._title(),
            **how,
        )
        return plotter

    def _show_histogram(self, results):
        vmin, vmax, palette, _ = check_scale(self)
        plotter = self._plotter("Histogram of local resolution")
        stats = results.stats()
        draw_bars(
            plotter.getFigure(),
            results.resolution.data[results.inside()],
            vmin=vmin,
            vmax=vmax,
            palette=palette,
            stats=stats or None,
            claimed=stats.get("claimed"),
            title=self._title(),
        )
        return [plotter]

    def _show_radius(self, results):
        vmin, vmax, palette, _ = check_scale(self)
        resolution = results.resolution
        profile = radial_profile(resolution.data, results.inside(), resolution.voxel_size)
        plotter = self._plotter("Local resolution against radius")
        draw_radius(
            plotter.getFigure(),
            profile,
            vmin=vmin,
            vmax=vmax,
            palette=palette,
            title=self._title(),
        )
        return [plotter]

    # --------------------------- ChimeraX ---------------------------------
    def _show_chimera(self, results):
        vmin, vmax, palette, intervals = check_scale(self)
        chosen = self.chimeraVolume.get()
        script = chimerax.write_scene(
            self.protocol._getExtraPath(),
            results.density() if chosen is None else read_volume(chosen),
            results.resolution,
            results.mask,
            vmin=vmin,
            vmax=vmax,
            colours=palette_colours(vmin, vmax, intervals, palette),
        )
        return self._chimera_views(script)
