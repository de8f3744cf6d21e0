"""The form that shows a comparison of local resolutions: table, histograms, slices, ChimeraX."""

from textwrap import fill

from cryodl.protocols import CryodlProtCompareResolution
from cryodl.report.browser import DENSITY
from cryodl.report.comparison import overlay_histograms, shorten
from cryodl.report.figure import draw_table
from cryodl.report.palette import palette_colours
from cryodl.viewers.base import CryodlViewerBase, define_axis, define_entry
from cryodl.viewers.results import ComparisonResults

PERCENTILES = ("2.5", "50", "97.5")
MOST_ROWS = 7  # maps in one picture of slices
WIDE = 16  # letters in a line beside a row of slices


class CryodlCompareViewer(CryodlViewerBase):
    """Show several local resolutions of one map on one scale, and where they disagree."""

    _label = "compared local resolutions viewer"
    _targets = [CryodlProtCompareResolution]

    # --------------------------- form -------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Comparison")
        group = form.addGroup("Distribution")
        define_entry(
            group,
            "doShowTable",
            "Show the table",
            "Median, standard deviation and percentiles of each map in the voxels known to all, "
            "and the rank of the claimed resolution.",
        )
        define_entry(
            group, "doShowResHistogram", "Show the histograms", "Of all maps over each other."
        )
        group = form.addGroup("Slices")
        define_axis(group)
        define_entry(
            group,
            "doShowVolumeColorSlices",
            "Show coloured slices of all maps",
            "Each map, the consensus and the disagreement below each other, at equal planes and "
            "with one key.",
            important=False,
        )
        define_entry(
            group,
            "doShowConsensus",
            "Show the consensus",
            "Median over the maps in every voxel.",
            important=False,
        )
        define_entry(
            group,
            "doShowDisagreement",
            "Show the disagreement",
            "Largest minus smallest resolution in every voxel.",
            important=False,
        )
        define_entry(
            form.addGroup("ChimeraX"),
            "doShowChimera",
            "Show the map coloured by consensus in ChimeraX",
            "With the colour key. Without a density map, the mask is coloured.",
        )

    def _results(self):
        return ComparisonResults(self.protocol)

    def _shows(self):
        return {
            "doShowTable": self._show_table,
            "doShowResHistogram": self._show_histograms,
            "doShowVolumeColorSlices": self._show_slices,
            "doShowConsensus": self._show_consensus,
            "doShowDisagreement": self._show_disagreement,
            "doShowChimera": self._show_chimera,
        }

    # --------------------------- pictures ---------------------------------
    def _show_table(self, results):
        stats = results.stats()
        claimed = stats.get("claimed")
        columns = ["Map", "Median (Å)", "SD (Å)", *(f"{q} %" for q in PERCENTILES)]
        if claimed is not None:
            columns.append(f"Better than {claimed:g} Å (%)")
        rows = []
        for entry in stats["maps"]:
            common = entry["common"]
            numbers = [common["median"], common["sd"]]
            numbers += [common["percentiles"][q] for q in PERCENTILES]
            row = [shorten(entry["name"]), *(f"{value:.2f}" for value in numbers)]
            if claimed is not None:
                row.append(f"{common['claimed_percentile']:.0f}")
            rows.append(row)
        notes = [f"In the {stats['voxels']} voxels known to all."]
        notes += [
            f"{shorten(pair['second'])} - {shorten(pair['first'])}: "
            f"{pair['median_difference']:+.2f} Å"
            + (
                ""
                if pair["rank_correlation"] is None
                else f", rank correlation {pair['rank_correlation']:.2f}"
            )
            for pair in stats["pairs"]
        ]
        return self._drawn("Local resolutions compared", draw_table, columns, rows, notes=notes)

    def _show_histograms(self, results):
        inside = results.inside()
        return self._drawn(
            "Histograms of local resolution",
            overlay_histograms,
            [shown.data[inside] for shown in results.maps()],
            results.names(),
            claimed=results.stats().get("claimed"),
        )

    def _show_slices(self, results):
        consensus, apart, *maps = (each for each in results.layers() if each.kind != DENSITY)
        shown = [*maps[:MOST_ROWS], consensus]
        rows = [
            layer.row._replace(label=fill(f"{shorten(layer.name)} (Å)", WIDE)) for layer in shown
        ]
        return self._rows(
            "Local resolutions", [*rows, apart.row], results.consensus, results.inside(), 4,
            **results.background(),
        )  # fmt: skip

    def _show_consensus(self, results):
        return self._of_all(results, "Consensus", 0)

    def _show_disagreement(self, results):
        return self._of_all(results, "Disagreement", 1)

    def _of_all(self, results, window, number):
        row = results.layers()[number].row
        return self._row(window, results.consensus, row, row.inside, **results.background())

    # --------------------------- ChimeraX ---------------------------------
    def _show_chimera(self, results):
        vmin, vmax = results.scale_ends()
        colours = palette_colours(vmin, vmax)
        if self.live:
            vmin, vmax, colours = self.live.low, self.live.high, self.live.stops()
        return self._scene(
            results, results.consensus, vmin=vmin, vmax=vmax, colours=colours, name="consensus"
        )
