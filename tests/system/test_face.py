"""The public functions: what commands do, from Python, and what they say of wrong arguments."""

import collections.abc
import io

import pytest

import mcflow
from mcflow import Case, InputError, Study, plan
from mcflow.cli import call
from mcflow.files.shards import Shard
from mcflow.files.target import Target
from mcflow.running.run import Options, Silent, run_to_file

NAMES = ["kaiming_normal-relu", "kaiming_normal-tanh"]


@pytest.fixture(scope="module")
def result():
    cases = [Case("kaiming_normal", activation, depth=4, width=8, batch=2) for activation in ("relu", "tanh")]
    with mcflow.run(Study(cases, networks=30)) as found:
        yield found


def test_a_result_is_a_mapping(result):
    assert isinstance(result, collections.abc.Mapping)
    assert list(result) == list(result.keys()) == NAMES
    assert [name for name, dataset in result.items() if dataset.sizes["layer"] == 4] == NAMES
    assert len(result.values()) == len(result) == 2
    assert NAMES[0] in result
    assert "other" not in result
    assert result.get("other") is None
    assert result.get(NAMES[0]).equals(result[NAMES[0]])
    with pytest.raises(KeyError):
        result["other"]
    with pytest.raises(InputError, match=r"^no case 'kaiming_normal-rel' in this study; did you mean"):
        result.case("kaiming_normal-rel")


def test_results_are_equal_where_they_are_the_same(result, tmp_path):
    with mcflow.run(Case(depth=2, width=4)) as other, mcflow.run(Case(depth=2, width=4)) as again:
        assert other == other
        assert other != again
        assert len({other, again, other}) == 2


def test_one_result_or_several_are_compared(result):
    alone, both = mcflow.compare(result), mcflow.compare([result, result])
    assert list(alone.rankings) == ["relu", "tanh"]
    assert [len(ranking) for ranking in both.rankings.values()] == [2, 2]
    for wrong in ("a.h5", ["a.h5"]):
        with pytest.raises(InputError, match=r"mcflow\.compare\(mcflow\.open\('a\.h5'\)\)"):
            mcflow.compare(wrong)


def test_cases_of_one_name_are_told_apart_by_their_files(tmp_path, capsys):
    paths = []
    for name, schemes in (("a", ["kaiming_normal"]), ("b", ["kaiming_normal", "xavier_normal"])):
        paths.append(str(tmp_path / f"{name}.h5"))
        cases = [Case(scheme, "relu", depth=3, width=8) for scheme in schemes]
        mcflow.run(Study(cases, networks=10, seed=len(cases)), paths[-1]).close()
    with mcflow.open(paths[0]) as first, mcflow.open(paths[1]) as second:
        found = mcflow.compare([first, second])
        twice = mcflow.compare([first, first])
        assert not any(entry.file for entry in mcflow.compare(first).rankings["relu"])
    labels = {entry.label for entry in found.rankings["relu"]}
    assert labels == {*(f"kaiming_normal-relu ({path})" for path in paths), "xavier_normal-relu"}
    assert {rule.file for rule in found.rules} == set(paths)
    assert {entry.file for entry in twice.rankings["relu"]} == {"result 1", "result 2"}
    assert found.record()["rankings"]["relu"][0]["file"] in {*paths, ""}
    assert call(["compare", *paths]) == 0
    shown = capsys.readouterr().out
    for path in paths:
        assert shown.count(f"kaiming_normal-relu ({path})") == 2  # in the table, and in a sentence
        assert f"Kaiming for relu ({path}): " in shown
        assert path in found._repr_html_()
    assert call(["compare", paths[0]]) == 0
    assert paths[0] not in capsys.readouterr().out


def test_sentences_name_options_as_their_user_knows_them(tmp_path, monkeypatch, capsys):
    """The arguments of Python from Python, the flags of a command from the command line, after one another too."""
    monkeypatch.chdir(tmp_path)
    case = Case(depth=2, width=4)
    mcflow.run(Study(case, networks=2), "a.h5").close()
    for times in range(2):
        with pytest.raises(InputError) as refused:
            mcflow.run(Study(case, networks=2), "a.h5")
        wanted = "a.h5 exists; give resume=True to continue it, overwrite=True to replace it, or another path"
        assert str(refused.value) == wanted, times
        assert call(["run", "--depth", "2", "--width", "4", "-o", "a.h5"]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said == "mcflow: a.h5 exists; give --resume to continue it, --overwrite to replace it, or another -o"
    with pytest.raises(InputError, match=r"is of another study: .*; name another path, or give overwrite=True$"):
        mcflow.run(Study(case, networks=2, seed=5), "a.h5", resume=True)
    with pytest.raises(InputError, match=r"^method='chain' cannot simulate "):
        mcflow.run(Case(activation="tanh", depth=2, width=4), method="chain")
    assert call(["run", "--activation", "tanh", "--method", "chain", "-o", "b.h5"]) == 2
    assert "--method chain cannot simulate" in capsys.readouterr().err


def test_export_writes_a_table_once(result, tmp_path):
    path = tmp_path / "t.csv"
    assert mcflow.export(result, str(path)) == len(path.read_text().splitlines()) - 1
    with pytest.raises(InputError, match="overwrite=True"):
        mcflow.export(result, path)
    assert mcflow.export(result, path, summary=True, overwrite=True) == len(path.read_text().splitlines()) - 1


def test_report_of_a_result_or_a_file(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    result = mcflow.run(Case(depth=2, width=4))
    path = mcflow.report(result, tmp_path / "page.html")
    assert "mcflow run study.toml -o page.h5" in path.read_text()
    assert "--ink" in path.read_text()
    with pytest.raises(InputError, match="in memory"):
        mcflow.report(result)
    result.close()
    with mcflow.run(Case(depth=2, width=4), tmp_path / "a.h5"):
        assert mcflow.report(tmp_path / "a.h5") == tmp_path / "a.html"


def test_shards_are_merged_from_python(tmp_path):
    study = Study([Case(depth=2, width=4)], networks=8)
    for number in range(2):
        target = Target(tmp_path / "shards" / f"{number}.h5")
        run_to_file(plan.prepare(study, device="cpu"), target, Options(shard=Shard(number, 2)), Silent())
    with mcflow.merge(tmp_path / "shards", tmp_path / "whole.h5") as merged, mcflow.run(study) as whole:
        assert merged["kaiming_normal-relu"].equals(whole["kaiming_normal-relu"])
    with pytest.raises(mcflow.Unfinished, match="missing shards: 0/2"):
        mcflow.merge([tmp_path / "shards" / "1.h5"], tmp_path / "half.h5")


def test_reproduce_names_what_there_is():
    with pytest.raises(InputError, match="did you mean 'he_2015'"):
        mcflow.reproduce("he_2016")


def axes(count):
    from matplotlib.figure import Figure

    return Figure().subplots(1, count, squeeze=False)[0]


@pytest.mark.parametrize(
    ("figure", "panels"),
    [("flow", 2), ("histograms", 2), ("correlation", 2), ("participation", 1), ("zscores", 1), ("phase", 1)],
)
def test_a_figure_goes_into_axes_of_one_s_own(result, figure, panels):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    mine = axes(panels)
    drawn = mcflow.plot(result, figure, cases=NAMES[1], ax=mine if panels > 1 else mine[0])
    assert drawn is mine[0].get_figure()
    assert all(each.has_data() for each in mine)
    drawn.savefig(io.BytesIO())
    with pytest.raises(InputError, match=rf"this figure has {panels} panels? for these cases, and ax is {panels + 1};"):
        mcflow.plot(result, figure, cases=[NAMES[1]], ax=axes(panels + 1))
    with pytest.raises(InputError, match="ax is a str, not axes of matplotlib"):
        mcflow.plot(result, figure, cases=[NAMES[1]], ax="here")


def test_plot_draws_the_cases_that_are_named(result):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    titles = lambda drawn: [each.get_title() for each in drawn.axes if each.get_title()]  # noqa: E731
    assert titles(mcflow.plot(result)) == ["relu", "tanh"]
    assert titles(mcflow.plot(result, "flow", cases=NAMES[1])) == ["tanh"]
    with pytest.raises(InputError, match="no case 'tanh'"):
        mcflow.plot(result, "flow", cases=["tanh"])
    with pytest.raises(InputError, match="unknown figure 'flwo'; did you mean 'flow'"):
        mcflow.plot(result, "flwo")
    with pytest.raises(InputError, match="one input"):
        mcflow.plot(result, "law")


def test_verdicts_of_a_picture_are_those_of_the_whole_study(result, monkeypatch):
    """Else who draws the worst case alone would see another verdict than verify gives."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from mcflow.plots import zscores

    seen = []
    judge = zscores.judge
    monkeypatch.setattr(zscores, "judge", lambda given: seen.append(list(given)) or judge(given))
    mcflow.plot(result, "zscores", cases=NAMES[1])
    assert seen == [NAMES]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda result: mcflow.run("study.toml"), r"write Study\.from_file\('study\.toml'\)"),
        (lambda result: mcflow.run(None), "a study is made of cases, not NoneType"),
        (lambda result: mcflow.run(Case(depth=2, width=4), 3), "path = 3 is no path"),
        (lambda result: mcflow.open(None), "path = None is no path"),
        (lambda result: mcflow.predict("relu"), r"predict takes a case, as in mcflow\.predict\(mcflow\.Case"),
        (lambda result: mcflow.draw(None), "draw takes a case"),
        (lambda result: mcflow.verify([result]), "verify takes a result, .* not one of type list"),
        (lambda result: mcflow.verify("a.h5"), r"write mcflow\.verify\(mcflow\.open\('a\.h5'\)\)"),
        (lambda result: mcflow.compare(None), "compare takes a result"),
        (lambda result: mcflow.compare(Study([Case()])), "compare takes a result, .* type Study"),
        (lambda result: mcflow.compare([result, 3]), "compare takes a result"),
        (lambda result: mcflow.plot(None), "plot takes a result"),
        (lambda result: mcflow.plot(result, cases=3), "cases = 3 is no name"),
        (lambda result: mcflow.plot(result, cases=[]), "cases is empty"),
        (lambda result: mcflow.report(None), "report takes a result"),
        (lambda result: mcflow.report(result, 3), "path = 3 is no path"),
        (lambda result: mcflow.export(Study([Case()]), "a.csv"), "export takes a result"),
        (lambda result: mcflow.export(result, None), "path = None is no path"),
        (lambda result: mcflow.merge(None, "a.h5"), "shard = None is no path"),
        (lambda result: mcflow.merge(["a.h5"], None), "path = None is no path"),
        (lambda result: result.inputs("other"), "no case 'other' in this study"),
    ],
)
def test_what_is_of_another_kind_is_a_sentence(call, sentence, result):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(InputError, match=sentence):
        call(result)


def test_cases_may_be_given_as_a_list():
    with mcflow.run([Case(depth=2, width=4)]) as found:
        assert found.names == ["kaiming_normal-relu"]


def test_a_shard_is_opened_with_a_sentence(tmp_path):
    path = tmp_path / "shard.h5"
    prepared = plan.prepare(Study(Case(depth=2, width=4), networks=8), "auto", "cpu")
    run_to_file(prepared, Target(path, False, False), Options(shard=Shard(0, 2)), Silent())
    with pytest.raises(InputError, match="is one shard of a study"):
        mcflow.open(path)
