"""What notebooks show of a result and of answers: small tables that carry no name unescaped."""

from html.parser import HTMLParser

import pytest

import mcflow
from mcflow import markup

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


def test_a_recommendation_shows_weights_reasons_and_code():
    found = mcflow.recommend("relu", depth=4, width=8, networks=4)
    page = Page(found._repr_html_())
    assert not page.open
    assert "kaiming_normal" in page.cells
    assert found.sentence.startswith("relu: weights of standard deviation 1.41421 / sqrt(fan_in)")
    assert markup.text(found.code["torch"]) in found._repr_html_()
