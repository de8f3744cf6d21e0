"""Resolution classes of whole maps: judged one after another, written as a list."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryodl.checks.input import MASKED
from cryodl.errors import counted
from cryodl.methods.options import declared
from cryodl.methods.resolution_class.options import OPTIONS

if TYPE_CHECKING:
    from cryodl.maps.volume import Volume
    from cryodl.networks.bundle import Bundle


@declared(OPTIONS)
def classify_maps(
    maps: Sequence[Volume | str | Path] | Volume | str | Path,
    model: str = "cnn",
    *,
    bundle: Bundle | str | Path | None = None,
    claimed: float | Sequence[float | None] | None = None,
    mask: Volume | str | Path | None = None,
    voxel_size: float | Sequence[float | None] | None = None,
    thorough: bool = False,
    device: str = "auto",
    json_file: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
    judged: Callable[[dict[str, Any]], object] | None = None,
) -> list[dict[str, Any]]:
    """Tell the resolution of whole maps from the maps alone.

    Parameters
    ----------
    maps : paths or Volumes (density, shape (z, y, x)), or one of them
    model : "cnn" or "dnn";  bundle : trained network to use instead
    claimed : resolution claimed for the maps, Å, or one for each
    mask : of the molecule, above 0.5 inside, for one map; "network" has that of each found as
        `run_mask` does; None finds it by a rule
    voxel_size : Å, where headers are wrong, or one for each map
    thorough : average the probabilities over the 24 rotations of the cube, at 24 times the time
    device : "auto", "cpu" or "gpu"
    json_file : file for the list; None writes nothing
    overwrite : replace that file
    progress : called with ("classify", maps done, maps in all), thorough with rotations of all maps
    notify : called with each line worth telling
    judged : called with what is said of each map as soon as it is known

    Returns
    -------
    for each map a dict with map (its path, or None), class ("high" below 5 Å, "medium" 5-10 Å,
    "low"), probabilities of the three, resolution and 90 % interval in Å, finest_possible (Å; none
    of these is finer), claimed, agrees and verdict ("agrees", or the map looks "worse" or "better";
    None without a claim, and of a masked map that looks better, as all of them do), warnings and
    seconds. Of several maps one that cannot be judged has map and error (a line) alone.

    Raises
    ------
    CryodlError : one line with what was received and what to do, of settings, a single map, or all
        of several; nothing is written then
    """
    from cryodl.errors import CryodlError, InputError, SettingError
    from cryodl.maps.rotations import rotations
    from cryodl.maps.volume import Volume
    from cryodl.methods.registry import mask_or_finder
    from cryodl.methods.resolution_class.estimate import Classifier

    if isinstance(maps, (Volume, str, os.PathLike)):
        maps = [maps]
    maps = list(maps)
    claims, voxels = _for_each(claimed, maps, "claims"), _for_each(voxel_size, maps, "voxel sizes")
    if not maps:
        raise SettingError("no map is given: give one or more")
    mask = mask_or_finder(mask, thorough=thorough, device=device, notify=notify)
    if mask is not None and not callable(mask) and len(maps) > 1:
        raise SettingError(f"one mask is given for {len(maps)} maps: give one map, or no mask")
    if json_file is not None:
        check_list(json_file, overwrite, *maps, mask)
    tell, show = notify or (lambda line: None), progress or (lambda *stage: None)
    judged = judged or (lambda entry: None)
    classifier = Classifier(model, bundle, device=device)
    for volume in maps:  # a name mistyped shall not cost what was found of the others
        if not isinstance(volume, Volume) and not Path(volume).exists():
            raise InputError(f"no such file: {volume}; check the name")
    passes = len(rotations(thorough))
    if thorough:
        tell(f"every map is read in {passes} rotations, in {passes} times the time")
    found: list[dict[str, Any]] = []
    for done, (volume, claim, voxel) in enumerate(zip(maps, claims, voxels), 1):
        start = time.perf_counter()
        turns = partial(_show_rotations, show, done - 1, len(maps)) if thorough else None
        path = None if isinstance(volume, Volume) else str(volume)
        try:
            answer = classifier(
                volume, mask=mask, voxel_size=voxel, thorough=thorough, progress=turns
            )
        except CryodlError as error:  # of this map; the others go on
            if len(maps) == 1:
                raise
            found.append({"map": path, "error": str(error)})
            judged(found[-1])
            continue
        for warning in answer.warnings:
            tell(f"warning: {path or 'map'}: {warning}")
        verdict = None if claim is None else answer.judge(claim)
        if verdict == "better" and any(said.startswith(MASKED) for said in answer.warnings):
            verdict = None  # masked maps look better than they are
            said = f"it looks better than the claimed {claim:g} Å, as masked maps do: not judged"
            answer = replace(answer, warnings=(*answer.warnings, said))
            tell(f"warning: {path or 'map'}: {said}")
        found.append(
            {
                "map": path,
                "class": answer.resolution_class,
                "probabilities": {k: round(p, 4) for k, p in answer.probabilities.items()},
                "resolution": round(answer.resolution, 3),
                "interval": [round(end, 3) for end in answer.interval],
                "finest_possible": round(answer.finest, 3),
                "claimed": claim,
                "agrees": None if verdict is None else verdict == "agrees",
                "verdict": verdict,
                "model": classifier.spec["name"],
                "bundle_sha256": classifier.bundle.sha256,
                "rotations": passes,
                "warnings": list(answer.warnings),
                "seconds": round(time.perf_counter() - start, 3),
            }
        )
        judged(found[-1])
        if not thorough:
            show("classify", done, len(maps))
    if all("error" in entry for entry in found):
        raise InputError(f"of {counted(len(maps), 'map')} none can be judged: {found[0]['error']}")
    if json_file is not None:
        write_list(json_file, found, overwrite)
    return found


def _show_rotations(show, before: int, maps: int, done: int, total: int) -> None:
    show("classify", before * total + done, maps * total)


def _for_each(given, maps, what: str) -> list[float | None]:
    from cryodl.errors import SettingError

    if given is None or np.ndim(given) == 0:
        return [given] * len(maps)
    if len(given) != len(maps):
        raise SettingError(f"{len(given)} {what} are given for {len(maps)} maps: give one for each")
    return list(given)


def check_list(path: str | Path, overwrite: bool, *inputs: object) -> None:
    """Raise OutputError where a list cannot be written, before anything is computed for it."""
    from cryodl.files.folder import cannot_write
    from cryodl.files.places import check_file

    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(Path(path), error) from None
    check_file(path, overwrite, *inputs)


def write_list(path: str | Path, found: list[dict[str, Any]], overwrite: bool) -> None:
    """Write what was found at once, so that no half of it is ever there."""
    from cryodl.errors import OutputError
    from cryodl.files.folder import whole_file
    from cryodl.files.record import write_json

    try:
        with whole_file(path, overwrite=overwrite) as part:
            write_json(part, found, indent=2, allow_nan=False)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
