"""The commands that answer: verify, compare, recommend, plot, report, reproduce, export, from the outside."""

import json
import re

import pytest

from mcflow import Case, Study, run
from mcflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small file with a consistent case of two inputs."""
    from mcflow import Case, Study, run

    path = tmp_path_factory.mktemp("answers") / "small.h5"
    cases = [Case(scheme, "relu", depth=5, width=16, batch=2) for scheme in ("xavier_normal", "kaiming_normal")]
    run(Study(cases, networks=200), path).close()
    return path


def one_line(done, code=2):
    """The single line on stderr of a refusal."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_verify_ends_with_0_and_its_json_is_one_document(mcflow_command, study):
    done = mcflow_command("verify", study, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["consistent"] is True
    needed = {
        "case",
        "layer",
        "quantity",
        "measured",
        "standard_error",
        "predicted",
        "z",
        "relative_difference",
        "tier",
    }
    assert needed <= document["rows"][0].keys()


def test_verify_ends_with_1_where_a_tier_breaks(mcflow_command, tmp_path):
    mcflow_command(
        "run", "--scheme", "xavier_normal", "--activation", "tanh", "--width", 8, "--depth", 12, "--batch", 1,
        "--inputs", "gaussian", "--networks", 3000, "-o", "t.h5", "--quiet",
    )  # fmt: skip
    assert mcflow_command("verify", "t.h5").returncode == 0
    done = mcflow_command("verify", "t.h5", "--tier", "infinite-width")
    assert done.returncode == 1
    assert "infinite-width breaks" in done.stdout


def test_compare_ranks_and_judges_the_rule(mcflow_command, study):
    done = mcflow_command("compare", study)
    assert done.returncode == 0, done.stderr
    assert "best: kaiming_normal-relu" in done.stdout
    assert "Kaiming for relu: holds" in done.stdout


def test_plot_writes_every_format(mcflow_command, study, tmp_path):
    from mcflow import open as open_result
    from mcflow import plot, plots

    done = mcflow_command("plot", study, "--figure", "flow", "--format", "svg", "-o", "pictures")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pictures" / "small-flow.svg").read_bytes().startswith(b"<?xml")
    with open_result(study) as result:
        drawn = plot(result, "flow")
    for kind, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        plots.save(drawn, tmp_path / f"flow.{kind}")
        assert (tmp_path / f"flow.{kind}").read_bytes().startswith(start)


def test_report_is_one_page_that_asks_for_nothing_else(mcflow_command, study, tmp_path):
    done = mcflow_command("report", study, "-o", "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert "@import" not in page
    assert "<script" not in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_export_and_its_refusal_to_replace(mcflow_command, study, tmp_path):
    assert mcflow_command("export", study, "-o", "t.csv", "--summary").returncode == 0
    assert "--overwrite" in one_line(mcflow_command("export", study, "-o", "t.csv", "--summary"))
    assert ".parquet" in one_line(mcflow_command("export", study, "-o", "t.xlsx"))


def test_reproduce_lists_the_classics(mcflow_command):
    done = mcflow_command("reproduce")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) >= 8


def test_recommend_a_function_of_the_users(mcflow_command, tmp_path):
    (tmp_path / "mine.py").write_text("def phi(x):\n    return x if x > 0.0 else 0.1 * x\n")
    done = mcflow_command(
        "recommend", "--activation", "mine:phi", "--depth", 10, "--width", 32, "--networks", 50, "--json"
    )
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)["best"]
    assert best["sigma_w2"] == pytest.approx(2 / 1.01, rel=0.02)


@pytest.mark.parametrize("verb", ["verify", "compare", "plot", "report"])
def test_what_is_no_study_is_a_sentence(mcflow_command, tmp_path, verb):
    (tmp_path / "junk.h5").write_bytes(b"not HDF5 at all")
    assert "junk.h5" in one_line(mcflow_command(verb, "junk.h5"))
    assert "absent.h5" in one_line(mcflow_command(verb, "absent.h5"))


def test_another_format_version_is_a_sentence(mcflow_command, study, tmp_path):
    import shutil

    import h5py

    shutil.copy(study, tmp_path / "new.h5")
    with h5py.File(tmp_path / "new.h5", "r+") as file:
        file.attrs["format_version"] = "9.0"
    assert "9.0 is newer" in one_line(mcflow_command("verify", "new.h5"))


def test_one_network_is_a_sentence(mcflow_command, tmp_path):
    mcflow_command(
        "run",
        "--scheme",
        "he_normal",
        "--activation",
        "relu",
        "--depth",
        3,
        "--width",
        8,
        "--networks",
        1,
        "-o",
        "one.h5",
    )
    assert "standard error" in one_line(mcflow_command("verify", "one.h5"))
    assert "one network" in one_line(mcflow_command("compare", "one.h5"))


def test_a_run_still_going_is_judged_by_its_parts(mcflow_command, tmp_path):
    """A run that was stopped after some parts: the folder of parts is what there is."""
    from mcflow import Case, Study, plan
    from mcflow.files.target import Target, adopt, opened
    from mcflow.running import run
    from mcflow.running.engine import compute
    from mcflow.running.interrupts import Interrupts
    from mcflow.running.progress import Silent

    prepared = plan.prepare(Study([Case(depth=3, width=16)], networks=100), "direct")
    target = Target(tmp_path / "going.h5")
    with opened(target, print) as parts:
        adopt(target, prepared.with_networks(5000), parts)
        compute(prepared, parts, run.Options().workers, Silent(), Interrupts(), None)
    done = mcflow_command("verify", "going.h5")
    assert done.returncode == 0, done.stderr
    assert "100 of 5000" in done.stdout


@pytest.mark.parametrize("verb", ["verify", "compare", "show"])
def test_no_number_of_a_table_is_cut_in_a_pipe_or_a_narrow_terminal(verb, mcflow_command, study):
    done = mcflow_command(verb, study, environment={"COLUMNS": "60"})
    assert done.returncode == 0, done.stderr
    assert "\u2502" in done.stdout
    assert "\u2026" not in done.stdout


def test_list_has_what_options_take(mcflow_command):
    document = json.loads(mcflow_command("list", "--json").stdout)
    assert set(document) == {"schemes", "activations", "quantities", "figures", "reproductions"}
    assert {"scheme": "lecun_normal", "variance of a weight": "1 / fan_in"}.items() <= document["schemes"][2].items()
    listed = mcflow_command("list", "activations").stdout
    assert "max(h, 0)" in listed
    assert "xavier" not in listed
    assert "schemes" in one_line(mcflow_command("list", "shemes"))


def test_help_says_what_a_verb_does(mcflow_command):
    assert mcflow_command("help", "verify").stdout == mcflow_command("verify", "--help").stdout
    assert mcflow_command("help").stdout == mcflow_command("--help").stdout
    assert "verify" in one_line(mcflow_command("help", "verfy"))


def test_files_of_others_are_refused_without_the_words_of_a_library(mcflow_command, study, tmp_path):
    import h5py

    (tmp_path / "cut.h5").write_bytes(study.read_bytes()[:20_000])
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "empty.h5").touch()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    for name, words in {
        "cut": "cut short: 20000 bytes of",
        "text": "no HDF5 file",
        "empty": "no HDF5 file",
        "other": "no mcflow study",
    }.items():
        for verb in ("show", "verify"):
            line = one_line(mcflow_command(verb, f"{name}.h5"))
            assert words in line
            assert not re.search("errno|truncated|signature|unable to|sblock|h5py", line, re.IGNORECASE), line
            assert re.search("give|copy it again", line), line


@pytest.mark.parametrize("name", ["x.csv", "x.toml", "x.H5X", "a.b/x.txt"])
def test_a_study_is_written_under_no_name_of_another_kind(mcflow_command, tmp_path, name):
    assert "name it .h5" in one_line(mcflow_command("run", "--networks", 2, "-o", name))
    with pytest.raises(InputError, match=r"name it \.h5"):
        run(Study(Case(depth=2, width=4), networks=2), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-o", "x.gif"), "unknown kind of picture"),
        (("--dpi", "nan"), "between 10 and 2000"),
        (("--dpi", "1e9"), "between 10 and 2000"),
        (("--size", "nan,3"), "--size"),
        (("--case", "nope"), "no case 'nope'"),
        (("--style", "poster"), "unknown style"),
    ],
)
def test_a_picture_that_cannot_be_is_refused_before_it_is_drawn(mcflow_command, study, options, words):
    assert words in one_line(mcflow_command("plot", study, "--figure", "flow", *options))
