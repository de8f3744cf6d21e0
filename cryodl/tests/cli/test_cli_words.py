"""Words on the command line and in --params, of any command."""

import pytest

from cryodl.cli.common import read_params
from cryodl.cli.main import main, make_parser


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
