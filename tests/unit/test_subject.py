"""What a page or a picture asks of a study again and again is looked up, or computed, once."""

import numpy as np
import pytest

import mcflow
from mcflow import Case, InputError, Study
from mcflow.answers import allowances, verdicts
from mcflow.answers.subject import Subject
from mcflow.files import kept_rows
from mcflow.files.result import Result
from mcflow.mean_field import magnitude
from mcflow.theory.finite_width import second_moment_law
from mcflow.theory.infinite_width import trajectory

CASES = [Case(scheme, "tanh", depth=3, width=8) for scheme in ("lecun_normal", "xavier_normal", "kaiming_normal")]


@pytest.fixture(scope="module")
def result():
    with mcflow.run(Study(CASES, networks=60), threads=1) as found:
        yield found


def counted(monkeypatch, where, name):
    """Arguments of every call of a function from here on."""
    seen, real = [], getattr(where, name)

    def noted(*arguments, **options):
        seen.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(where, name, noted)
    return seen


def test_a_page_opens_judges_and_predicts_each_case_once(result, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from mcflow.pages import page

    opened = counted(monkeypatch, Result, "__getitem__")
    predicted = counted(monkeypatch, allowances, "predict")
    judged = counted(monkeypatch, verdicts, "rows_of_case")
    page.report(result, tmp_path / "a.html")
    assert [name for _, name in opened] == result.names
    assert len(predicted) == len(judged) == len(CASES)


def test_a_page_says_what_it_does_and_a_note_stays_on_it(result, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from mcflow.pages import page

    said = []
    page.report(result, tmp_path / "a.html", tell=said.append)
    assert [words for words in said if words.startswith("judging")] == [f"judging {name}" for name in result.names]
    assert "drawing zscores" in said
    assert "<strong>still going</strong>" in page.text(Subject(result), "a.h5", "still going")


def test_a_subject_answers_as_its_result_does(result):
    subject = Subject(result)
    assert list(subject) == subject.names == result.names
    name = result.names[1]
    assert subject.case(name) == result.case(name)
    assert np.array_equal(subject.inputs(name), result.inputs(name))
    assert subject[name].identical(result[name])
    assert mcflow.verify(result).record() == subject.once(verdicts.judge).record()
    assert subject.once(verdicts.judge) is subject.once(verdicts.judge)
    with pytest.raises(InputError, match="unknown tier"):
        subject.prediction(name, "exct")


def test_laws_are_computed_for_the_panels_that_are_drawn(monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from mcflow.plots import law

    cases = [Case("kaiming_normal", "relu", depth=2, width=8, gain=1.0 + 0.1 * number) for number in range(6)]
    with mcflow.run(Study(cases, networks=20), threads=1) as result:
        computed = counted(monkeypatch, second_moment_law, "laws")
        assert len(mcflow.plot(result, "law").axes) == law.LARGEST
    assert len(computed) == law.LARGEST


def test_a_ranking_reads_the_two_layers_that_it_compares(result, monkeypatch):
    read = counted(monkeypatch, kept_rows, "values")
    mcflow.compare(result)
    assert read
    assert all(layers.stop - layers.start == 1 for _, _, layers in read)


@pytest.mark.parametrize("case", [CASES[0], Case("kaiming_uniform", "relu", depth=3, width=4, batch=3)])
@pytest.mark.parametrize("drawn", [False, True])
def test_the_moments_of_a_run_are_those_of_the_whole_prediction(case, drawn):
    inputs = np.random.default_rng(3).normal(size=(case.batch, case.features_or_width)) if drawn else None
    whole, moments = trajectory.propagate(case, inputs), trajectory.second_moments(case, inputs)
    assert {name.removesuffix("_log10") for name in moments} == {name for name in whole if "moment" in name} - {
        name for name in whole if name.endswith("_log10")
    } | {"activation_absolute_mean"}
    assert all(np.array_equal(moments[name], whole[name]) for name in moments)


def test_a_zero_at_an_edge_is_not_searched_for(monkeypatch):
    """It is where sixty halvings would end, for nearly every activation there is."""
    from mcflow.activations import registry
    from mcflow.mean_field import moments

    activation = registry.get("tanh")
    evaluated = counted(monkeypatch, magnitude, "values")
    found = moments.moments(activation, 0.731_234_5)
    assert len(evaluated) <= 1
    z, w = np.polynomial.hermite_e.hermegauss(80)
    reference = (w @ np.abs(np.tanh(np.sqrt(0.731_234_5) * z))) / w.sum()
    assert found.size[0] == pytest.approx(reference, rel=1e-2)
    monkeypatch.undo()
    shifted = magnitude.zeros_between(
        activation, np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -1.0, 1.0, 1.0]), 1.0
    )
    assert len(shifted) == 1  # between -2 and -1; the one between -1 and 1 is not beyond
