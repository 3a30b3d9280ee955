"""Whole numbers of the Python face: what is none is refused in one sentence, NumPy's are as good as Python's."""

import inspect
import math

import numpy as np
import pytest

import mcflow
from mcflow import Case, InputError, Study, layers, quantities, schemes

SMALL = {"depth": 2, "width": 4}
# Every whole number that a public function takes: a call with it, the least that is right, and one that is right.
TAKEN = {
    "Case.depth": (lambda n: Case(depth=n), 1, 3),
    "Case.depth beside widths": (lambda n: Case(depth=n, width=[4]), 1, 1),
    "Case.width": (lambda n: Case(width=n), 1, 3),
    "Case.width of a layer": (lambda n: Case(width=[n, n]), 1, 3),
    "Case.features": (lambda n: Case(features=n), 1, 3),
    "Case.batch": (lambda n: Case(batch=n), 1, 3),
    "Case.shape": (lambda n: Case(shape=[n]), 1, 3),
    "Case.program_for.features": (lambda n: Case(**SMALL).program_for(n), 1, 3),
    "Study.networks": (lambda n: Study(Case(), networks=n), 1, 3),
    "Study.seed": (lambda n: Study(Case(), seed=n), 0, 3),
    "Study.with_networks.networks": (lambda n: Study(Case()).with_networks(n), 1, 3),
    "default_study.networks": (lambda n: mcflow.default_study(n), 1, 3),
    "default_study.seed": (lambda n: mcflow.default_study(seed=n), 0, 3),
    "draw.seed": (lambda n: mcflow.draw(Case(**SMALL), seed=n), 0, 3),
    "draw.network": (lambda n: mcflow.draw(Case(**SMALL), network=n), 0, 3),
    "run.threads": (lambda n: mcflow.run(Study(Case(**SMALL), networks=2), threads=n), 1, 1),
    "recommend.depth": (lambda n: mcflow.recommend("relu", depth=n, width=4, networks=2), 2, 2),
    "recommend.width": (lambda n: mcflow.recommend("relu", depth=2, width=n, networks=2), 1, 4),
    "recommend.networks": (lambda n: mcflow.recommend("relu", depth=2, width=4, networks=n), 2, 2),
    "layers.dense.units": (lambda n: layers.dense(n), 1, 3),
    "layers.repeat.count": (lambda n: layers.repeat(n, layers.act()), 1, 3),
    "quantities.given.inputs": (lambda n: quantities.given(n, True, [0]), 1, 3),
    "schemes.Scheme.weight_variance": (lambda n: schemes.get("kaiming_normal").weight_variance(n, n, 1.0), 1, 3),
}


def test_every_public_whole_number_stands_in_the_table():
    """A function that takes another one must refuse what is none of these too."""
    for room in (mcflow, layers, mcflow.theory, schemes, quantities):
        own = [name for name, found in vars(room).items() if getattr(found, "__module__", "") == room.__name__]
        for name in getattr(room, "__all__", own):
            function = getattr(room, name)
            if name.startswith("_") or not inspect.isfunction(function):
                continue
            for parameter in inspect.signature(function).parameters.values():
                if "int" in str(parameter.annotation).replace("|", " ").split():
                    assert any(f"{name}.{parameter.name}" in key for key in TAKEN), (name, parameter.name)


@pytest.mark.parametrize("call", [pytest.param(call, id=key) for key, (call, _, _) in TAKEN.items()])
@pytest.mark.parametrize("wrong", [1.5, 2.0, True, "3", math.nan, np.float64(2.0), -1])
def test_what_is_no_whole_number_is_refused_in_one_sentence(call, wrong):
    with pytest.raises(InputError, match=r"must be a whole number.*not|is out of range; it must be|must be a .* not"):
        call(wrong)


@pytest.mark.parametrize(("call", "least"), [pytest.param(c, least, id=key) for key, (c, least, _) in TAKEN.items()])
def test_one_less_than_the_least_is_out_of_range(call, least):
    with pytest.raises(InputError, match="is out of range; it must be"):
        call(least - 1)


@pytest.mark.parametrize(("call", "right"), [pytest.param(c, right, id=key) for key, (c, _, right) in TAKEN.items()])
def test_numbers_of_numpy_are_whole_numbers(call, right):
    found = call(np.uint8(right))
    if isinstance(found, mcflow.Result):
        found.close()


@pytest.mark.parametrize("wrong", ["0.5", True, math.nan, 0.0, 1.0, None])
def test_a_share_is_a_number_between_0_and_1(wrong):
    with mcflow.run(Study(Case(**SMALL), networks=2)) as result:
        for call in (lambda: mcflow.verify(result, alpha=wrong), lambda: mcflow.verify(result, margin=wrong)):
            with pytest.raises(InputError, match="between 0 and 1"):
                call()
    if wrong is not None:
        with pytest.raises(InputError, match="between 0 and 1"):
            mcflow.run(Study(Case(**SMALL), networks=2), until_error=wrong)
