"""The page of a validated map, in the browser."""

import os
import webbrowser

from pyworkflow.viewer import DESKTOP_TKINTER, MessageView, View, Viewer

from cryodl.protocols import CryodlProtValidateMap
from cryodl.viewers.results import why_missing


class PageView(View):
    """Open a page in the browser; say where it is where there is none."""

    def __init__(self, path, root=None):
        self.url = f"file://{os.path.abspath(path)}"
        self._root = root

    def show(self):
        if not webbrowser.open_new_tab(self.url):
            said = f"No browser was found. Open this page in one:\n\n{self.url[len('file://') :]}"
            MessageView(said, "No browser", tkParent=self._root).show()


class CryodlValidationViewer(Viewer):
    """Open the page of a validated map; of a set, the table that leads to the page of each."""

    _label = "validation page"
    _environments = [DESKTOP_TKINTER]
    _targets = [CryodlProtValidateMap]

    def _visualize(self, obj, **kwargs):
        path = self.protocol.getPage()
        if not os.path.exists(path):
            return [self.errorMessage(why_missing(self.protocol, "its page"), "Nothing to show")]
        return [PageView(path, self._tkRoot)]
