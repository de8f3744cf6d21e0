"""The report: all parts that apply, one that fails leaves the others, a page without network."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cryodl
from cryodl.checks.noise import INVERTED
from cryodl.cli.main import main
from cryodl.methods.report import words
from cryodl.methods.report.run import PARTS
from cryodl.report.page import Display, Page, write_page

MODEL = Path(__file__).resolve().parents[1] / "data" / "1c75.pdb"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    cryodl.run_simulated_experiment(
        MODEL, 4.5, 1.5, output=folder / "made", seed=1, config={"box": 44}
    )
    return folder / "made"


@pytest.fixture(scope="module")
def report(files, tmp_path_factory):
    """With a model that lies elsewhere: that part fails."""
    out = tmp_path_factory.mktemp("report") / "out"
    far = out.parent / "far.pdb"
    lines = [
        f"{line[:30]}{float(line[30:38]) + 900:8.3f}{line[38:]}" if line.startswith("ATOM") else ""
        for line in MODEL.read_text().splitlines()
    ]
    far.write_text("\n".join(filter(None, lines)) + "\nEND\n")
    command = ["report", files / "map.mrc", "--half1", files / "half1.mrc", "--half2",
               files / "half2.mrc", "--model", far, "--claimed", "2.0", "-o", out]  # fmt: skip
    for name in ("monores", "other/monores"):
        other = cryodl.read_map(files / "map.mrc")
        other = other.with_data(np.where(other.data > 0, 5, 0).astype(np.float32))
        path = out.parent / f"{name}.mrc"
        path.parent.mkdir(exist_ok=True)
        cryodl.write_map(path, other)
        command += ["--resolution-map", path]
    assert main([str(word) for word in command]) == 0
    return out


def test_a_part_that_fails_leaves_the_others_and_says_so(report):
    record = json.loads((report / "report.json").read_text())
    assert record["schema"] == "cryodl-report/1"
    parts = {name: one["result"] for name, one in record["parts"].items()}
    assert parts == {"preflight": "done", "fsc": "done", "localfsc": "done",
                     "enhance": "done", "cryores": "done", "compare": "done",
                     "quality": "failed"}  # fmt: skip
    assert "0% of the model's atoms" in record["parts"]["quality"]["error"]
    for name in ("fsc/fsc.csv", "localfsc/resolution.mrc", "cryores/resolution.mrc",
                 "preflight/form.txt"):  # fmt: skip
        assert (report / name).is_file()
    text = (report / "report.html").read_text("utf-8")
    assert "quality failed: 0% of the model" in text
    assert "the model was not judged: 0% of the model" in text and "no model was given" not in text
    for title in ("Post-processed", "Where methods agree", "Resolution by direction"):
        assert f"<b>{title}.</b>" in text


def test_the_verdict_names_a_claim_that_is_finer(report):
    lines = json.loads((report / "report.json").read_text())["verdict"]
    assert [line["question"] for line in lines] == [
        "How good is it?", "Where?", "How does it stand?", "What is wrong?"]  # fmt: skip
    assert "2 Å is claimed, which is finer" in lines[0]["answer"] and lines[0]["bad"]
    assert "(half maps)" in lines[1]["answer"]


def test_what_is_wrong_is_never_nothing_where_something_failed():
    fsc = {"resolution_0.143": 4.0, "voxel_size": 1.0}
    ready = {"checks": [], "warnings": []}

    def wrong(parts, claimed=None, errors=None):
        return words.verdict(parts, claimed, errors)[3][1:]

    assert wrong({"fsc": fsc}) == ("nothing was found", False)
    assert wrong({"fsc": fsc, "preflight": ready}) == ("nothing: ready to be deposited", False)
    assert wrong({"fsc": fsc}, 3.0) == ("the claim is finer than the half maps show", True)
    assert wrong({"fsc": fsc}, None, {"quality": "why"}) == (
        "quality failed; 1 warning below", True)  # fmt: skip
    said, bad = wrong({"fsc": {**fsc, "warnings": ["a"]}, "preflight": ready})
    assert said == "no fault that keeps it from being deposited, but 1 warning below" and not bad


def test_a_claim_far_finer_than_a_network_reads_is_told():
    network = {"global_resolution": 8.4, "median": 8.5, "uncertainty_median": 1.3,
               "percentiles": {"2.5": 8.0, "97.5": 9.0}, "warnings": []}  # fmt: skip

    def verdict(claimed, **more):
        good, where, _, wrong = words.verdict({"cryores": network, **more}, claimed)
        assert where[1].endswith("(a network, ±1.30 Å)")
        return good[1:], wrong[1:]

    told = "2 Å is claimed, and the map looks like 8.4 Å"
    (said, bad), wrong = verdict(2.0)
    assert said.endswith(told) and bad and wrong == (told, True)
    (said, bad), wrong = verdict(7.0)
    assert said.endswith("7 Å is claimed") and not bad and wrong == ("nothing was found", False)
    (said, _), _ = verdict(2.0, fsc={"resolution_0.143": 2.0, "voxel_size": 0.8})
    assert "looks like" not in said  # half maps tell better
    assert "was estimated" in words.methods_text({"cryores": network}, "1")
    assert "was also" in words.methods_text({"cryores": network, "localfsc": network}, "1")


def test_a_claim_far_coarser_is_told_too():
    network = {"global_resolution": 4.0, "median": 4.0, "percentiles": {"2.5": 4.0, "97.5": 4.0}}
    good, *_, wrong = words.verdict({"cryores": network}, 7.0)
    assert wrong[1:] == ("7 Å is claimed, and the map looks like 4.0 Å", True) and good[2]
    fsc = {"resolution_0.143": 4.0, "voxel_size": 1.0}
    good, *_, wrong = words.verdict({"fsc": fsc}, 7.0)
    assert good[1].endswith("7 Å is claimed, which is far coarser") and good[2]
    assert wrong[1:] == ("the claim is far coarser than the half maps show", True)
    assert not words.verdict({"fsc": fsc}, 6.0)[0][2]


def test_inverted_contrast_is_said_first_with_what_mends_it(tmp_path):
    network = {"global_resolution": 9.0, "median": 9.0, "percentiles": {"2.5": 8.0, "97.5": 10.0},
               "warnings": ["odd", INVERTED]}  # fmt: skip
    good, where, _, wrong = words.verdict({"cryores": network}, 3.1)
    assert good[1].startswith("the contrast is inverted: multiply the map by -1") and good[2]
    assert "claimed" not in good[1] and where[2] and wrong[1].startswith("the contrast is inverted")
    density = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)
    given = cryodl.Volume(density, 1.5)
    cryodl.write_map(tmp_path / "a map.mrc", given)
    (text, command), _ = words.warnings({"a": network}, {"map": str(tmp_path / "a map.mrc")})
    assert text == INVERTED
    command = shlex.join([sys.executable, *shlex.split(command)[1:]])
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    fixed = cryodl.read_map(tmp_path / "fixed.mrc")
    assert np.array_equal(fixed.data, -density) and fixed.voxel_size == 1.5


def test_notes_are_no_faults():
    quiet = "the box is quiet beyond a sphere of 72 Å: for what is computed it is filled"
    parts = {"cryores": {"global_resolution": 4.0, "median": 4.0, "warnings": [quiet],
                         "percentiles": {"2.5": 4.0, "97.5": 4.0}}}  # fmt: skip
    assert words.verdict(parts, None)[3][1:] == ("nothing was found; 1 note below", False)
    parts["cryores"]["warnings"].append("odd")
    assert words.verdict(parts, None)[3][1:] == ("1 warning below", False)
    told = words.warnings(parts, {"map": "m.mrc"})
    assert [words.is_note(text) for text, _ in told] == [True, False] and told[0][0] == quiet


def test_half_maps_alone_are_shown_filtered_with_the_voxel_size_given(files, tmp_path):
    result = cryodl.run_report(
        half1=files / "half1.mrc", half2=files / "half2.mrc", model=MODEL, voxel_size=1.51,
        output=tmp_path / "out", notify=lambda line: None,
    )  # fmt: skip
    parts = json.loads((tmp_path / "out" / "report.json").read_text())["results"]
    assert set(parts) == set(PARTS) - {"preflight"}
    assert {parts[name]["voxel_size"] for name in parts if name != "compare"} == {1.51}
    text = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "<h1>Mean of half1.mrc and half2.mrc</h1>" in text
    assert "The mean of the half maps, filtered as their FSC asks for." in text
    included = f"{100 * parts['quality']['atom_inclusion']:.0f} % of its atoms above level"
    assert included in result.stats["verdict"][2]["answer"]
    assert "above the contour level of" in text


def test_local_resolutions_of_other_packages_are_compared(report):
    compared = json.loads((report / "report.json").read_text())["results"]["compare"]["maps"]
    assert [one["name"] for one in compared] == [
        "FSC in a window (half maps)", "network (one map)", "monores", "monores (2)"]  # fmt: skip
    text = (report / "report.html").read_text("utf-8")
    assert "<td>monores (2)</td><td>5.00</td>" in text
    assert "Local resolution by several packages" in text


def test_the_page_holds_all_it_needs(report):
    text = (report / "report.html").read_text("utf-8")
    markup = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    sources = re.findall(r'(?:src|href)="([^"]*)"', markup)
    assert len(sources) >= 5 and all(one.startswith("data:") for one in sources)
    assert "@import" not in text and "url(http" not in markup
    for key in ("Rosenthal2003", "Tan2017", "Cardone2013", "Dai2023", "Rose2018"):
        assert f"@article{{{key}," in markup
    assert "Pintilie2020" not in markup  # of the part that failed
    record = json.loads((report / "report.json").read_text())
    assert record["inputs"]["half1"]["sha256"] in markup
    shown = json.loads(re.search(r'type="application/json">\s*(.*?)\s*</script>', text, re.S)[1])
    assert len(shown["colours"]) == 17 and max(shown["size"]) <= 112


def test_what_a_warning_says_and_the_command_that_mends_it():
    names = {"map": "my map.mrc", "half1": "a.mrc", "half2": "b.mrc"}
    said = "anisotropic: 6.0 Å along (0, 0, 1), 4.0 Å at best"
    assert words.mending(said, names) == "cryodl fsc a.mrc b.mrc --directional -o fsc"
    assert words.mending(said, {"map": "m.mrc"}) == ""  # half maps that were not given
    assert words.mending("one origin (1, 2, 3)", names).startswith(
        "cryodl preflight 'my map.mrc' --half1 a.mrc --half2 b.mrc --fix")  # fmt: skip
    given = {**names, "mask": "my {mask}.mrc", "claimed": "3.1"}
    assert words.mending(said, given).endswith("b.mrc --mask 'my {mask}.mrc' --directional -o fsc")
    assert " --claimed 3.1 --fix" in words.mending("one origin (1, 2, 3)", given)
    twice = words.warnings({"a": {"warnings": [said]}, "b": {"warnings": [f"{said}."]}}, names)
    assert [bool(command) for _, command in twice] == [True, False]  # said once
    assert twice[1][0].endswith("(mended by a command above)")
    masked = "the map looks masked already: 80% of its voxels"
    assert words.mending(masked, names) == ""
    only = {"a": {"warnings": [masked]}}
    assert words.warnings(only, names) == [(f"{masked} (no command of cryodl mends this)", "")]
    assert words.warnings(only, {}) == [(masked, "")]
    check = {"name": "header", "verdict": "warning", "evidence": "odd", "remedy": ""}
    both = {"preflight": {"checks": [check], "warnings": ["header: odd", "no picture"]}}
    assert [text for text, _ in words.warnings(both, {})] == ["warning: header: odd", "no picture"]
    for _, command in words.MENDED:  # all of them are commands that there are
        if command:
            from cryodl.cli.main import make_parser

            if not command.startswith("cryodl"):
                continue
            line = command.format(map="m", half1="a", half2="b", model="c")
            line = line.replace("[mask]", " --mask k").replace("[claimed]", " --claimed 3")
            line = line.replace("TRUE_SIZE", "1").replace("LEVEL", "1").split()[1:]
            assert make_parser("all").parse_args(line).command == line[0]


def test_names_are_text_and_not_markup(tmp_path):
    density = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
    display = Display(density, None, 1.0, (0, 0, 0), 0.5, 0, 1, "<b>note</b>", "</script><b>")
    page = Page("<img src=x>.mrc", "&", [("<i>", "<u>", True)], display, warnings=[("<s>", "<q>")])
    write_page(tmp_path / "page.html", page)
    text = (tmp_path / "page.html").read_text("utf-8")
    body = text[text.index("<body>") : text.index('<script id="display"')]
    for tag in ("<img src=x", "<i>", "<u>", "<b>note", "<s>", "<q>"):
        assert tag not in body
    assert "<\\/script><b>" in text


def test_what_it_refuses(files, tmp_path, capsys):
    out = ["-o", str(tmp_path / "out")]
    assert main(["report", "--half1", str(files / "half1.mrc"), *out]) == 2
    assert "--half2" in capsys.readouterr().err
    assert main(["report", *out]) == 2
    assert main(["report", str(tmp_path / "none.mrc"), *out]) == 2
    assert not (tmp_path / "out").exists()


def test_one_half_map_given_twice_is_said_and_determines_nothing():
    from cryodl.half_maps.pair import IDENTICAL

    parts = {"fsc": {"resolution_0.143": None, "warnings": [IDENTICAL]}}
    assert "one half map was given twice" in words.verdict(parts, None)[0][1]
    assert "Fourier shell correlation" not in words.methods_text(parts, "0")
    assert "Fourier shell correlation" in words.methods_text({"fsc": {"warnings": []}}, "0")


def test_no_command_is_given_that_does_not_mend():
    names = {"map": "m", "half1": "a", "half2": "b", "mask": "bad.mrc"}
    assert words.mending("unsharpened half maps noise falls off with B = -90", names) == ""
    assert words.mending("the voxel size of 1.5 Å holds nothing better than 3.0 Å", names) == ""
    assert "--sharpen auto" in words.mending("the map looks unsharpened (its amplitudes)", names)
    assert "TRUE_SIZE" in words.mending("the voxel size of 12 Å is implausible", names)
    said = "anisotropic: 6.0 Å"
    beside = {"fsc": {"warnings": [said, "the mask lies beside the molecule"]}}
    commands = {text: command for text, command in words.warnings(beside, names)}
    assert commands[said] == "cryodl fsc a b --directional -o fsc"


def test_a_bad_resolution_map_does_not_lose_the_comparison(files, tmp_path):
    good = cryodl.read_map(files / "map.mrc")
    good = good.with_data(np.where(good.data > 0, 5, 0).astype(np.float32))
    cryodl.write_map(tmp_path / "good.mrc", good)
    (tmp_path / "bad.mrc").write_bytes(b"no map")
    given = [tmp_path / "bad.mrc", tmp_path / "good.mrc"]
    stats = cryodl.run_report(
        files / "map.mrc", resolution_maps=given, output=tmp_path / "out", notify=str
    ).stats
    assert stats["parts"]["compare"]["result"] == "done"
    assert "bad.mrc" in stats["parts"]["resolution map bad"]["error"]
    assert "resolution map bad failed" in stats["verdict"][-1]["answer"]
