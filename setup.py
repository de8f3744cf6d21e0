"""Distribution `scipion-em-cryodl`: the cryodl library, its command line and the Scipion plugin."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
TEXT = (HERE / "cryodl" / "version.py").read_text("utf-8")
VERSION = re.search('__version__ = "(.+)"', TEXT).group(1)

# Keras 3 needs Python 3.9 at least and cryodl 3.10. Scipion may still run on 3.8: there the
# plugin installs without the packages that compute and runs them in an environment of its own.
ENGINE = "; python_version >= '3.10'"

OPENVINO = "openvino>=2024.4" + ENGINE

EXTRAS = {
    # what the networks compute with: take one of the three
    "light": [OPENVINO],  # on processors; not to train
    "cpu": ["tensorflow-cpu>=2.18" + ENGINE, OPENVINO],
    "gpu": ["tensorflow[and-cuda]>=2.18" + ENGINE, OPENVINO],
    "scipion": ["scipion-pyworkflow>=3.11.2", "scipion-em>=3.11.1", "scipion-app>=3.8.3"],
    # atomic models, for `cryodl quality`, `cryodl simulate` and training
    "train": ["gemmi>=0.6.5" + ENGINE],
    # `cryodl batch`
    "batch": [
        package + ENGINE
        for package in ("distributed>=2024.1", "dask-jobqueue>=0.9", "cryptography>=41")
    ],
    "docs": ["sphinx>=7.2", "furo>=2024.1"],
    # the report's page in a real browser: also Debian's chromium, or another one as CHROMIUM
    "browser": ["playwright>=1.40", "pillow"],
    "test": ["pytest>=8", "pytest-xdist>=3.5", "ruff>=0.12", "mypy>=1.10"],
}
EXTRAS["all"] = [
    package
    for name in ("cpu", "scipion", "train", "batch", "test", "docs")
    for package in EXTRAS[name]
]

setup(
    name="scipion-em-cryodl",
    version=VERSION,
    description="Deep-learning judgement of cryo-EM maps: local resolution, with a Scipion plugin",
    long_description=(HERE / "README.rst").read_text("utf-8"),
    long_description_content_type="text/x-rst",
    author="The cryodl developers",
    license="GPL-3.0-or-later",
    keywords="cryo-EM resolution deep-learning scipion",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Bio-Informatics",
    ],
    packages=find_packages(include=["cryodl", "cryodl.*"]),
    package_data={
        "cryodl": [
            "icon.png",
            "protocols.conf",
            "py.typed",
            "templates/*.template",
            "weights/**/*",
            "methods/**/*.json",
            "report/**/*.html",
            "report/**/*.css",
            "report/**/*.js",
            "report/**/*.txt",
        ]
    },
    python_requires=">=3.8",
    # Enough to run a shipped network, with one of the extras `light`, `cpu` and `gpu`. The ranges
    # include the versions that Scipion pins (numpy 1.26.1, scipy 1.10.0, mrcfile 1.4.3, matplotlib
    # 3.8.1).
    install_requires=[
        "numpy>=1.24",
        "scipy>=1.10",
        "mrcfile>=1.4",
        "matplotlib>=3.7",
        "tqdm>=4.60",
        "h5py>=3.8" + ENGINE,
        "keras>=3.10,<4" + ENGINE,
    ],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["cryodl = cryodl.__main__:main"],
        "pyworkflow.plugin": ["cryodl = cryodl"],
    },
)
