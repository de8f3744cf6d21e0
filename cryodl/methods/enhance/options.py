"""What `run_enhance` and `cryodl enhance` take."""

from cryodl.methods.options import (
    BUNDLE,
    HALF1,
    HALF2,
    MAP,
    MAPS,
    MASK,
    NETWORK,
    OUTPUT,
    OVERWRITE,
    VOXEL_SIZES,
    Option,
)

MODELS = ("tight", "wide", "highres", "linear", "refined", "auto")  # Scipion stores the number
NORMALISATIONS = ("auto", "stats", "mask")

OPTIONS = (
    MAP._replace(required=False, help="map to enhance, best neither sharpened nor masked "
        f"{MAPS}; or else half maps"),
    OUTPUT,
    HALF1._replace(help="first half map; the mean of both is enhanced, and each for the audit"),
    HALF2,
    Option("model", "auto", "refined: filtered by what half maps hold, or as the resolution of one "
        "map asks for, and corrected by a network within that resolution; linear: filtered alone; "
        "tight: as DeepEMhancer, masks closely; wide: leaves a margin; highres: for maps of 4 Å "
        "and better; auto: refined, or tight with options that filters have no use for",
        choices=MODELS, label="Model"),
    Option("normalisation", "auto", "how the noise is found: by itself, from its statistics, or "
        "outside a mask", choices=NORMALISATIONS, label="Normalization"),
    Option("noise_mean", help="mean of the noise, in the map's unit", kind=float, metavar="X",
        label="Mean"),
    Option("noise_std", help="standard deviation of the noise", kind=float, metavar="X",
        label="Standard deviation"),
    MASK._replace(help="mask on the map's grid, outside which there is noise, or 'network': the "
        "one that cryodl mask finds"),
    Option("protect_mask", flag="protect", metavar="FILE", label="Protect", help="mask of what is "
        "kept as it is in the input, sharpened to match, such as a ligand, a glycan or lipids"),
    Option("reference_model", metavar="FILE", label="Reference model", help="model that is fitted "
        "into the map (PDB or mmCIF): the audit tells its Q-score, correlation and FSC before and "
        "after, residue by residue, and of its ligands"),
    Option("clean", 0.0, "remove pieces smaller than this fraction of the largest one", float,
        least=0, below=1, metavar="FRACTION", label="Relative size"),
    BUNDLE._replace(help="trained network to use instead of the model's"),
    VOXEL_SIZES,
    *NETWORK,
    OVERWRITE,
)  # fmt: skip
