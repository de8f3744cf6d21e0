"""What the viewers share: entries of their forms, plots, slices, messages instead of tracebacks."""

import logging

import pyworkflow.protocol.params as params
from pwem.viewers import EmPlotter
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from cryodl.protocols.maps import run_name
from cryodl.report.palette import DEFAULT_PALETTE
from cryodl.report.slice_grid import draw_slice_grid, draw_slice_rows, pick_planes
from cryodl.report.slices import crop_box
from cryodl.viewers import chimerax
from cryodl.viewers.maps import read_volume

logger = logging.getLogger(__name__)

#: Dots per inch of a window: 8-point text is read well on a common screen.
PLOT_DPI = 130
SCREEN, FRAME = 1080, 130  # lines of a common screen, and of a window's frame and buttons
AXIS_NAMES = ("x", "y", "z")


def define_axis(group):
    """Define the axis across which slices are cut."""
    group.addParam(
        "sliceAxis",
        params.EnumParam,
        choices=list(AXIS_NAMES),
        default=AXIS_NAMES.index("z"),
        display=params.EnumParam.DISPLAY_HLIST,
        label="Slice axis",
        help="Slices are perpendicular to this axis.",
    )


def define_entry(group, name, label, text, important=True):
    """Define an entry of the form that shows something."""
    group.addParam(name, params.LabelParam, important=important, label=label, help=text)


class CryodlViewerBase(ProtocolViewer):
    """A viewer whose form's entries are functions that return views."""

    _environments = [DESKTOP_TKINTER]
    _isDefined = False  # the form

    def _shows(self):
        """Return the function of every entry that shows something, by the entry's name."""
        raise NotImplementedError

    def _results(self):
        """Return what the run has left behind: the argument of every function."""
        raise NotImplementedError

    def _getVisualizeDict(self):
        return {name: self._guarded(show) for name, show in self._shows().items()}

    def _guarded(self, show):
        """What a person can mend becomes a message and no traceback."""

        def guarded(paramName=None):
            try:
                return show(self._results())
            except (OSError, ValueError) as error:
                logger.debug("Nothing to show", exc_info=error)
                return [self.errorMessage(str(error), "Nothing to show")]

        return guarded

    def setProtocol(self, protocol):
        """Take a run, and define the form by it; once, or the form would show all of it twice."""
        if not self._isDefined:
            self._isDefined = True
            super().setProtocol(protocol)
        self.protocol = protocol

    # --------------------------- the results window -----------------------
    def visualize(self, obj, **args):
        """Open the results window; where there are no maps to scroll through, the form."""
        self.setProtocol(obj)
        names = obj.getVolumeNames()
        if names and obj.getShown() not in names:
            obj.setShown(next(iter(names)))
        master = args.get("windows")
        self._tkRoot = master.root if master else None  # behind a message
        try:
            results = self._results()
            window = self._window(results, master)
        except (OSError, ValueError) as error:
            logger.debug("Nothing to show", exc_info=error)
            self.errorMessage(str(error), "Nothing to show").show()
            return
        if window is None:
            self.open_form(obj, **args)
            return
        self.formWindow = window
        self._tkRoot = window.root
        window.show(center=True)

    def open_form(self, obj, **args):
        """Open the form whose entries show one figure each."""
        super().visualize(obj, **args)

    def _window(self, results, master):
        if not hasattr(results, "layers"):
            return None
        from cryodl.viewers.window import ResultsWindow

        def figures():
            self.open_form(self.protocol, windows=window)

        def choose(number):
            self.protocol.setShown(number)
            window.close()
            self.visualize(self.protocol, windows=master)

        def chimera():
            try:
                self.live = window.scale()
            except ValueError as error:
                window.showError(str(error))
                return
            for view in self._getVisualizeDict()[self._chimera]():
                view.show()

        actions = [*self._actions(window_of=lambda: window), ("More figures…", figures)]
        if self._chimera:
            actions.append(("ChimeraX", chimera))
        ends = results.scale_ends()
        window = ResultsWindow(
            self._title(),
            results,
            notes=self.protocol.warningLines(),
            actions=actions,
            scale=(DEFAULT_PALETTE, *ends),
            volumes=(self.protocol.getVolumeNames(), choose),
            master=master,
        )
        return window

    _chimera = "doShowChimera"  # its entry
    live = None  # Scale of the results window, once ChimeraX is asked for there

    def _actions(self, window_of):
        """Return further buttons of the results window: [(label, function)]."""
        return []

    def _axis(self):
        return AXIS_NAMES[self.sliceAxis.get()]

    def _title(self):
        names = self.protocol.getVolumeNames()
        shown = f": {names.get(self.protocol.getShown(), '')}" if names else ""
        return run_name(self.protocol) + shown

    def _plotter(self, window):
        plotter = EmPlotter(windowTitle=window, dpi=PLOT_DPI)
        plotter.tightLayoutOn = False  # the pictures place their parts themselves
        return plotter

    def _drawn(self, window, draw, *given, **how):
        """Draw something on the figure of a window: with the figure first, and with the title."""
        plotter = self._plotter(window)
        draw(plotter.getFigure(), *given, title=self._title(), **how)
        return [plotter]

    def _slices(self, window, shown, inside, planes=None, *, known=None, **how):
        """Draw planes of a map, on a grid of panels.

        shown : Map;  inside : ndarray of bool, shape (z, y, x), the molecule
        planes : to be drawn, spread over the molecule where None
        known : where the map says something, if not everywhere
        how : options of draw_slice_grid
        """
        axis, plotter = self._axis(), self._plotter(window)
        draw_slice_grid(
            plotter.getFigure(),
            shown.data,
            axis=axis,
            planes=pick_planes(inside, axis) if planes is None else planes,
            voxel_size=shown.voxel_size,
            origin=shown.origin,
            inside=known,
            box=crop_box(inside),
            title=self._title(),
            **how,
        )
        return [self._fitted(plotter)]

    def _row(self, window, shown, row, inside, **how):
        """Draw planes of a Map as a Row has them; inside, how : as of `_slices`."""
        return self._slices(
            f"{window} along {self._axis()}", shown._replace(data=row.values), inside,
            colours=row.colours, vmin=row.vmin, vmax=row.vmax, label=row.label,
            labelled=row.labelled, known=row.inside, **how,
        )  # fmt: skip

    def _rows(self, window, rows, grid, inside, count, **how):
        """Draw several maps below each other, at equal planes.

        rows : Rows;  grid : Map, on whose grid they lie;  inside : as of `_slices`
        count : of the planes;  how : options of draw_slice_rows
        """
        axis = self._axis()
        plotter = self._plotter(f"{window} along {axis}")
        draw_slice_rows(
            plotter.getFigure(),
            rows,
            axis=axis,
            planes=pick_planes(inside, axis, count),
            voxel_size=grid.voxel_size,
            origin=grid.origin,
            box=crop_box(inside),
            title=self._title(),
            **how,
        )
        return [self._fitted(plotter)]

    @staticmethod
    def _fitted(plotter):
        """Draw a figure that is too tall for the screen smaller."""
        figure = plotter.getFigure()
        window = getattr(figure.canvas.manager, "window", None)
        high = window.winfo_screenheight() if hasattr(window, "winfo_screenheight") else SCREEN
        figure.set_dpi(min(PLOT_DPI, (high - FRAME) / figure.get_size_inches()[1]))
        return plotter

    def _scene(self, results, coloured, **how):
        """Return the views of a map in ChimeraX that is coloured by another one.

        The form may choose the map; how : vmin, vmax, colours, labels and name of `write_scene`
        """
        pointer = getattr(self, "chimeraVolume", None)
        chosen = None if pointer is None else pointer.get()
        shown = results.density() if chosen is None else read_volume(chosen)
        folder = self.protocol._getExtraPath()
        return self._chimera_views(
            chimerax.write_scene(folder, shown, coloured, results.mask, **how)
        )

    def _chimera_views(self, script):
        """Return the views that open a script in ChimeraX, or say where it is."""
        program = chimerax.find_program()
        if program is None:
            return [
                self.warnMessage(
                    "ChimeraX was not found. The script is written; open it in any ChimeraX:\n\n"
                    f"{script}\n\nTo open it from here, install scipion-em-chimera, or set "
                    f"{chimerax.CHIMERAX} in Scipion's configuration to the path of the program.",
                    "No ChimeraX",
                )
            ]
        return [chimerax.ChimeraXView(program, script)]
