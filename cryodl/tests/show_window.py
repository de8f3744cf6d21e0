"""Open one of Scipion's real windows and take its picture.

    python -m cryodl.tests.show_window form|project|viewer PROJECT_PATH PROTOCOL OUT.png

PROTOCOL is the id of a run, or, for a form, also the class of a protocol not run yet. A display is
needed; `virtual_display` starts one that nobody sees. Tests use this, and so do the pictures in
the documentation.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

SIZE = (1400, 900)
SECONDS = 1  # between steps, which follow one another however slow the machine is


@contextmanager
def virtual_display():
    """Start Xvfb and set DISPLAY; raise FileNotFoundError where it is not installed."""
    program = shutil.which("Xvfb")
    if not program:
        raise FileNotFoundError("Xvfb is not installed")
    read, write = os.pipe()
    screen = f"{SIZE[0]}x{SIZE[1]}x24"
    server = subprocess.Popen(
        [program, "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    before = os.environ.get("DISPLAY")
    try:
        with os.fdopen(read) as numbers:
            os.environ["DISPLAY"] = f":{numbers.readline().strip()}"
        yield os.environ["DISPLAY"]
    finally:
        server.terminate()
        server.wait()
        if before is None:
            del os.environ["DISPLAY"]
        else:
            os.environ["DISPLAY"] = before


def take_picture(kind, project_path, protocol, out):
    """Run this module in a process of its own; return what it did as a CompletedProcess."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", __name__, kind, project_path, str(protocol), out],
        env={**os.environ, "MPLBACKEND": "TkAgg"},
        capture_output=True,
        text=True,
        timeout=180,
    )


def show(kind, project_path, protocol, out):
    """Open the window, wait until it is drawn, write its picture, leave."""
    # In this order: pyworkflow.gui.form needs the other first.
    import pyworkflow.gui.project as gui
    from pwem import Domain
    from pyworkflow.gui.form import FormWindow

    Domain.getViewers()
    window = gui.ProjectWindow(project_path)
    shown = [window]  # the last is the one to picture

    def fit_screen():  # there is no window manager to do it
        window.root.geometry(f"{SIZE[0]}x{SIZE[1]}+0+0")

    def open_it():
        project = window.project
        if protocol.isdigit():
            run = project.getProtocol(int(protocol))
            runs = window.getViewWidget()
            runs._selectItemProtocol(run)  # shows its summary
            runs._updateSelection()
        else:
            run = project.newProtocol(Domain.getProtocols()[protocol])
        if kind == "project":
            return
        if kind == "viewer":
            viewer = Domain.findViewers(run, "tkinter")[0](
                project=project, protocol=run, parent=window
            )
            shown.append(viewer)
            viewer.visualize(run, windows=window)
        else:
            form = FormWindow("Protocol Run: " + run.getClassName(), run, None, window)
            shown.append(form)
            form.adjustSize()
            form.show(center=True)

    def picture():
        from PIL import ImageGrab

        root = getattr(shown[-1], "formWindow", shown[-1]).root
        root.geometry("+0+0")
        root.update()
        left, top = root.winfo_rootx(), root.winfo_rooty()
        box = (left, top, left + root.winfo_width(), top + root.winfo_height())
        ImageGrab.grab(box, xdisplay=os.environ["DISPLAY"]).save(out)
        heavy = {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
        print("LOADED", *sorted(heavy), flush=True)  # os._exit flushes nothing
        os._exit(0)  # threads of the project window would keep the process alive

    window.root.after(1000 * SECONDS, fit_screen)
    window.root.after(2000 * SECONDS, open_it)
    window.root.after(3000 * SECONDS, picture)
    window.show()


if __name__ == "__main__":
    show(*sys.argv[1:5])
