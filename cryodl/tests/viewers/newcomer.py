"""A newcomer's path through Scipion's real project window, with mouse and keyboard.

    python -m cryodl.tests.viewers.newcomer PROJECT_PATH MAP.mrc VOXEL_SIZE FOLDER

Import a map, judge it, look at the results, change the colours, ask for ChimeraX, export the
workflow, import it again and run all of it. FOLDER gets a picture of each station, and the times.
A display, xdotool and no window manager are needed: `take_the_path` gives the first.
"""

import gzip
import json
import os
import queue
import subprocess
import sys
import threading
import time
import tkinter as tk
from pathlib import Path
from tkinter import ttk

from cryodl.tests.viewers.show_window import virtual_display

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
VOXEL_SIZE = "1.113"  # Å
PATIENCE = 90  # seconds for one station, on a machine that is busy
PAUSE = 0.3  # between what a person does


class Hand:
    """Mouse, keyboard and eyes of a person before Scipion's windows, from a thread of its own."""

    def __init__(self, window, folder):
        self.window, self.folder = window, folder
        self.start = time.monotonic()
        self.times = {}
        self._asked = queue.Queue()
        window.root.after(50, self._answer)

    def _answer(self):
        """Answer in the thread of the windows, which alone may look at them."""
        while not self._asked.empty():
            function, answers = self._asked.get()
            try:
                answers.put((function(), None))
            except Exception as error:
                answers.put((None, error))
        self.window.root.after(50, self._answer)

    def ask(self, function):
        answers = queue.Queue()
        self._asked.put((function, answers))
        found, error = answers.get(timeout=PATIENCE)
        if error is not None:
            raise error
        return found

    def until(self, what, function):
        """Return what a function finds, as soon as it finds anything."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                found = self.ask(function)
            except (tk.TclError, KeyError):  # of a window that closes
                found = None
            if found:
                return found
            time.sleep(0.1)
        self.picture("dead_end")
        raise TimeoutError(f"dead end: {what}")

    # --------------------------- what is on the screen --------------------
    def tops(self):
        root = self.window.root
        found = [w for w in everything(root) if isinstance(w, tk.Toplevel) and w.winfo_ismapped()]
        return [*found, root]

    def top(self, title):
        for window in self.tops():
            if title in window.title():
                return window
        return None

    def spot(self, title, condition):
        """Middle of the first widget in a window that a condition holds for; None without any."""
        top = self.top(title)
        for widget in everything(top) if top is not None else ():
            if widget.winfo_ismapped() and condition(widget):
                return middle(widget)
        return None

    # --------------------------- what a person does -----------------------
    def click(self, place, times=1):
        words = ["mousemove", *map(str, place), "click", "--repeat", str(times), "--delay", "80"]
        subprocess.run(["xdotool", *words, "1"], check=True)
        time.sleep(PAUSE)

    def key(self, *names):
        subprocess.run(["xdotool", "key", *names], check=True)
        time.sleep(PAUSE)

    def write(self, text):
        subprocess.run(["xdotool", "type", "--delay", "12", text], check=True)
        time.sleep(PAUSE)

    def see(self, title):
        """Wait for a window and bring it where all of it is seen, as a window manager does."""

        def place():
            top = self.top(title)
            if top is None:
                return False
            wide, high = top.winfo_screenwidth(), top.winfo_screenheight()
            left = max(0, min(top.winfo_rootx(), wide - top.winfo_width()))
            upper = max(0, min(top.winfo_rooty(), high - top.winfo_height()))
            top.geometry(f"+{left}+{upper}")
            top.lift()
            return True

        self.until(f"the window {title}", place)
        time.sleep(PAUSE)

    def press(self, title, text):
        """Click what bears a text in a window of a title."""
        self.click(self.until(f"{text} in {title}", lambda: self.spot(title, says(text))))

    def fill(self, title, label, text):
        """Write into the field of a form beside a label."""
        place = self.until(label, lambda: self.field(title, label, tk.Entry))
        self.click(place, 3)
        self.key("ctrl+a")
        self.write(text)

    def field(self, title, label, kind):
        """Middle of the first widget of a kind in the row of a label."""
        top = self.top(title)
        for widget in everything(top) if top is not None else ():
            if widget.winfo_ismapped() and says(label, begins=True)(widget):
                row = widget.grid_info().get("row")
                for beside in widget.master.grid_slaves(row=row):
                    for inner in (beside, *everything(beside)):
                        if isinstance(inner, kind) and inner.winfo_ismapped():
                            return middle(inner)
        return None

    def row(self, title, text=""):
        """Middle of the row of a list in a window that says a text; of the first without one."""
        top = self.top(title)
        for tree in everything(top) if top is not None else ():
            if not isinstance(tree, ttk.Treeview):
                continue
            for item in items(tree):
                said = [str(tree.item(item, "text")), *map(str, tree.item(item, "values"))]
                box = tree.bbox(item)
                if box and (not text or text in [one.strip() for one in said]):
                    x, y, _, high = box
                    return tree.winfo_rootx() + x + 60, tree.winfo_rooty() + y + high // 2
        return None

    def boxes(self, text):
        """Middles of the boxes in the graph that say a text."""
        canvas = self.window.getViewWidget().runsGraphCanvas
        found = []
        for item in canvas.find_all():
            if canvas.type(item) == "text" and text in canvas.itemcget(item, "text"):
                left, top, right, bottom = canvas.bbox(item)
                x, y = (
                    (left + right) / 2 - canvas.canvasx(0),
                    (top + bottom) / 2 - canvas.canvasy(0),
                )
                found.append((canvas.winfo_rootx() + int(x), canvas.winfo_rooty() + int(y)))
        return found

    def box(self, text):
        return next(iter(self.boxes(text)), None)

    def nowhere(self):
        """A corner of the graph without boxes."""
        canvas = self.window.getViewWidget().runsGraphCanvas
        right, bottom = canvas.winfo_width() - 40, canvas.winfo_height() - 25
        return canvas.winfo_rootx() + right, canvas.winfo_rooty() + bottom

    def picture(self, name):
        from PIL import ImageGrab

        time.sleep(1)
        path = os.path.join(self.folder, f"{name}.png")
        ImageGrab.grab(xdisplay=os.environ["DISPLAY"]).save(path)
        self.times[name] = round(time.monotonic() - self.start, 1)

    # --------------------------- runs -------------------------------------
    def runs(self):
        return self.window.project.getRuns(refresh=True, checkPids=True)

    def finished(self, name, count=1):
        def done():
            found = [run for run in self.runs() if run.getClassName() == name]
            failed = [run.getErrorMessage() for run in found if run.isFailed()]
            if failed:
                raise RuntimeError(failed[0])
            return len(found) >= count and all(run.isFinished() for run in found)

        self.until(f"{name} finished", done)


def everything(widget):
    """All widgets inside one, also in its further windows."""
    for child in widget.winfo_children():
        yield child
        yield from everything(child)


def items(tree, parent=""):
    for item in tree.get_children(parent):
        yield item
        yield from items(tree, item)


def middle(widget):
    return (
        widget.winfo_rootx() + widget.winfo_width() // 2,
        widget.winfo_rooty() + widget.winfo_height() // 2,
    )


def says(text, begins=False):
    """Whether a widget bears a text, or one that begins so."""

    def said(widget):
        try:
            found = str(widget.cget("text")).strip()
        except tk.TclError:
            return False
        return found.startswith(text) if begins else found == text

    return said


def add(hand, words, name):
    """Search for a protocol and open its form."""
    hand.click(hand.ask(hand.nowhere))
    hand.key("ctrl+f")
    hand.see("Add a protocol")
    entry = hand.until(
        "its entry", lambda: hand.spot("Add a protocol", lambda w: isinstance(w, tk.Entry))
    )
    hand.click(entry, 3)
    hand.write(words)
    hand.key("Return")
    hand.click(hand.until(name, lambda: hand.row("Add a protocol", name)), 2)
    hand.ask(lambda: hand.top("Add a protocol").destroy())  # its cross, which nothing draws here


def walk(hand, path, voxel_size):
    """The whole path; each picture is a station."""
    add(hand, "import volumes", "pwem - import volumes")
    form = "Protocol Run: ProtImportVolumes"
    hand.see(form)
    hand.fill(form, "Files directory", path)
    hand.fill(form, "Pixel size", voxel_size)
    hand.picture("import")
    hand.press(form, "Execute")
    hand.finished("ProtImportVolumes")

    add(hand, "local resolution cryodl", "cryodl - local resolution")
    form = "Protocol Run: CryodlProtLocalResolution"
    hand.see(form)
    hand.click(hand.until("Input Volume", lambda: hand.field(form, "Input Volume", tk.Button)))
    hand.see("Select object")
    hand.click(hand.until("the map", lambda: hand.row("Select object")))
    hand.press("Select object", "Select")
    hand.picture("form")
    hand.press(form, "Execute")
    hand.finished("CryodlProtLocalResolution")

    hand.click(hand.until("its box", lambda: hand.box("cryodl - local resolution")))
    hand.picture("summary")
    hand.press(hand.window.root.title(), "Analyze results")
    results = "local resolution"
    hand.see(results)
    colours = hand.until("the colours", lambda: hand.spot(results, shows("viridis")))
    hand.picture("results")
    steps = hand.ask(lambda: steps_to("plasma", hand.top(results)))
    hand.click(colours)
    hand.key(*["Down" if steps > 0 else "Up"] * abs(steps), "Return")
    hand.until("other colours", lambda: hand.spot(results, shows("plasma")))
    hand.ask(hand.window.root.update)  # they are drawn
    hand.picture("colours")
    hand.press(results, "ChimeraX")
    noted = os.path.join(hand.folder, "chimerax.txt")
    hand.until("ChimeraX", lambda: os.path.exists(noted))
    hand.press(results, "Close")

    hand.click(hand.until("the import", lambda: hand.box("pwem - import volumes")))
    hand.key("f")  # select it and all that follows
    hand.press(hand.window.root.title(), "Export")
    hand.see("Choose .json file")
    hand.picture("export")
    hand.press("Choose .json file", "Select")
    workflow = os.path.join(os.path.expanduser("~"), "workflow.json")
    hand.until("the workflow", lambda: os.path.exists(workflow))

    hand.click((32, 15))  # the menu Project
    hand.click(hand.ask(lambda: below_bar(hand.window.root, "Import workflow")))
    hand.see("Select workflow")
    hand.click(hand.until("its file", lambda: hand.row("Select workflow", "workflow.json")))
    hand.press("Select workflow", "Import")
    hand.until("its runs", lambda: len(hand.runs()) == 4)
    hand.click(hand.until("the new import", lambda: hand.box("pwem - import volumes (2)")))
    hand.key("R")  # Restart all
    hand.see("Confirm RESTART")
    hand.press("Confirm RESTART", "Yes")
    hand.finished("CryodlProtLocalResolution", 2)
    hand.click(hand.ask(hand.nowhere))

    def all_green():
        hand.window.getViewWidget().refreshRuns()
        return len(hand.boxes("finished")) == 4

    hand.until("four runs that are finished", all_green)
    hand.picture("again")


def below_bar(root, text):
    """Where an entry of the first menu is that the bar of a window drops down."""
    bar = root.nametowidget(root.cget("menu"))
    menu = root.nametowidget(bar.entrycget(1, "menu"))
    labels = [
        menu.entrycget(i, "label") if menu.type(i) == "command" else ""
        for i in range(menu.index("end") + 1)
    ]
    return root.winfo_rootx() + 60, root.winfo_rooty() + menu.yposition(labels.index(text)) + 10


def steps_to(wanted, top):
    """Rows from the chosen colours to others in their list."""
    box = next(w for w in everything(top) if shows("viridis")(w))
    return list(box.cget("values")).index(wanted) - box.current()


def shows(text):
    return lambda widget: isinstance(widget, ttk.Combobox) and widget.get() == text


def take_the_path(folder, size):
    """Walk the path on a display of a size, with a map of the examples; a CompletedProcess.

    folder : Path; gets the pictures, times.json and what ChimeraX was given, chimerax.txt
    """
    from pyworkflow.project import Manager

    path = folder / "emd_30342_zone.mrc"
    path.write_bytes(gzip.decompress((EXAMPLES / f"{path.name}.gz").read_bytes()))
    program = folder / "ChimeraX"
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/chimerax.txt\n')
    program.chmod(0o755)
    project = Manager().createProject(f"Newcomer{size[0]}")
    environment = {"CHIMERAX": str(program), "HOME": project.path, "MPLBACKEND": "TkAgg"}
    words = [project.path, path, VOXEL_SIZE, folder]
    with virtual_display(size):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", __name__, *map(str, words)],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=600,
        )  # fmt: skip


def main(project_path, path, voxel_size, folder):
    # In this order: pyworkflow.gui.form needs the other first.
    import pyworkflow.gui.project as gui
    from pwem import Domain

    Domain.getViewers()
    window = gui.ProjectWindow(project_path)
    hand = Hand(window, folder)

    def act():
        status = 1
        try:
            walk(hand, path, voxel_size)
            status = 0
        except Exception:
            import traceback

            traceback.print_exc()
        with open(os.path.join(folder, "times.json"), "w") as file:
            json.dump({**hand.times, "all": round(time.monotonic() - hand.start, 1)}, file)
        sys.stdout.flush()
        os._exit(status)  # threads of the project window would keep the process alive

    def begin():
        wide, high = window.root.winfo_screenwidth(), window.root.winfo_screenheight()
        window.root.geometry(f"{wide}x{high}+0+0")  # there is no window manager to do it
        threading.Thread(target=act, daemon=True).start()

    window.root.after(1500, begin)
    window.show()


if __name__ == "__main__":
    main(*sys.argv[1:])
