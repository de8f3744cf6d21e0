"""A map coloured by its local resolution in ChimeraX: the files it needs, and starting it."""

import os
import shutil

import numpy as np
from pwem.viewers import Chimera, ChimeraView

from cryodl.report.chimerax import can_be_named, fill_outside, seen_from, surface_level, write_view
from cryodl.viewers.maps import on_grid_of, same_grid, write_map

#: Variables of the environment and of Scipion's configuration: the folder of ChimeraX, as the
#: plugin scipion-em-chimera has it, and its program.
CHIMERA_HOME, CHIMERAX = "CHIMERA_HOME", "CHIMERAX"

#: Voxels around the mask that take the colour of the nearest one inside.
FILLED_RIM = 3


def write_scene(
    folder, shown, resolution, mask, *, vmin, vmax, colours, labels=None, name="resolution"
):
    """Write a script, and the maps that it opens beside those that there are.

    Parameters
    ----------
    folder : where the files are written
    shown : Map to be coloured; None colours the surface of the mask itself
    resolution : Map in Å, or of classes; mask : Map on the same grid, non-zero inside the molecule
    vmin, vmax : ends of the key in Å
    colours, labels : as in :func:`cryodl.report.chimerax.write_view`
    name : of what the map is coloured by, in the names of files

    Returns
    -------
    str : absolute path of the script

    Raises
    ------
    ValueError
        The map to be coloured lies elsewhere than the resolution.
    OSError
        The folder cannot be written.
    """
    inside = mask.data != 0
    if shown is None:
        shown, level = mask._replace(data=inside.astype(np.float32)), 0.5
    else:
        there = inside if same_grid(mask, shown) else on_grid_of(mask, shown) != 0
        if not there.any():
            raise ValueError(
                f"The map to colour begins at {_place(shown)} Å and does not reach the molecule, "
                f"whose map begins at {_place(resolution)} Å: choose another map, or set its "
                "origin with the protocol 'assign Orig & Sampling'."
            )
        level = surface_level(shown.data, there)
    map_file = shown.path
    plain = map_file and not map_file.endswith((".gz", ".bz2"))  # every ChimeraX reads such files
    if not plain or not can_be_named(seen_from(folder, map_file)):
        map_file = os.path.join(folder, "chimerax_map.mrc")
        write_map(map_file, shown)
    filled = fill_outside(resolution.data, inside, FILLED_RIM)
    resolution_file = os.path.join(folder, f"chimerax_{name}.mrc")
    write_map(resolution_file, resolution._replace(data=filled))
    script = os.path.abspath(os.path.join(folder, f"chimerax_{name}.cxc"))
    write_view(
        script,
        map_file=map_file,
        resolution_file=resolution_file,
        level=level,
        vmin=vmin,
        vmax=vmax,
        colours=colours,
        labels=labels,
    )
    return script


def _place(shown):
    return "({:.1f}, {:.1f}, {:.1f})".format(*shown.origin)


def find_program():
    """Return the path of ChimeraX, or None.

    Looked for, in this order: where Scipion has it, in CHIMERA_HOME, at CHIMERAX, on the PATH.
    """
    home = os.environ.get(CHIMERA_HOME)
    in_home = os.path.join(home, "bin", "ChimeraX") if home else None
    named = os.environ.get(CHIMERAX)
    for program in (Chimera.getProgram(), in_home, named, "chimerax", "ChimeraX"):
        found = shutil.which(program) if program else None
        if found:
            return found
    return None


class ChimeraXView(ChimeraView):
    """Open a script with the program that was found, in the environment that pwem gives it."""

    def __init__(self, program, script):
        self._quoted = f'"{program}"'
        super().__init__(script)

    def getProgram(self):
        return self._quoted
