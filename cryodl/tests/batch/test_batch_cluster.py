"""Where a batch computes: certificates, and clients that do not connect."""

import gc

import pytest

pytest.importorskip("distributed", reason="the extra [batch] is not installed")

from distributed import Client

from cryodl.batch import cluster
from cryodl.errors import SettingError


def test_a_client_that_does_not_connect_is_closed_at_once():
    gc.collect()
    gc.disable()  # which would close it later, in any thread
    try:
        with pytest.raises(SettingError):
            cluster._connected("tls://127.0.0.1:9")
        left = [each for each in gc.get_objects() if isinstance(each, Client)]
        assert {each.status for each in left} <= {"closed"}
    finally:
        gc.enable()


def test_certificates_of_jobs_are_the_users_alone(tmp_path):
    with cluster._jobs("slurm", tmp_path, None, 1, "1GB", None, None):
        assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o700
