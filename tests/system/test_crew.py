"""A page and its verdicts are the same whoever shares the work, and whatever becomes of who does."""

import os
import subprocess
import sys
import time

import matplotlib
import pytest

import mcflow
from mcflow.answers import crew
from mcflow.answers.subject import Subject
from mcflow.answers.verdicts import judge
from mcflow.pages import page


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("crew") / "a.h5"
    names = ("relu", "tanh", "identity")
    cases = [
        mcflow.Case(scheme, activation, depth=2, width=8)
        for scheme in ("xavier_normal", "he_normal")
        for activation in names
    ]
    mcflow.run(mcflow.Study(cases, networks=60), path).close()
    return path


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(crew.machine, "cores", lambda: 2)


@pytest.fixture(scope="module")
def alone(study):
    with mcflow.open(study) as result:
        return _told(Subject(result))


def _told(subject):
    """Every test and verdict as text, and the page."""
    return repr(judge(subject).record()), page.text(subject, "a.h5")


@pytest.fixture(scope="module", autouse=True)
def few_figures():
    """The plane of phases is dear, and drawn as the others are."""
    every = dict(page.plots.FIGURES)
    for name in ("phase", "histograms", "law"):
        del page.plots.FIGURES[name]
    yield
    page.plots.FIGURES.update(every)


def test_two_processes_write_the_page_of_one_to_the_byte(study, alone, two_cores, monkeypatch):
    with mcflow.open(study) as result, crew.hired(subject := Subject(result)):
        asked = _counted(subject, monkeypatch)
        assert _told(subject) == alone
    assert len(asked) > 2  # and both did some of it


def _counted(subject, monkeypatch):
    """The answers that came from the other process; this one is slow, so that there are some."""
    answers, ask = [], crew._Child.ask
    monkeypatch.setattr(crew._Child, "ask", lambda self, *task: answers.append(ask(self, *task)) or answers[-1])
    tell = subject.tell
    subject.tell = lambda words: (time.sleep(0.2), tell(words))
    return answers


def test_the_work_of_a_process_that_dies_is_done_all_the_same(study, alone, two_cores):
    with mcflow.open(study) as result, crew.hired(subject := Subject(result)):
        (child,) = subject.crew._children
        child._process.kill()
        assert _told(subject) == alone


@pytest.mark.slow
def test_settings_of_matplotlib_reach_pictures_drawn_elsewhere(study, alone, two_cores, monkeypatch):
    with mcflow.open(study) as result, matplotlib.rc_context({"figure.facecolor": "#654321"}):
        _, text = _told(Subject(result))
        with crew.hired(subject := Subject(result)):
            asked = _counted(subject, monkeypatch)
            assert page.text(subject, "a.h5") == text
    assert any("figure" in str(answer)[:20] for answer in asked)
    assert text != alone[1]


def test_processes_end_with_the_work(study, two_cores):
    def interrupted(subject, found):
        with crew.hired(subject):
            found += subject.crew._children
            raise KeyboardInterrupt

    children = []
    with mcflow.open(study) as result:
        subject = Subject(result)
        with pytest.raises(KeyboardInterrupt):
            interrupted(subject, children)
    assert subject.crew is None
    assert [child._process.poll() is not None for child in children] == [True]


def test_a_process_whose_asker_is_gone_ends(study):
    child = crew._Child(str(study), (os.stat(study).st_dev, os.stat(study).st_ino))
    child._process.stdin.close()
    assert child._process.wait(60) == 0
    child.close()


def test_a_file_that_has_been_replaced_is_not_read_by_others(study):
    child = crew._Child(str(study), (0, 0))
    with pytest.raises(crew._Lost):
        child.ask(page.picture, ("flow", {}, {}))
    child.close()


def test_few_cases_and_results_in_memory_are_judged_by_one_process(study, two_cores):
    small = mcflow.run(mcflow.Study(mcflow.Case(depth=2, width=8), networks=10))
    with small, crew.hired(subject := Subject(small)):
        assert not subject.crew._children


def test_a_page_is_made_by_a_script_without_a_guard(study, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"import mcflow\nprint(mcflow.report({str(study)!r}, {str(tmp_path / 'page.html')!r}))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("page.html") == 1
