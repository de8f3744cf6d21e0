"""Post-processing of a map or of two half maps: enhanced, audited, drawn and written.

In the manner of DeepEMhancer (Sanchez-Garcia et al., Commun. Biol. 4, 874, 2021).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cryodl.checks.finest import finest_possible
from cryodl.checks.input import check_map
from cryodl.checks.quiet import filled, quiet_rim
from cryodl.compute.device import precision_on
from cryodl.errors import SettingError
from cryodl.half_maps.fsc import THRESHOLDS, estimate_fsc, soft_mask
from cryodl.half_maps.pair import half_sum, read_halves
from cryodl.maps.inputs import input_map, input_mask
from cryodl.maps.mask import existing_mask
from cryodl.maps.resample import resample_to
from cryodl.maps.result import Result
from cryodl.maps.volume import Volume
from cryodl.methods.cost import Timer
from cryodl.methods.enhance.audit import (
    SURFACE,
    Evidence,
    agreement,
    audit,
    find_evidence,
    protect,
    refuse_out_of_range,
    refuse_unknown,
    remove_small,
)
from cryodl.methods.enhance.estimate import Enhanced, Enhancer
from cryodl.methods.enhance.filtered import (
    FILTERING,
    check_filtering,
    choose_model,
    enhance_by_filters,
)
from cryodl.methods.enhance.options import OPTIONS
from cryodl.methods.enhance.prepare import APART, Noise, check_normalisation
from cryodl.methods.enhance.reference import ModelFit
from cryodl.methods.enhance.refined.correct import refine
from cryodl.methods.options import declared
from cryodl.methods.output import figure_of, finish, names_of, place_density, results_folder
from cryodl.methods.registry import mask_or_finder

MapLike = Volume | str | Path
MADE = "enhanced", "audit"  # maps of every model
ATOMS_TO = 4.5  # Å, beyond which a map shows no atoms to be built
FILTERS_WIN = 4.0  # Å, FSC of half maps beyond which the networks lose to filters


@declared(OPTIONS)
def run_enhance(
    volume: MapLike | None = None,
    *,
    half1: MapLike | None = None,
    half2: MapLike | None = None,
    model: str = "auto",
    bundle: Any = None,
    normalisation: str = "auto",
    noise_mean: float | None = None,
    noise_std: float | None = None,
    mask: MapLike | np.ndarray | None = None,
    protect_mask: MapLike | np.ndarray | None = None,
    reference_model: str | Path | None = None,
    clean: float = 0.0,
    voxel_size: float | None = None,
    thorough: bool = False,
    batch_size: int = 1,
    device: str = "auto",
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Result:
    """Post-process a map by a network, say what it changed, and write what `cryodl enhance` writes.

    Parameters
    ----------
    volume : a map, best neither sharpened nor masked; or else half maps:
    half1, half2 : their mean is enhanced, and for the audit each of them
    model : "refined": the filter that the FSC of half maps and the spectrum of atoms ask for, of
        one map by the resolution that a network finds, and what a network corrects about it within
        that resolution; "linear": the filter alone; as DeepEMhancer, "tight" (masks closely),
        "wide" (leaves a margin) or "highres" (for 4 Å and better). "auto" takes "refined", and
        "tight" where an option asks for what filters have no use for
    bundle : Bundle, name or folder in place of the shipped one of the model
    normalisation : how the noise is found: "auto", "stats" (noise_mean and noise_std) or "mask"
        (outside of it)
    noise_mean, noise_std : of the noise, in the map's unit; also used with "auto" if given
    mask : on the map's grid, not 0 in the molecule, or "network": found as `run_mask` does; also
        used with "auto" if given
    protect_mask : where the input's density is kept, sharpened to match, such as at a ligand
    reference_model : PDB or mmCIF file, fitted into the map: the audit tells how it fits before and
        after, and residues.csv of every residue
    clean : pieces below this fraction of the largest one are removed
    voxel_size : Å, where the headers are wrong
    thorough : average over the 24 rotations of the cube, at 24 times the time
    batch_size, device : tiles predicted at a time; "auto", "cpu" or "gpu"
    output : folder for maps, stats.json, slices and ChimeraX script; None writes nothing
    overwrite : replace results of an earlier run
    progress, notify : called with (stage, done, total), and with each line worth telling

    Returns
    -------
    Result : .volumes on the map's grid: "enhanced", in units of the molecule's root mean square;
        "audit", where density was added (above 0) or removed (below); from half maps "support", how
        far both halves agree (correlation, 0 to 1); refined, "trust", how likely each voxel departs
        to the right side from what is around it (0.5 to 1; 0 outside the mask). .stats, .density
        (the input)

    Raises
    ------
    CryodlError : one line with what was received and what to do; nothing is written then
    """
    start = time.perf_counter()
    _check_inputs(volume, half1, half2)
    others = {
        "protect_mask": protect_mask, "clean": clean, "thorough": thorough,
        "noise_mean": noise_mean, "noise_std": noise_std, "normalisation": normalisation,
    }  # fmt: skip
    network = {"bundle": bundle, "batch_size": batch_size}
    fit = ModelFit(reference_model)
    if model == "auto":
        model = choose_model(others | {"bundle": bundle})
    if model in FILTERING:
        check_filtering(model, others | (network if model == "linear" else {}))
        shown = None if progress is None else partial(progress, "enhance")
        correct = partial(refine, device=device, progress=shown, **network)
        maps = [volume] if half1 is None else [half1, half2]
        with results_folder(
            output, *maps, mask, reference_model, overwrite=overwrite, volumes=MADE
        ) as work:
            result = enhance_by_filters(
                maps, model, correct if model == "refined" else None, mask=mask,
                voxel_size=voxel_size, device=device, fit=fit, tell=notify or (lambda line: None),
            )  # fmt: skip
            source = volume if isinstance(volume, (str, Path)) else None
            title = names_of(*maps)
            drawn = partial(_draw, result, output=output, source=source, title=title)
            finish(result, work, start, drawn, write=fit.write, tell=notify)
        return result
    way = check_normalisation(normalisation, noise_mean, noise_std, mask)
    tell = notify or (lambda line: None)
    show = progress or (lambda stage, done, total: None)
    timer = Timer()
    source = volume if half1 is None and isinstance(volume, (str, Path)) else None
    inputs = (volume, half1, half2, mask, protect_mask, reference_model)
    with results_folder(output, *inputs, overwrite=overwrite, volumes=MADE) as work:
        with timer("read"):
            enhancer = Enhancer(
                model, bundle, thorough=thorough, batch_size=batch_size, device=device
            )
            original, halves, notes = _read(volume, half1, half2, voxel_size)
            mask = mask_or_finder(
                mask, dilate=APART, thorough=thorough, device=device, notify=notify
            )
            inside, more = input_mask(mask, original)
            kept, _ = input_mask(protect_mask, original)
            rim = None if halves else quiet_rim(original)
            judged = filled(original, rim)
            notes += more + ([rim.sentence] if rim else []) + check_map(original, inside)
        refuse_out_of_range(original, notes)
        fit.judge_before(original)
        tell(enhancer.describe(original, 3 if halves else 1))
        for note in notes:
            tell(f"warning: {note}")
        told = [None if n is None else n / original.unit for n in (noise_mean, noise_std)]
        with timer("noise"):
            noise = enhancer.find_noise(judged, way, mean=told[0], sd=told[1], inside=inside)
        with timer("enhance"):
            enhanced = enhancer.enhance(judged, noise, progress=partial(show, "enhance"))
        with timer("finish"):
            evidence = find_evidence(enhanced, _left(original, enhanced.source))
            density, pieces = _finish(enhanced, evidence, original, kept, clean)
        with timer("audit"):
            found = audit(enhanced, enhancer.spec, density.data, evidence)
        refuse_unknown(found, evidence)
        grids = {"enhanced": density, "audit": density.with_data(found.change)}
        stats: dict[str, Any] = {
            "method": "postprocess",
            "model": enhancer.spec.get("model", model),
            "bundle": enhancer.spec["name"],
            "bundle_sha256": enhancer.bundle.sha256,
            "source": "half maps" if halves else "one map",
            "normalisation": way,
            "noise_mean": noise.mean * original.unit,
            "noise_std": noise.sd * original.unit,
            "noise_share": None if noise.region is None else round(float(noise.region.mean()), 4),
            "density_added": found.added,
            "density_removed": found.removed,
        }
        if halves:
            with timer("halves"):
                grids["support"], stats["fsc"] = _audit_halves(
                    enhancer, halves, noise, enhanced, show
                )
            before = stats["fsc"]["before_0.143"]
            if before is None or before > FILTERS_WIN:
                found.warnings.append(
                    f"beyond {FILTERS_WIN:g} Å filters make more of half maps than this network: "
                    "compare the result with that of the model 'refined'"
                )
        with timer("bring back"):
            volumes = {
                name: enhancer.paste(grid, original, density=name == "enhanced")
                for name, grid in grids.items()
            }
        if rim is not None:
            volumes = {k: v.with_data(v.data * rim.inside) for k, v in volumes.items()}
        with timer("model"):
            found.warnings.extend(fit.judge_after(volumes["enhanced"], stats))
        for note in found.warnings:
            tell(f"warning: {note}")
        stats |= {
            "protected": kept is not None,
            "clean": clean,
            "pieces_removed": pieces,
            "surface": SURFACE,
            "voxel_size": original.voxel_size,
            "voxel_size_given": voxel_size is not None,
            "network_steps": enhanced.steps,
            "rotations": len(enhancer.rotations),
            "device": enhancer.device,
            "precision": precision_on(enhancer.device),
            "warnings": notes + found.warnings,
            "seconds": timer.seconds,
        }
        timer.seconds["total"] = round(time.perf_counter() - start, 3)
        result = Result(volumes, stats, original)
        title = names_of(*([volume] if half1 is None else [half1, half2]))
        draw = partial(_draw, result, output=output, source=source, title=title)
        finish(result, work, start, draw, write=fit.write, tell=tell)
    return result


def _check_inputs(volume, half1, half2) -> None:
    if (half1 is None) != (half2 is None):
        raise SettingError("one half map is given: give both, as half1= and half2=")
    if volume is None and half1 is None:
        raise SettingError("no map is given: give volume=, or half1= and half2=")
    if volume is not None and half1 is not None:
        raise SettingError("a map and half maps are given: give volume=, or the half maps alone")


def _read(volume, half1, half2, voxel_size: float | None):
    """The map to enhance, both halves or none, and what is unusual about them."""
    if half1 is not None:
        first, second, notes = read_halves(half1, half2, voxel_size, independent=True)
        return half_sum(first, second), (first, second), notes
    return input_map(volume, voxel_size), (), []


def _audit_halves(enhancer: Enhancer, halves, noise: Noise, enhanced: Enhanced, show):
    """Support from two halves enhanced apart, and their FSC before and after.

    The mask for both FSC curves is where the enhanced full map shows something, with a soft edge.
    """
    if noise.given:  # of the mean of both
        noise = replace(noise, sd=noise.sd * 2**0.5)
    before = [enhancer.to_grid(half) for half in halves]
    after = [
        enhancer.enhance(half, noise, progress=partial(show, f"enhance half map {number}")).density
        for number, half in enumerate(halves, 1)
    ]
    support = enhanced.density.with_data(agreement(*after))
    mask = _shown(enhanced.density)
    fsc = {}
    # the finer grid of the network knows nothing beyond what the map holds
    finest = finest_possible(half_sum(*halves))
    for name, (first, second) in (("before", before), ("after", after)):
        curve = estimate_fsc(first, second, mask)
        for threshold in THRESHOLDS:
            found = curve.resolution(threshold)
            fsc[f"{name}_{threshold:g}"] = None if found is None else round(max(found, finest), 4)
    return support, fsc


def _shown(density: Volume) -> np.ndarray:
    """Where an enhanced map shows something, with a soft edge."""
    inside = density.data > 0.5 * SURFACE
    return soft_mask(inside if inside.any() else ~inside, density.voxel_size)


def _left(original: Volume, grid: Volume) -> np.ndarray | None:
    """Where an earlier mask had left something of a map, on the network's grid."""
    support = existing_mask(original.data)
    if support is None:
        return None
    return resample_to(original.with_data(support.astype(np.float32)), grid, "nearest").data > 0.5


def _finish(enhanced: Enhanced, evidence: Evidence, volume: Volume, kept, clean):
    """The enhanced map cleaned, with the user's density kept; and the pieces that went."""
    density, inside = enhanced.density, None
    if kept is not None:
        mask = volume.with_data(kept.astype(np.float32))
        inside = resample_to(mask, density, "nearest").data > 0.5
    data = density.data
    if evidence.nothing:
        data = np.where(evidence.clear, data, np.float32(0))
    data, pieces = remove_small(data, clean, keep=inside)
    density = density.with_data(data)
    if inside is not None:
        density = protect(density, enhanced.source, inside)
    return density, pieces


def summary(stats: dict[str, Any]) -> list[str]:
    words = (
        f"density added without evidence {stats['density_added']:.1%}, clear density removed "
        f"{stats['density_removed']:.1%}"
    )
    if "fsc" in stats:
        before, after = (stats["fsc"][f"{name}_0.143"] for name in ("before", "after"))
        told = [(before, "before"), (after, "after")][: 1 if stats["model"] == "refined" else 2]
        words += "; halves agree to " + " and ".join(
            f"{'none' if r is None else f'{r:.2f} Å'} {name}" for r, name in told
        )
    if "reference_model" in stats:
        q = stats["reference_model"]["q_score"]
        scores = ("none" if q[when] is None else f"{q[when]:.3f}" for when in ("before", "after"))
        raw = "of the unfiltered mean" if stats["source"] == "half maps" else "before"
        words += "; Q-score of the model {} {raw}, {} after".format(*scores, raw=raw)
    if stats.get("trust_median") is not None:
        words += f"; trust {stats['trust_median']:.2f} in the median where it shows something"
        if stats["resolution"] > ATOMS_TO:
            words += f" (beyond {ATOMS_TO:g} Å of the density's shape: build no atoms by it)"
    return [f"{words}; {stats['seconds']['total']:.1f} s"]


def _draw(
    result: Result,
    work: Path,
    *,
    output: str | Path | None,
    source: str | Path | None,
    title: str,
) -> None:
    from cryodl.half_maps.fsc import up_to
    from cryodl.report.chimerax import surface_level
    from cryodl.report.enhancement import draw_before_after, write_before_after_view

    density, enhanced = result.density, result.volumes["enhanced"].data
    to = result.stats.get("fsc", {}).get("before_0.143")  # of half maps, whose mean is noisy
    name = "trust" if "trust" in result.volumes else "support"
    support = result.volumes.get(name)
    changed = result.stats["voxel_size_given"]
    given = None if changed or source is None else Path(source)
    shown = place_density(density, given, work, output)
    with figure_of(result.stats, "slices.png"):
        draw_before_after(
            up_to(density, to).data,
            enhanced,
            work / "slices.png",
            level=SURFACE,
            voxel_size=density.voxel_size,
            origin=density.origin,
            change=result.volumes["audit"].data,
            support=None if support is None else support.data,
            supported="Trust" if name == "trust" else "Halves agree",
            title=title,
            given=f"Input to {to:.1f} Å" if to else "Input",
        )
    mask = enhanced > SURFACE / 2
    write_before_after_view(
        work / "view.cxc",
        before=shown,
        after=work / "enhanced.mrc",
        before_level=surface_level(density.data, mask if mask.any() else ~mask),
        after_level=SURFACE,
        support=None if support is None else work / f"{name}.mrc",
    )
