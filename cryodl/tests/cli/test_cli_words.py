"""Words on the command line and in --params, of any command."""

import os
from pathlib import Path

import numpy as np
import pytest

import cryodl
from cryodl.cli import common
from cryodl.cli.common import read_params
from cryodl.cli.main import main, make_parser
from cryodl.errors import InputError, OutputError, SettingError
from cryodl.files.places import check_file


@pytest.mark.parametrize(
    "arguments",
    [
        ["localres"],
        ["nonesuch"],
        ["localres", "map.mrc", "-o", "out", "--device", "tpu"],
        ["--params", "x"],
    ],
)
def test_bad_command_lines(arguments, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("cryodl: ") and said.count("\n") == 1 and "--help" in said


def test_a_bad_option_is_explained_by_its_command(capsys):
    assert main(["train", "voxel-size", "--nonesuch", "1"]) == 2
    assert "see 'cryodl train voxel-size --help'" in capsys.readouterr().err
    assert main(["fsc", "a.mrc", "b.mrc", "-o", "out", "--nonesuch", "1"]) == 2
    said = capsys.readouterr().err
    assert "--nonesuch 1" in said and "see 'cryodl fsc --help'" in said


def test_lists_in_parameters_are_commas_or_repetitions(tmp_path):
    params = tmp_path / "run.json"
    params.write_text('{"bfactors": [0, -50, -100], "output": "out"}')
    read = read_params(make_parser("oversharpening"), ["oversharpening", "--params", str(params)])
    assert "--bfactors=0,-50,-100" in read
    params.write_text('{"res": ["a", "b"], "name": ["one", "two"], "output": "out"}')
    read = read_params(make_parser("compare"), ["compare", "--params", str(params)])
    assert make_parser("compare").parse_args(read).name == ["one", "two"]


@pytest.mark.parametrize(
    "words",
    [["other.mrc"], ["--overwrite", "other.mrc"], ["--sharpen", "-80", "other.mrc"],
     ["--sharpen=-80", "--device", "cpu", "other.mrc"]],
)  # fmt: skip
def test_a_map_on_the_command_line_prevails_wherever_it_stands(words, tmp_path):
    params = tmp_path / "run.json"
    params.write_text('{"map": "own.mrc", "output": "out"}')
    parser = make_parser("localres")
    given = ["localres", "--params", str(params), *words]
    assert parser.parse_args(read_params(parser, given)).map == "other.mrc"
    assert parser.parse_args(read_params(parser, given[:3])).map == "own.mrc"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ('{"voxel_size": true}', "voxel_size is true: give its value"),
        ('{"thorough": "yes"}', 'thorough is "yes": give true or false'),
        ('{"params": "other.json"}', "localres has no option 'params'"),
        ('{"claimed": "abc"}', 'claimed is "abc": give a number'),
        ('{"claimed": [3, 4]}', "claimed is [3, 4]: give one number"),
        ('{"mask": ["a", "b"]}', 'mask is ["a", "b"]: give one value'),
        ('{"batch_size": 2.5}', "batch_size is 2.5: give a whole number"),
        ('{"map": {"a": 1}}', 'map is {"a": 1}: give a number or text'),
        ('{"voxel_size": []}', "voxel_size is an empty list: give a value, or null for none"),
        (
            '{"batch_size": 2, "batch-size": 3}',
            "batch_size and batch-size are one option: leave one out",
        ),
        (
            '{"map": "--overwrite"}',
            'map is "--overwrite", which would be an option: a file of that name is ./--overwrite',
        ),
    ],
)
def test_parameters_that_cannot_be_used(params, said, tmp_path, capsys):
    file = tmp_path / "run.json"
    file.write_text(params)
    assert main(["localres", "--params", str(file), "map.mrc", "-o", "out"]) == 2
    assert capsys.readouterr().err == f"cryodl: {file}: {said}\n"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["fsc", "a.mrc", "b.mrc", "-o", "", "--overwrite"], "--output='' "),
        (["fsc", "", "b.mrc", "-o", "out"], "HALF1='' "),
        (["mask", "map.mrc", "-o", ""], "--output='' "),
        (["localres", "map.mrc", "-o", "out", "--mask", ""], "--mask='' "),
        (["classify", "map.mrc", "--json", ""], "--json='' "),
        (["compare", "res", "", "-o", "out"], "RES='' "),
        (["batch", "", "-o", "out", "fsc"], "TABLE='' "),
    ],
)
def test_an_empty_name_is_refused(words, shown, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert capsys.readouterr().err == f"cryodl: {shown}is empty: give a value, or leave it out\n"


def test_a_function_takes_no_empty_name():
    with pytest.raises(SettingError, match="output='' is empty"):
        cryodl.run_fsc("a.mrc", "b.mrc", output="")


@pytest.mark.parametrize("value", ["-1e3", "-1E+3", "-.5", "-5", "-inf", "-1e-2"])
def test_a_number_below_zero_is_no_option(value):
    words = ["mask", "map.mrc", "-o", "out", "--dilate", value]
    assert make_parser("mask").parse_args(words).dilate == float(value)
    words = ["oversharpening", "map.mrc", "-o", "out", "--bfactors", f"{value},-1e2"]
    assert make_parser("oversharpening").parse_args(words).bfactors == [value, "-1e2"]


@pytest.mark.parametrize(
    "words",
    [
        ["mask", "{long}", "-o", "mask.mrc"],
        ["mask", "map.mrc", "-o", "{long}"],
        ["mask", "map.mrc", "-o", "{long}/mask.mrc"],
        ["fsc", "map.mrc", "{long}", "-o", "out"],
        ["fsc", "map.mrc", "map.mrc", "-o", "{long}"],
        ["localres", "map.mrc", "-o", "out", "--mask", "{long}"],
        ["localres", "map.mrc", "-o", "out", "--bundle", "{long}"],
        ["compare", "{long}", "map.mrc", "-o", "out"],
        ["classify", "map.mrc", "--json", "{long}"],
        ["batch", "{long}", "-o", "out", "fsc"],
        ["fsc", "map.mrc", "map.mrc", "-o", "out", "--params", "{long}"],
        ["report", "{long}", "-o", "out"],
        ["simulate", "{long}", "--resolution", "8", "--voxel-size", "3", "-o", "out.mrc"],
    ],
)
def test_a_name_that_no_file_can_have_is_refused(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cryodl.write_map("map.mrc", cryodl.Volume(np.random.default_rng(0).random((24,) * 3), 2.0))
    assert main([word.format(long="n" * 300) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cryodl: ") and said.count("\n") == 1
    assert "300 bytes" in said or "too long" in said
    assert os.listdir() == ["map.mrc"]


def test_maps_of_names_that_no_file_can_have():
    volume = cryodl.Volume(np.random.default_rng(0).random((24,) * 3), 2.0)
    with pytest.raises(InputError, match="too long"):
        cryodl.read_map("n" * 300)
    with pytest.raises(OutputError, match="too long"):
        cryodl.write_map("n" * 300, volume)
    with pytest.raises(OutputError, match="too long"):
        check_file("n" * 250, False)  # of which a part has a longer name


def test_positional_parameters_come_in_the_order_of_the_command(tmp_path):
    file = tmp_path / "run.json"
    file.write_text('{"half2": "b.mrc", "output": "out", "half1": "a.mrc"}')
    parser = make_parser("fsc")
    args = parser.parse_args(read_params(parser, ["fsc", "--params", str(file)]))
    assert (args.half1, args.half2) == ("a.mrc", "b.mrc")


def test_progress_tells_the_time_left_by_what_it_took_of_late(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(common.time, "monotonic", lambda: now[0])
    with common.Progress() as progress:
        for done in range(1, 21):
            now[0] += 30 if done < 12 else 300  # other programs begin
            progress("predict", done, 20)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "predict: 10 %, about 9 min left"
    assert printed[-2] == "predict: 90 %, about 10 min left" and printed[-1] == "predict: 100 %"


def test_a_masked_map_that_looks_better_has_no_verdict():
    """Masked maps look better than they are; shares are of the map, not of what is left of it."""
    examples = Path(__file__).resolve().parents[3] / "examples"
    [found] = cryodl.classify_maps(examples / "emd_30342_zone.mrc.gz", claimed=9.0)
    assert found["interval"][1] < 9 and found["verdict"] is None and found["agrees"] is None
    assert "as masked maps do: not judged" in found["warnings"][-1]
    data = cryodl.read_map(examples / "emd_30342_zone.mrc.gz").data
    share = np.mean(data == data[0, 0, 0])
    assert f"masked already: {share:.0%} of its voxels" in " ".join(found["warnings"])
    [worse] = cryodl.classify_maps(examples / "emd_30342_zone.mrc.gz", claimed=2.0)
    assert worse["verdict"] == "worse"


@pytest.mark.parametrize(("count", "said"), [(1, "1 atom; wrote"), (2, "2 atoms; wrote")])
def test_one_thing_is_one(tmp_path, monkeypatch, capsys, count, said):
    monkeypatch.chdir(tmp_path)
    line = "ATOM  {0:5}  CA  ALA A{0:4}       1.000   2.000   {0}.000  1.00  0.00           C\n"
    Path("a.pdb").write_text("".join(line.format(n) for n in range(1, count + 1)))
    words = ["a.pdb", "--resolution", "8", "--voxel-size", "3", "-o", "m.mrc"]
    assert main(["simulate", *words]) == 0
    assert capsys.readouterr().out.startswith(said)
