"""The evaluation's own arithmetic, and its command on a small table with a random network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cryodl.cli.main import main
from cryodl.errors import InputError
from cryodl.evaluation import tables as real
from cryodl.methods.deepres import evaluate as simulated
from cryodl.simulation.structure import Structure
from cryodl.tests.cli.test_cli_localres import ball, inputs, write  # noqa: F401


def structure(name, atoms_per_chain, chains, element=6, spread=20.0):
    rng = np.random.default_rng(0)
    n = atoms_per_chain * chains
    return Structure(
        rng.uniform(0, spread, (n, 3)).astype(np.float32),
        np.full(n, element, np.uint8),
        np.repeat(np.arange(chains, dtype=np.int16), atoms_per_chain),
        name,
    )


def test_structures_are_chosen_by_what_they_are():
    proteins = [structure(f"p{i}", 2000, 1) for i in range(6)]
    tetramer, rna = structure("t", 800, 4), structure("r", 900, 1, element=15)
    everything = [*proteins, tetramer, rna]
    assert simulated.choose_structures(everything, "tetramer", 3) == [tetramer]
    assert simulated.choose_structures(everything, "rna", 3) == [rna]
    assert len(simulated.choose_structures(everything, "protein", 3)) == 3


def test_summaries_keep_the_worst():
    rows = [
        simulated.row("t", structure(n, 2, 1), 5.0, np.array(v))
        for n, v in (("a", [4.9, 5.0, 5.1]), ("b", [4.0, 4.6, 0.0, 5.2]))
    ]
    (summary,) = simulated.summarise(rows)
    assert summary["worst_error"] == pytest.approx(0.4)  # zeros are no answers
    assert summary["median"] == pytest.approx(4.8)
    assert summary["worst_sd"] == pytest.approx(np.std([4.0, 4.6, 5.2]), abs=1e-3)


def test_real_maps_are_summed_up_between_the_limits():
    rows = [
        {"claimed": c, "deposited": c + 1, "flattened": c + d, "automatic": 5.0}
        for c, d in ((3.0, 0.2), (4.0, -0.2), (7.0, 0.5), (11.0, 4.0))
    ]
    deposited, flattened, automatic = simulated.summarise_real(rows)
    assert deposited["mean_error"] == 1.0 and deposited["maps"] == 3
    assert flattened["mean_error"] == pytest.approx(0.3)
    assert flattened["bias"] == pytest.approx(0.5 / 3, abs=1e-3)
    assert flattened["rank_correlation"] == 1.0 and automatic["rank_correlation"] is None


def test_tables_are_read_as_people_write_them(tmp_path):
    table = tmp_path / "maps.tsv"
    table.write_text(
        "file\tresolution_A\tvoxel_A\n"
        "a.mrc\t~7\t3.54,3.54,3.54\nb.mrc\t5.8 (README)\t\nc.mrc\t-\t1.0\n"
    )
    for name in ("a.mrc", "b.mrc"):
        (tmp_path / name).touch()
    found = real.read_table(table)
    assert [(p.name, r, v) for p, r, v in found] == [("a.mrc", 7.0, 3.54), ("b.mrc", 5.8, None)]
    for row, said in (
        ("a.mrc\t3,5", "row 2 of .* has the resolution '3,5'"),
        ("a.mrc\temd-1234", "has the resolution 'emd-1234'"),
        ("b.mrc\t3.5\ngone.mrc\t4", "row 3 of .* names 'gone.mrc'"),
        ("a.mrc\t-\nb.mrc\t?", "has no map with a resolution"),
    ):
        table.write_text(f"file\tresolution_A\n{row}\n")
        with pytest.raises(InputError, match=said):
            real.read_table(table)
    table.write_text("name,resolution\n")
    with pytest.raises(InputError, match="resolution_A"):
        real.read_table(table)


def test_command_writes_its_tables(tmp_path, inputs):  # noqa: F811
    for name in ("a", "b"):
        write(tmp_path / f"{name}.mrc", ball(), voxel_size=1.2)
    table = tmp_path / "maps.tsv"
    table.write_text("file\tresolution_A\na.mrc\t4.0\nb.mrc\t6.0\n")
    bundle = str(inputs / "bundle")
    out = tmp_path / "out"
    arguments = ["evaluate", "local-resolution", "--maps", table, "--low", bundle, "-o", out]
    assert main([str(a) for a in arguments]) == 0
    rows = json.loads((out / "tables.json").read_text())["real_maps"]
    assert [r["claimed"] for r in rows] == [4.0, 6.0]
    assert rows[0]["deposited"] == rows[1]["deposited"] > 2
    assert (out / "real_maps_summary.md").read_text().count("\n") == 5
    assert (out / "real_maps.png").stat().st_size > 5000


def test_command_needs_something_to_measure(tmp_path, capsys):
    assert main(["evaluate", "local-resolution", "-o", str(tmp_path / "out")]) == 2
    assert "--structures" in capsys.readouterr().err and not (tmp_path / "out").exists()
