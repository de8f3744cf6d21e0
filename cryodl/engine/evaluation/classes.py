"""Confusion matrices and what is read off them (Avramov et al. 2019, Tables 3 to 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..maps.resolution_bins import CLASSES


def confusion(published: Sequence[int], predicted: Sequence[int], count: int = 3) -> np.ndarray:
    """How many maps of each published class were given each class; ndarray (predicted, published).

    published, predicted : numbers of classes from 0
    """
    matrix = np.zeros((count, count), int)
    np.add.at(matrix, (np.asarray(predicted, int), np.asarray(published, int)), 1)
    return matrix


def confusion_rows(matrix: np.ndarray, names: Sequence[str] = CLASSES) -> list[dict[str, Any]]:
    """Table 3: a row for each predicted class, a column for each published one."""
    return [
        {"predicted": name, **{f"published {n}": int(v) for n, v in zip(names, row)}}
        for name, row in zip(names, matrix)
    ]


def measures(matrix: np.ndarray, names: Sequence[str] = CLASSES) -> list[dict[str, Any]]:
    """Table 5: sensitivity, specificity, PPV and NPV of each class, %; None where undefined."""
    rows = []
    for i, name in enumerate(names):
        right = matrix[i, i]
        called, truly = matrix[i].sum(), matrix[:, i].sum()
        neither = matrix.sum() - called - truly + right
        rows.append(
            {
                "class": name,
                "maps": int(truly),
                "sensitivity": _percent(right, truly),
                "specificity": _percent(neither, matrix.sum() - truly),
                "PPV": _percent(right, called),
                "NPV": _percent(neither, matrix.sum() - called),
            }
        )
    return rows


def agreement(matrix: np.ndarray) -> float | None:
    """Share of maps whose predicted class is the published one, %."""
    return _percent(np.trace(matrix), matrix.sum())


def _percent(part, whole) -> float | None:
    return None if not whole else round(100 * float(part) / float(whole), 2)
