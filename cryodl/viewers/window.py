"""The results window: slices of two maps to scroll through, their colours live, and a chart."""

import os
import tkinter as tk
from tkinter import filedialog, ttk

import pyworkflow.gui as pwgui

from cryodl.report.browser import RESOLUTION, WHOLE, Scale, colour_names

MOST_STEPS = 50
DPI, WIDE = 96, 1366  # of the pictures, on a screen so wide; letters grow with the window


class ResultsWindow(pwgui.Window):
    """Show the layers of a run.

    results : as of `cryodl.viewers.results`
    notes : lines below the slices, such as the run's warnings
    actions : (label, function) of each button beside those of the window
    scale : its beginning, name of a colour map and two ends in Å
    volumes : of a set, their names by their ids, and a function that shows the one of an id
    """

    def __init__(
        self, title, results, *, notes=(), actions=(), scale, volumes=({}, None), master=None
    ):
        super().__init__(title, master, weight=False, minsize=(900, 560))
        self.results, self.layers = results, results.layers()
        self._begin = Scale(*scale)
        self._names = [layer.name for layer in self.layers]
        self._tell = tk.StringVar(self.root, "")
        self._waiting = None
        self.root.configure(bg="white")
        look = ttk.Style(self.root)
        for kind in ("TRadiobutton", "TCheckbutton"):
            look.configure(f"White.{kind}", background="white")
        self.root.columnconfigure(0, weight=1)
        self.root.rowconfigure(1, weight=1)
        self._make_controls(*volumes)
        self._make_figure(title)
        self._make_slider()
        if notes:
            self._make_notes(notes)
        self._make_buttons(actions)
        self._axis_changed()

    def desiredDimensions(self):
        wide, high = self.root.winfo_screenwidth(), self.root.winfo_screenheight()
        return min(wide - 20, 1860), min(high - 90, 980)

    def show(self, center=True, modal=False):
        """Open in the middle of the screen: Scipion's would be that of the project window."""
        wide, high = self.desiredDimensions()
        left = (self.root.winfo_screenwidth() - wide) // 2
        top = max(0, (self.root.winfo_screenheight() - high) // 2 - 20)
        self.root.geometry(f"{wide}x{high}+{left}+{top}")
        super().show(center=False, modal=modal)

    # --------------------------- what it is made of -----------------------
    def _make_controls(self, volumes, choose):
        bar = tk.Frame(self.root, bg="white")
        bar.grid(row=0, column=0, sticky="ew", padx=6, pady=4)
        if len(volumes) > 1:
            numbers, shown = list(volumes), self.results.protocol.getShown()
            self.volume = self._choice(bar, "Of", list(volumes.values()), volumes[shown], 14)
            self.volume.bind(
                "<<ComboboxSelected>>", lambda event: choose(numbers[self.volume.current()])
            )
        second, wide = min(1, len(self._names) - 1), 22 if len(volumes) < 2 else 14
        self.left = self._choice(bar, "Show", self._names, self._names[0], wide)
        self.right = self._choice(bar, "beside", self._names, self._names[second], wide)
        self._label(bar, "across")
        self.axis = tk.StringVar(self.root, "z")
        for name in "xyz":
            ttk.Radiobutton(
                bar, text=name, value=name, variable=self.axis, command=self._axis_changed,
                style="White.TRadiobutton",
            ).pack(side="left")  # fmt: skip
        if any(layer.kind == RESOLUTION for layer in self.layers):
            self._make_colours(bar)

    def _make_colours(self, bar):
        self.colours = self._choice(bar, "  Colours", colour_names(), self._begin.colours, 12)
        self.low = self._number(bar, "from", self._begin.low)
        self.high = self._number(bar, "to", self._begin.high)
        self._label(bar, "Å in")
        self.steps = tk.StringVar(self.root, "smooth")
        box = ttk.Spinbox(
            bar, values=["smooth", *range(2, MOST_STEPS + 1)], textvariable=self.steps, width=7
        )
        box.pack(side="left")
        self.steps.trace_add("write", self._later)
        self._label(bar, "steps")
        ttk.Button(bar, text="Fit", width=4, command=self._fit).pack(side="left", padx=4)

    def _label(self, bar, text):
        tk.Label(bar, text=text, bg="white").pack(side="left", padx=2)

    def _choice(self, bar, text, values, first, width):
        self._label(bar, text)
        box = ttk.Combobox(bar, values=values, state="readonly", width=width)
        box.set(first)
        box.bind("<<ComboboxSelected>>", self._later)
        box.pack(side="left", padx=2)
        return box

    def _number(self, bar, text, value):
        self._label(bar, text)
        variable = tk.StringVar(self.root, f"{value:g}")
        ttk.Entry(bar, textvariable=variable, width=6).pack(side="left")
        variable.trace_add("write", self._later)
        return variable

    def _make_figure(self, title):
        from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg
        from matplotlib.figure import Figure

        wide = self.desiredDimensions()[0]
        figure = Figure(dpi=DPI * max(1, wide / WIDE), facecolor="white")
        self.canvas = FigureCanvasTkAgg(figure, self.root)
        self.canvas.get_tk_widget().grid(row=1, column=0, sticky="nsew")
        self.browser = self.results.browser(figure, title)
        self.canvas.mpl_connect("scroll_event", lambda event: self._step(int(event.step)))
        self.canvas.mpl_connect("motion_notify_event", self._point)
        for key, step in (("Left", -1), ("Right", 1), ("Prior", -10), ("Next", 10)):
            self.canvas.get_tk_widget().bind(f"<{key}>", lambda event, by=step: self._step(by))
        self.canvas.get_tk_widget().bind("<Button-1>", lambda event: event.widget.focus_set(), "+")

    def _make_slider(self):
        bar = tk.Frame(self.root, bg="white")
        bar.grid(row=2, column=0, sticky="ew", padx=6)
        self._label(bar, "Plane")
        self.plane = tk.Scale(
            bar, orient="horizontal", bg="white", highlightthickness=0, command=self._moved
        )
        self.plane.pack(side="left", fill="x", expand=True)
        line = tk.Label(self.root, textvariable=self._tell, bg="white", anchor="w")
        line.grid(row=3, column=0, sticky="ew", padx=8)

    def _make_notes(self, notes):
        frame = tk.Frame(self.root, bg="white")
        frame.grid(row=4, column=0, sticky="ew", padx=6, pady=2)
        text = tk.Text(
            frame, height=min(4, 1 + len(notes)), wrap="word", bg="#fff8e1", relief="flat"
        )
        text.insert("1.0", "\n".join(notes))
        text.configure(state="disabled")
        text.pack(side="left", fill="x", expand=True)
        bar = ttk.Scrollbar(frame, command=text.yview)
        text.configure(yscrollcommand=bar.set)
        bar.pack(side="right", fill="y")

    def _make_buttons(self, actions):
        bar = tk.Frame(self.root, bg="white")
        bar.grid(row=5, column=0, sticky="ew", padx=6, pady=6)
        outline = tk.BooleanVar(self.root, self.browser.outlined)

        def outlined():
            self.browser.outlined = outline.get()
            self._redraw()

        ttk.Checkbutton(
            bar, text="Outline", variable=outline, command=outlined, style="White.TCheckbutton"
        ).pack(side="left")
        ttk.Button(bar, text="Close", command=self.close).pack(side="right", padx=4)
        ttk.Button(bar, text="Export…", command=self._export).pack(side="right", padx=4)
        for label, function in reversed(list(actions)):
            ttk.Button(bar, text=label, command=function).pack(side="right", padx=4)

    # --------------------------- what it does -----------------------------
    def scale(self):
        """Return the colours as they are set; ValueError says what is wrong."""
        if not hasattr(self, "colours"):
            return self._begin
        try:
            low, high = float(self.low.get()), float(self.high.get())
        except ValueError:
            raise ValueError("Colours: give two numbers in Å.") from None
        if not 0 <= low < high < 1e6:
            raise ValueError(f"Colours: from {low:g} to {high:g} Å is no range.")
        steps = self.steps.get()
        if steps != "smooth" and not (steps.isdigit() and 2 <= int(steps) <= MOST_STEPS):
            raise ValueError(f"Colours: {steps} steps; give 2 to {MOST_STEPS}, or smooth.")
        return Scale(self.colours.get(), low, high, WHOLE if steps == "smooth" else int(steps))

    def _fit(self):
        self.low.set(f"{self._begin.low:g}")
        self.high.set(f"{self._begin.high:g}")
        self.steps.set("smooth")

    def _later(self, *_):
        """Draw once after the last of several changes."""
        if self._waiting is not None:
            self.root.after_cancel(self._waiting)
        self._waiting = self.root.after(150, self._redraw)

    def _axis_changed(self):
        axis = self.axis.get()
        self.plane.configure(from_=1, to=self.results.depth(axis), command="")
        self.plane.set(self.results.middle(axis) + 1)
        self.plane.configure(command=self._moved)
        self._redraw()

    def _redraw(self):
        self._waiting = None
        try:
            scale = self.scale()
        except ValueError as error:
            self._tell.set(str(error))
            return
        self._tell.set("Scroll with the wheel or the arrow keys; point at a voxel to read it.")
        chosen = [self.layers[self._names.index(box.get())] for box in (self.left, self.right)]
        self.browser.show(*chosen, self.axis.get(), int(self.plane.get()) - 1, scale)
        self.canvas.draw_idle()

    def _moved(self, value):
        plane = int(float(value)) - 1
        if self.browser.layers and plane != self.browser.plane:
            self.browser.move(plane)
            self._tell.set("")  # what was pointed at lies in another plane
            self.canvas.draw_idle()

    def _step(self, by):
        self.plane.set(int(self.plane.get()) + by)
        self._moved(self.plane.get())

    def _point(self, event):
        if event.inaxes is not None:
            said = self.browser.values_at(event.inaxes, event.xdata, event.ydata)
            if said:
                self._tell.set(said)

    def _export(self):
        path = filedialog.asksaveasfilename(
            parent=self.root,
            title="Save what is shown as",
            initialdir=os.getcwd(),
            initialfile=f"plane_{self.axis.get()}{int(self.plane.get())}.png",
            filetypes=[("Picture", "*.png"), ("Vector picture", "*.svg"), ("Page", "*.pdf")],
        )
        if path:
            self.save(path)

    def save(self, path):
        """Write what is shown: .png, .svg or .pdf."""
        from cryodl.report.figure import save_figure

        try:
            save_figure(self.canvas.figure, path)
        except (OSError, ValueError) as error:
            self.showError(f"{path} could not be written: {error}")
            return
        self._tell.set(f"Saved as {path}")
