"""Pictures say what they show, how much of it, and keep what their reader has set."""

from __future__ import annotations

import matplotlib.figure
import pytest

import mcflow
from mcflow.cli import plot as verb
from mcflow.errors import InputError, UnknownCase
from mcflow.plots import caption, style


@pytest.fixture(scope="module")
def result():
    cases = [mcflow.Case("lecun_normal", name, depth=3, width=8) for name in ("tanh", "relu", "elu", "gelu", "erf")]
    with mcflow.run(mcflow.Study(cases, networks=20)) as found:
        yield found


def below(figure):
    return " ".join(figure.get_supxlabel().split())


def test_a_picture_says_which_networks_it_shows_and_how_many_cases_of_how_many(result):
    said = below(mcflow.plot(result, "flow"))
    assert said.startswith("width 8, depth 3; 1 gaussian input; 20 networks a case; lines: means over networks")
    assert "4 of 5 activations: choose with case" in said
    assert "of 5" not in below(mcflow.plot(result, "flow", cases="lecun_normal-tanh"))


def test_a_caption_opens_no_case(result, monkeypatch):
    from mcflow.answers.subject import Subject

    monkeypatch.setattr(Subject, "__getitem__", lambda self, name: pytest.fail(f"{name} was opened"))
    assert "20 networks a case" in caption.of_study(Subject(result), result.names)


def test_axes_of_somebody_else_get_no_caption(result):
    figure = matplotlib.figure.Figure()
    axes = figure.subplots(1, 2)
    mcflow.plot(result, "flow", cases="lecun_normal-tanh", ax=axes)
    assert below(figure) == ""


def test_what_is_set_stays_set():
    with matplotlib.rc_context({"lines.linewidth": 7.0}), style.applied():
        assert matplotlib.rcParams["lines.linewidth"] == 7.0
        assert matplotlib.rcParams["axes.titlesize"] == style.SETTINGS["axes.titlesize"]
    with style.look("slides"), style.applied():
        assert matplotlib.rcParams["font.size"] == style.LOOKS["slides"]["font.size"]


def test_cases_are_chosen_by_name_or_pattern():
    names = ["a-relu", "a-tanh", "b-relu"]
    assert verb._chosen(names, ()) is None
    assert verb._chosen(names, ("b-relu", "*-tanh")) == ["a-tanh", "b-relu"]
    with pytest.raises(UnknownCase, match="a-relu"):
        verb._chosen(names, ("a-rel",))


def test_a_size_is_two_numbers_of_inches():
    assert verb._inches("8,4.5") == verb._inches("8x4.5") == (8.0, 4.5)
    assert verb._inches(None) is None
    for text in ("8", "8,4,2", "a,b", "0,3", "nan,3"):
        with pytest.raises(InputError, match="--size"):
            verb._inches(text)
