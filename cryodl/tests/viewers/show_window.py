"""Open Scipion's real windows and take their pictures, one after the other.

    python -m cryodl.tests.viewers.show_window PROJECT_PATH KIND PROTOCOL OUT.png ...

KIND is form, project, viewer (the results window) or figures (the viewer's form). The last three
words may be repeated. PROTOCOL is the id of a run, or, for a form, also the class of a protocol not
run yet. A display is needed; `virtual_display` starts one that nobody sees. Tests use this, and so
do the pictures in the documentation.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

SIZE = (1400, 900)
SECONDS = 1  # between steps, which follow one another however slow the machine is


@contextmanager
def virtual_display(size=SIZE):
    """Start Xvfb and set DISPLAY; raise FileNotFoundError where it is not installed."""
    program = shutil.which("Xvfb")
    if not program:
        raise FileNotFoundError("Xvfb is not installed")
    read, write = os.pipe()
    screen = f"{size[0]}x{size[1]}x24"
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


def take_pictures(project_path, targets):
    """Run this module in a process of its own; return what it did as a CompletedProcess.

    targets : (kind, protocol, file of the picture) of each window
    """
    words = [str(word) for target in targets for word in target]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", __name__, project_path, *words],
        env={**os.environ, "MPLBACKEND": "TkAgg"},
        capture_output=True,
        text=True,
        timeout=180 + 20 * len(targets),
    )


def show(project_path, targets):
    """Open the windows one after the other, write the picture of each once drawn, leave."""
    # In this order: pyworkflow.gui.form needs the other first.
    import pyworkflow.gui.project as gui
    from pwem import Domain
    from pyworkflow.gui.form import FormWindow

    Domain.getViewers()
    window = gui.ProjectWindow(project_path)
    shown = [window]  # the last is the one to picture

    def open_it(kind, protocol):
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
        if kind in ("viewer", "figures"):
            viewer = Domain.findViewers(run, "tkinter")[0](
                project=project, protocol=run, parent=window
            )
            shown.append(viewer)
            opens = viewer.visualize if kind == "viewer" else viewer.open_form
            opens(run, windows=window)
        else:
            form = FormWindow("Protocol Run: " + run.getClassName(), run, None, window)
            shown.append(form)
            form.adjustSize()
            form.show(center=True)

    def begin():
        wide, high = window.root.winfo_screenwidth(), window.root.winfo_screenheight()
        window.root.geometry(f"{wide}x{high}+0+0")  # there is no window manager to do it
        window.root.after(1000 * SECONDS, lambda: open_next(list(targets)))

    def open_next(waiting):
        if not waiting:
            heavy = {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
            print("LOADED", *sorted(heavy), flush=True)  # os._exit flushes nothing
            os._exit(0)  # threads of the project window would keep the process alive
        kind, protocol, out = waiting.pop(0)
        # before it is opened: some windows come back only when they are closed
        window.root.after(1000 * SECONDS, lambda: picture(out, waiting))
        open_it(kind, protocol)

    def picture(out, waiting):
        from PIL import ImageGrab

        last = getattr(shown[-1], "formWindow", shown[-1])
        root = last.root
        root.geometry("+0+0")
        root.lift()
        root.update()
        left, top = root.winfo_rootx(), root.winfo_rooty()
        box = (left, top, left + root.winfo_width(), top + root.winfo_height())
        ImageGrab.grab(box, xdisplay=os.environ["DISPLAY"]).save(out)
        if last is not window:
            shown.pop()
            last.close()
        open_next(waiting)

    window.root.after(1000 * SECONDS, begin)
    window.show()


if __name__ == "__main__":
    show(sys.argv[1], list(zip(*[iter(sys.argv[2:])] * 3)))
