"""What the page says: verdict, warnings with the command that mends each, methods, citations."""

from __future__ import annotations

import re
import shlex
from typing import Any

from cryodl import bibtex
from cryodl.checks.finest import LOW_PASSED
from cryodl.checks.noise import INVERTED
from cryodl.errors import counted
from cryodl.half_maps.fsc import in_words
from cryodl.half_maps.pair import IDENTICAL
from cryodl.methods.output import said_of

Stats = dict[str, Any]
FINER = 0.95  # times the resolution found, below which a claim is finer
FAR = 0.6  # of two resolutions, the finer over the coarser, from which one of them is doubted

CITED = {  # by part
    "fsc": ("Rosenthal2003", "Chen2013", "Tan2017"),
    "localfsc": ("Cardone2013",),
    "cryores": ("Dai2023",),
    "quality": ("Pintilie2020",),
    "enhance": ("Rosenthal2003",),
}
ALWAYS = ("Rose2018",)  # the page shows the map by NGL

METHOD = {
    "fsc": "The resolution was determined by Fourier shell correlation of the half maps at 0.143 "
    "(Rosenthal & Henderson, 2003) within a soft mask, corrected by randomised phases (Chen et "
    "al., 2013), and by direction in cones of 20 degrees (Tan et al., 2017).",
    "localfsc": "Local resolution is where the FSC of the half maps in a moving window falls "
    "below 0.143 (after Cardone et al., 2013).",
    "cryores": "Local resolution was estimated from the map alone by a network in the manner "
    "of CryoRes (Dai et al., 2023).",
    "quality": "The fit of the model was judged by Q-scores (Pintilie et al., 2020; sigma 0.6 Å), "
    "by the correlation of map and model within 3 Å of its atoms, and by map-model FSC.",
    "enhance": "The map was filtered as the FSC and the spectrum of atoms ask for (after Rosenthal "
    "& Henderson, 2003), and what that changed was audited.",
    "preflight": "The submission was checked with cryodl preflight.",
}
SHOWN = "Maps are shown with NGL (Rose et al., 2018)."

# How warnings begin that tell how a map was taken, and no fault of it.
NOTES = ("the box is quiet beyond", LOW_PASSED, "the map was brought to its voxels")

# A pattern in a warning, and the command that mends it; the first that fits counts. [mask] and
# [claimed] are the options as the user gave them, or nothing.
MENDED = (
    (r"^the contrast looks inverted",
     "python -c 'import sys, cryodl; v = cryodl.read_map(sys.argv[1]); "
     'cryodl.write_map("fixed.mrc", v.with_data(-v.data))\' {map}'),
    (r"looks masked already|thresholded|one and the same value", ""),
    (r"^anisotropic", "cryodl fsc {half1} {half2}[mask] --directional -o fsc"),
    (r"^(one origin|one voxel size|header)",
     "cryodl preflight {map} --half1 {half1} --half2 {half2}[mask][claimed] --fix -o deposit"),
    (r"implausible|features of the map look|plausible voxel size",
     "cryodl localres {map}[mask][claimed] --voxel-size TRUE_SIZE -o local"),
    (r"unsharpened half|falls off with B", ""),  # of half maps, which no filter mends
    (r"unsharpened|not sharpened",
     "cryodl localres {map}[mask][claimed] --sharpen auto -o local"),
    (r"^resolution|claimed", "cryodl fsc {half1} {half2}[mask] -o fsc"),
    (r"^contour level",
     "cryodl preflight {map} --half1 {half1} --half2 {half2}[mask][claimed] --level LEVEL "
     "-o deposit"),
)  # fmt: skip


def verdict(
    parts: dict[str, Stats], claimed: float | None, errors: dict[str, str] | None = None
) -> list[tuple[str, str, bool]]:
    """Four lines: (question, answer, whether it is bad).

    parts : stats of each part that was done, by its name;  errors : why others failed, by theirs
    """
    errors = errors or {}
    return [
        _how_good(parts, claimed, errors), _where(parts), _standing(parts, errors),
        _wrong(parts, claimed, errors),
    ]  # fmt: skip


def _how_good(
    parts: dict[str, Stats], claimed: float | None, errors: dict[str, str]
) -> tuple[str, str, bool]:
    fsc, network = parts.get("fsc", {}), parts.get("cryores", {})
    found = fsc.get("resolution_0.143")
    if _inverted(parts):
        said = "the contrast is inverted: multiply the map by -1 (how is said below)"
        if found:  # the sign of both makes no difference to it
            said += f"; {in_words(found, fsc['voxel_size'])} by the half maps (FSC 0.143)"
        return "How good is it?", said, True
    bad, said = False, "not judged: give half maps"
    if "fsc" in errors:
        bad, said = True, f"the half maps were not judged: {errors['fsc']}"
    if found:
        said = f"{in_words(found, fsc['voxel_size'])} by the half maps (FSC 0.143)"
        directions = fsc.get("directional", {})
        if directions.get("anisotropic"):
            bad = True
            said += (
                f"; anisotropic: {directions['finest']:.1f} Å along the best direction and "
                f"{directions['coarsest']:.1f} Å along the worst"
            )
    elif "fsc" in parts:
        same = _identical(parts)
        bad, said = True, "the half maps have no signal in common"
        if same:
            said = "one half map was given twice: no resolution follows"
    elif network and "fsc" not in errors:
        found = network["global_resolution"]
        said = f"about {found:.1f} Å, by a network from this map alone; half maps would tell"
    looks, off = _looks(parts, claimed), _off(parts, claimed)
    if claimed and looks:
        said += f"; {looks}"
    elif claimed and found:
        said += f"; {claimed:g} Å is claimed" + f", which is {off}" * bool(off)
    bad = bad or bool(looks) or bool(off)
    return "How good is it?", said, bad


def _inverted(parts: dict[str, Stats]) -> bool:
    return any(INVERTED in text for stats in parts.values() for text in stats.get("warnings", ()))


def _identical(parts: dict[str, Stats]) -> bool:
    return IDENTICAL in parts.get("fsc", {}).get("warnings", ())


def _off(parts: dict[str, Stats], claimed: float | None) -> str:
    """How a claim differs from the half maps' FSC: "finer", "far coarser", or "" if it does not."""
    found = parts.get("fsc", {}).get("resolution_0.143")
    if not claimed or not found:
        return ""
    return "finer" if claimed < FINER * found else "far coarser" * (FAR * claimed > found)


def _looks(parts: dict[str, Stats], claimed: float | None) -> str:
    """What is to be said of a claim far from what a network reads, where no FSC tells."""
    read = parts.get("cryores", {}).get("global_resolution")
    if claimed is None or not read or "fsc" in parts or FAR <= claimed / read <= 1 / FAR:
        return ""
    return f"{claimed:g} Å is claimed, and the map looks like {read:.1f} Å"


def _where(parts: dict[str, Stats]) -> tuple[str, str, bool]:
    if _inverted(parts):
        return "Where?", "unknown: local resolution of an inverted map means nothing", True
    for name, how in (("localfsc", "half maps"), ("cryores", "a network")):
        if name in parts:
            low, high = (parts[name]["percentiles"][q] for q in ("2.5", "97.5"))
            ends = f"{low:.1f}", f"{high:.1f}"
            spread = f"{ends[0]} to {ends[1]} Å, median {parts[name]['median']:.1f} Å"
            sure = parts[name].get("uncertainty_median")
            how += "" if sure is None else f", ±{sure:.2f} Å"
            said = f"{spread if ends[0] != ends[1] else f'{ends[0]} Å throughout'} ({how})"
            return "Where?", said, False
    return "Where?", "local resolution was not judged", False


def _standing(parts: dict[str, Stats], errors: dict[str, str]) -> tuple[str, str, bool]:
    ask, fit = "How does it stand?", parts.get("quality")
    if "quality" in errors:
        return ask, f"the model was not judged: {errors['quality']}", True
    if fit is None:
        return ask, "no model was given", False
    said = f"Q-score {fit['q_score']:.3f}"
    if fit["expected_q"] is not None:
        said += f", expected {fit['expected_q']:.3f}"
    percentile = fit["archive"].get("q_percentile")
    if percentile is not None:
        said += f"; better than {percentile:.0f} % of the EMDB's entries at {fit['claimed']:.3g} Å"
    said += f"; {100 * fit['atom_inclusion']:.0f} % of its atoms above level {fit['level']:.4g}"
    end = fit["fsc_0.5"]
    said += f"; map-model FSC 0.5 at {end:.2f} Å" if end else "; map and model have no FSC of 0.5"
    return ask, said, percentile is not None and percentile < 10


def _wrong(
    parts: dict[str, Stats], claimed: float | None, errors: dict[str, str]
) -> tuple[str, str, bool]:
    ask = "What is wrong?"
    faults = [one for one in parts.get("preflight", {}).get("checks", ()) if
              one["verdict"] == "fault"]  # fmt: skip
    said = [is_note(text) for text, _ in warnings(parts, {})]
    count, notes = said.count(False) + len(errors), said.count(True)
    below = f"{counted(count, 'warning')} below"
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        first = f"{faults[0]['name']}: {faults[0]['evidence']}"
        return ask, f"not ready to be deposited: {first}{more}", True
    if _inverted(parts):
        return ask, f"the contrast is inverted; {below}", True
    if errors:
        return ask, f"{', '.join(errors)} failed; {below}", True
    if off := _off(parts, claimed):
        said_of_it = f"the claim is {off} than the half maps show"
        return ask, said_of_it + f"; {below}" * bool(count), True
    if _looks(parts, claimed):
        return ask, _looks(parts, claimed) + f"; {below}" * bool(count), True
    if not count:
        ready = ": ready to be deposited" if "preflight" in parts else " was found"
        noted = f"; {counted(notes, 'note')} below" * bool(notes)
        return ask, f"nothing{ready}{noted}", False
    ready = "no fault that keeps it from being deposited, but " if "preflight" in parts else ""
    return ask, f"{ready}{below}", False


def is_note(text: str) -> bool:
    """Whether a warning tells how a map was taken, and no fault of it."""
    return text.startswith(NOTES)


def warnings(parts: dict[str, Stats], names: dict[str, str]) -> list[tuple[str, str]]:
    """All warnings, inverted contrast and faults first, with the command that mends each, or "".

    names : "map", "half1", "half2", "model", "mask", "claimed" as they were given, for the
        commands; none for the bare warnings
    A command that mends several stands at the first; the others, and what none mends, say so.
    """
    if names and _mask_is_wrong(parts):
        names = {key: name for key, name in names.items() if key != "mask"}
    found: dict[str, str] = {}
    for one in sorted(parts.get("preflight", {}).get("checks", ()), key=lambda c: c["verdict"]):
        if one["verdict"] != "ok":
            text = f"{one['verdict']}: {said_of(one)}"
            found[text] = mending(f"{one['name']} {one['evidence']}", names)
    for stats in parts.values():
        for text in stats.get("warnings", ()):
            if f"warning: {text}" not in found:  # as preflight's checks are
                found.setdefault(text, mending(text, names))
    found = dict(sorted(found.items(), key=lambda one: INVERTED not in one[0]))
    first: dict[str, str] = {}
    for text, command in found.items():
        first.setdefault(command, text)
    if not names:
        return [(text, "") for text in found]
    return [
        (text, "") if is_note(text)
        else (f"{text} (no command of cryodl mends this)", "") if not command
        else (text, command) if first[command] == text
        else (f"{text} (mended by a command above)", "")
        for text, command in found.items()
    ]  # fmt: skip


def _mask_is_wrong(parts: dict[str, Stats]) -> bool:
    """Whether the mask that was given mends nothing when it is given again."""
    checks = parts.get("preflight", {}).get("checks", ())
    said = (text for stats in parts.values() for text in stats.get("warnings", ()))
    return any(one["name"] == "mask" and one["verdict"] != "ok" for one in checks) or any(
        "mask lies beside" in text for text in said
    )


def mending(text: str, names: dict[str, str]) -> str:
    """The command that mends what a warning says; "" where none of cryodl's does."""
    for pattern, command in MENDED:
        if re.search(pattern, text, re.IGNORECASE):
            needed = re.findall(r"{(\w+)}", command)
            if not all(names.get(name) for name in needed):
                continue
            quoted = {name: shlex.quote(value) for name, value in names.items()}
            options = {f"[{name}]": f" --{name} {quoted[name]}" if name in quoted else ""
                       for name in ("mask", "claimed")}  # fmt: skip
            words = re.split(r"(\[\w+\])", command)
            return "".join(options[word] if word in options else word.format(**quoted)
                           for word in words)  # fmt: skip
    return ""


def standing(fit: Stats | None) -> list[tuple[str, float | None, str]]:
    """(what, percentile or None, sentence) of a model's fit among the archive's entries."""
    if fit is None:
        return []
    archive = fit["archive"]
    q = f"Q is {fit['q_score_sigma_0.4']:.3f} with the archive's sigma of 0.4 Å"
    included = (
        f"{100 * fit['atom_inclusion']:.1f} % of {fit['atoms']} atoms lie above the contour level "
        f"of {fit['level']:.4g} ({fit['level_source']})."
    )
    lines: list[tuple[str, float | None, str]] = [("Atom inclusion", None, included)]
    percentile = archive.get("q_percentile")
    if percentile is not None:
        low, high = archive["resolutions_alike"]
        said = (
            f"{q}: better than {percentile:.0f} % at {fit['claimed']:.3g} Å "
            f"({archive['entries_alike']} entries of {low:g} to {high:g} Å; the median is "
            f"{archive['expected_q']:.3f})."
        )
        lines.append(("Q-score", percentile, said))
    said = (
        f"{q}, the median of the entries at {archive['resolution_of_q']:.1f} Å. "
        f"Source: {archive['source']}, {archive['date']}, which holds no map-model FSC."
    )
    return [*lines, ("Resolution by Q", None, said)]


def methods_text(parts: dict[str, Stats], version: str) -> str:
    lines = [f"Maps were judged with cryodl {version}."]
    halves = {"fsc", "localfsc"} if _identical(parts) else set()  # nothing was determined by them
    lines += [METHOD[name] for name in METHOD if name in parts and name not in halves]
    if {"localfsc", "cryores"} <= set(parts):
        lines = [line.replace("resolution was est", "resolution was also est") for line in lines]
    found = parts.get("fsc", {}).get("resolution_0.143")
    if found:
        lines.append(f"The resolution is {in_words(found, parts['fsc']['voxel_size'])}.")
    return " ".join([*lines, SHOWN])


def citations(parts: dict[str, Stats]) -> str:
    """BibTeX of what the parts are after."""
    wanted = [key for name, keys in CITED.items() if name in parts for key in keys]
    entries = re.split(r"\n(?=@)", str(bibtex.__doc__).strip())
    chosen = [
        entry.strip()
        for key in dict.fromkeys((*wanted, *ALWAYS))
        for entry in entries
        if entry.split("{", 1)[1].startswith(f"{key},")
    ]
    return "\n\n".join(chosen)
