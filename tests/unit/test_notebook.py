"""What notebooks and prompts show of a result and of answers: small tables that carry no name unescaped."""

from html.parser import HTMLParser

import pytest

import mcflow
from mcflow import markup
from mcflow.reproductions.claims import Claim
from mcflow.reproductions.reproduction import Reproduction

NAME = "kaiming_normal-<b>&'\""  # a user's name may hold any sign


class Page(HTMLParser):
    """Tags opened and not closed, and the text of the cells."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.cells = [], set(), []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data


def own(h):
    return h / (1.0 + abs(h))


@pytest.fixture(scope="module")
def result():
    mcflow.activations.register("<b>&'\"", own)
    cases = [mcflow.Case("kaiming_normal", name, depth=3, width=8) for name in ("tanh", "<b>&'\"")]
    with mcflow.run(mcflow.Study(cases, networks=20)) as found:
        yield found
    mcflow.activations.registry._registered.pop("<b>&'\"")


def test_a_result_shows_its_cases(result):
    page = Page(result._repr_html_())
    assert not page.open
    assert "b" not in page.tags
    assert "script" not in page.tags
    assert page.cells[:5] == ["case", "method", "device", "networks", "layers"]
    assert page.cells[5:10] == ["kaiming_normal-tanh", "direct", "cpu", "20 of 20", "3"]
    assert page.cells[10] == NAME


def test_answers_show_themselves(result):
    verification = mcflow.verify(result)
    for answer in (verification, verification.verdicts[1], mcflow.compare(result)):
        html = answer._repr_html_()
        page = Page(html)
        assert not page.open
        assert "b" not in page.tags
        assert NAME in "".join(page.cells) or markup.text(NAME) in html
    assert "consistent" in "".join(Page(verification._repr_html_()).cells)


def test_a_prompt_shows_answers_in_a_few_lines(result):
    verification, comparison = mcflow.verify(result), mcflow.compare(result)
    lines = repr(verification).splitlines()
    assert len(lines) == 2 + len(result)
    assert lines[0] == verification.sentence
    assert lines[3].startswith(f"{NAME}  consistent  consistent with theory: ")
    assert lines[1].index("why") == lines[3].index("consistent with")  # columns stand under each other
    verdict = verification.verdicts[1]
    assert repr(verdict).splitlines() == [f"{NAME}: {verdict.sentence}", *(f"  {line}" for line in verdict.lines)]
    lines = repr(comparison).splitlines()
    assert [line.split("  ")[0] for line in lines if NAME in line] == [NAME]
    assert "tanh: best first" in lines


def test_a_prompt_shows_one_line_of_what_stands_inside_an_answer(result):
    verification, comparison = mcflow.verify(result), mcflow.compare(result)
    drawn = mcflow.draw(mcflow.Case(depth=9, width=8, features=5))
    assert repr(drawn) == "<mcflow.Network of weights 8x5 8x8 8x8 8x8 and 5 more; inputs: 1 of 5 features>"
    mean = next(row for row in verification.tests if row.judged)
    assert repr(mean).startswith(f"<mcflow test {mean.case}, layer {mean.layer}, {mean.quantity} ({mean.statistic}): ")
    assert f"p = {mean.p_adjusted:.2g}" in repr(mean)
    entry = comparison.rankings["tanh"][0]
    for item in (*verification.tests, entry):
        assert repr(item).startswith("<mcflow ")
        assert "\n" not in repr(item)
        assert len(repr(item)) < 260
    assert f"activations {entry.activations.per_layer:.4g} [" in repr(entry)


def test_a_recommendation_shows_weights_reasons_and_code():
    found = mcflow.recommend("relu", depth=4, width=8, networks=4)
    page = Page(found._repr_html_())
    assert not page.open
    assert "kaiming_normal" in page.cells
    assert found.sentence.startswith("relu: weights of standard deviation 1.41421 / sqrt(fan_in)")
    assert markup.text(found.code["torch"]) in found._repr_html_()
    shown = repr(found).splitlines()
    assert shown[0] == found.sentence
    assert f"torch: {found.code['torch']}" in shown
    assert [line.split("  ")[0] for line in shown].count("kaiming_normal") == 1
    assert repr(found.best).startswith("<mcflow candidate kaiming_normal: kaiming_normal, gain 1.41421; predicted ")


def test_a_reproduction_shows_its_verdict_and_its_claims(result):
    claim = Claim("the factor", "equation 3", 1.0, 1.01, 0.02, tolerance=0.05)
    found = Reproduction("he_2015", "ReLU", result, (claim,), None)
    assert repr(found) == f"ReLU: reproduced\n  {claim.sentence()}"
