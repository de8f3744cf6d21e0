"""What post-processing makes of noise: nothing, it should.

    python benchmarks/noise.py [--size 96] [-o benchmarks/noise.md]

Noise of several colours and outlines is enhanced by every shipped network, as a map and as two half
maps. "network" is the network's own answer: the share of voxels in which it shows a surface (half
of a molecule's root mean square density); "written" the share of enhanced.mrc above a tenth of its
maximum, which is to stay below 2 %; "warned", whether a warning says that the input holds hardly
anything, that density was invented, or that no noise could be found.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cryodl.filters.sharpen import apply_bfactor
from cryodl.maps.volume import Volume
from cryodl.methods.enhance.estimate import MODELS, Enhancer
from cryodl.methods.enhance.run import run_enhance

TOLD = ("hardly any density", "invented", "holds noise alone")


def noises(size: int, seed: int):
    """Pairs (name, map of noise)."""
    rng = np.random.default_rng(seed)
    axis = np.arange(size, dtype=np.float32) - size / 2
    away = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2) / (0.3 * size)
    ball = np.clip((1 - away) / 0.1, 0, 1)

    def coloured(bfactor):
        white = Volume(rng.standard_normal((size,) * 3, dtype=np.float32), 1.0)
        return apply_bfactor(white, bfactor).data if bfactor else white.data

    for bfactor in (0.0, 200.0, 500.0):
        yield f"everywhere, B = {bfactor:g} Å²", coloured(bfactor)
        yield (
            f"three times as strong in a ball, B = {bfactor:g} Å²",
            coloured(bfactor) * (1 + 2 * ball),
        )
        yield f"cut out around a ball, B = {bfactor:g} Å²", coloured(bfactor) * ball


def written(*maps, **options) -> tuple[str, str]:
    """Share of what is written that is above a tenth of its maximum, and whether it is told."""
    result = run_enhance(*maps, device="cpu", **options)
    data, notes = result.volumes["enhanced"].data, result.stats["warnings"]
    share = float((data > 0.1 * data.max()).mean()) if data.max() > 0 else 0.0
    said = any(words in note for note in notes for words in TOLD)
    return f"{share:.1%}", "yes" if said else "**no**"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("noise.md"))
    args = parser.parse_args()
    head = " | ".join(f"{m}: network | written | warned" for m in MODELS)
    lines = [f"| noise | {head} |", "|---" * (1 + 3 * len(MODELS)) + "|"]
    enhancers = [Enhancer(model, device="cpu") for model in MODELS]
    one, other = (dict(noises(args.size, seed)) for seed in (0, 1))
    for name, data in one.items():
        volume = Volume(data.astype(np.float32), 1.0)
        cells = [name]
        for enhancer in enhancers:
            shown = float((enhancer.enhance(volume).density.data > 0.5).mean())
            cells += [f"{shown:.1%}", *written(volume, bundle=enhancer.bundle)]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    name = "everywhere, B = 200 Å²"
    halves = [Volume(maps[name].astype(np.float32), 1.0) for maps in (one, other)]
    cells = [f"half maps of noise {name}"]
    for enhancer in enhancers:
        cells += ["", *written(half1=halves[0], half2=halves[1], bundle=enhancer.bundle)]
    lines.append(f"| {' | '.join(cells)} |")
    args.output.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
