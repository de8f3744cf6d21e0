"""Networks: sizes as published, locality as promised, answers that are distributions."""

from __future__ import annotations

import numpy as np
import pytest

from cryodl import networks
from cryodl.networks.configs import LOW, PAPER

RATIOS = {"ratios": 4, "ratios_from": 0.6, "ratios_to": 2.4}
SMALL = {**LOW, "channels": 3, "half": 4, "quarter": 4, "quarter_blocks": 1, "bins": 8}
DEEPER = {"architecture": "backbone", "eighth": 4, "eighth_blocks": 1, **RATIOS}


def randomised(config):
    """The network with weights at which nothing vanishes, normalisation statistics included."""
    model = networks.build(config)
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.2, 0.6, w.shape) * rng.choice([-1, 1], w.shape)
                       if w.path.endswith("kernel") else np.abs(rng.normal(1, 0.2, w.shape))
                       for w in model.weights])  # fmt: skip
    return model


def test_published_network_has_its_published_size():
    model = networks.build(PAPER)
    filters = 32 * (13**3 + 1)
    dense = 13**3 * 32 * 512 + 512
    assert model.count_params() == filters + dense + 513
    assert model.output_shape == (None, 1)


def test_answer_is_resolution_and_deviation_on_the_input_grid():
    from cryodl.networks.backbone import resolution_bins

    model = randomised(SMALL)
    x = np.random.default_rng(0).normal(size=(1, 16, 12, 20, 3)).astype(np.float32)
    answer = np.asarray(model.predict_on_batch(x))
    assert answer.shape == (1, 16, 12, 20, 2)
    centres = resolution_bins(SMALL)
    assert centres[0] == pytest.approx(2.2) and centres[-1] == pytest.approx(15)
    assert (answer[..., 0] >= centres[0]).all() and (answer[..., 0] <= centres[-1]).all()
    assert (answer[..., 1] > 0).all()


@pytest.mark.parametrize("more, blocks", [({}, 1), (DEEPER, 1), (DEEPER, 2)])
def test_nothing_reaches_beyond_the_stated_radius(more, blocks):
    from cryodl.networks.backbone import receptive_radius

    config = {**SMALL, **more, "quarter_blocks": blocks}
    model = randomised(config)
    radius = receptive_radius(config)
    n = -(-2 * (radius + 12) // 4) * 4
    x = np.random.default_rng(0).normal(size=(1, n, 8, 8, 3)).astype(np.float32)
    for end in (slice(0, 4), slice(n - 4, n)):
        moved = x.copy()
        moved[0, end] += 5
        a, b = (np.asarray(model.predict_on_batch(v))[0] for v in (x, moved))
        change = np.abs(a - b).max(axis=(1, 2, 3))
        change = change if end.start == 0 else change[::-1]
        assert change[4 + radius :].max() == 0
        assert change[4 + radius - 1] > 0  # nor is more than needed stated


def test_a_backbone_begins_as_the_network_that_it_starts_from():
    from cryodl.training.losses import start_from

    small = {**SMALL, **RATIOS, "architecture": "single_map", "quarter_blocks": 2}
    first, larger = randomised(small), networks.build({**small, **DEEPER, "channels": 5})
    assert start_from(larger, first, partly=True) == len(first.weights)
    x = np.random.default_rng(0).normal(size=(1, 8, 12, 16, 5)).astype(np.float32)
    one, other = (np.asarray(m.predict_on_batch(v)) for m, v in ((first, x[..., :3]), (larger, x)))
    assert other.shape[-1] == one.shape[-1] + 2  # aspect resolution and its deviation
    assert np.allclose(other[..., :7], one, atol=1e-5) and np.ptp(one[..., 1]) > 0.1


def test_unknown_architecture_is_named():
    with pytest.raises(ValueError, match="resnet"):
        networks.build({"architecture": "resnet"})
