"""What a Volume is made of."""

import numpy as np
import pytest

from cryodl.errors import InputError
from cryodl.maps.volume import Volume


@pytest.mark.parametrize(
    ("data", "more"),
    [(np.ones((9,) * 3, complex), {}), ([["a"]], {}), ([[1], [1, 2]], {}),
     (np.ones((9,) * 3), {"origin": 5}), (np.ones((9,) * 3), {"origin": (1, 2, "x")}),
     (np.ones((9,) * 3), {"voxel_size": "2"}), (np.ones((9,) * 3), {"voxel_size": None}),
     (np.ones((9,) * 3), {"axis_order": (1, 1, 2)}), (np.ones((9,) * 3), {"axis_order": (1, "x")}),
     (np.ma.masked_less(np.arange(729.0).reshape((9,) * 3), 5), {})],
)  # fmt: skip
def test_what_is_no_map(data, more):
    with pytest.raises(InputError):
        Volume(data, **{"voxel_size": 1.0, **more})
