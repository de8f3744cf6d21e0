"""What the viewers share: plots, messages instead of tracebacks, and ChimeraX."""

import logging

from pwem.viewers import EmPlotter
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from cryodl.viewers import chimerax
from cryodl.viewers.form import AXIS_NAMES

logger = logging.getLogger(__name__)

#: Dots per inch of a window: 8-point text is read well on a common screen.
PLOT_DPI = 130


class CryodlViewerBase(ProtocolViewer):
    """A viewer whose form's entries are functions that return views."""

    _environments = [DESKTOP_TKINTER]

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

    def _axis(self):
        return AXIS_NAMES[self.sliceAxis.get()]

    def _title(self):
        return str(self.protocol.getRunName())

    def _plotter(self, window):
        plotter = EmPlotter(windowTitle=window, dpi=PLOT_DPI)
        plotter.tightLayoutOn = False  # the pictures place their parts themselves
        return plotter

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
