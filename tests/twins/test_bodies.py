"""Bodies compiled for the processor give what the same plain Python gives, but for fused multiply-adds."""

import types

import numpy as np
import pytest
from compiled import entry
from mcflow.kernels.body import activations, elementary, normal, rng, weights
from mcflow.kernels.cpu import bodies

GENERATOR = np.random.default_rng(20)
SIGNED = np.concatenate(
    [np.linspace(-9, 9, 101), np.geomspace(1e-30, 80, 40), -np.geomspace(1e-30, 80, 40), [0.0, -0.0]]
).astype(np.float32)
UNIT = np.linspace(0, 1, 101).astype(np.float32)
WORDS = [0, 1, 2, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, *GENERATOR.integers(0, 1 << 32, 100).tolist()]


def functions_of(module):
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__
    }


def assert_twins(compiled, plain, arguments, tolerance=2e-6, least=1e-3):
    """Both give the same float32, relative to ``tolerance`` of the larger of the value and ``least``."""
    for argument in arguments:
        with np.errstate(all="ignore"):
            found, truth = np.atleast_1d(compiled(*argument)), np.atleast_1d(plain(*argument))
            close = np.abs(found - truth) <= tolerance * np.maximum(np.abs(truth), least)
        assert (close | (found == truth)).all(), f"{argument}: {found} is not {truth}"


@pytest.mark.parametrize("name", sorted(set(functions_of(activations)) - {"_logistic"}))
def test_activation_is_its_own_twin(name):
    pairs = [(h, np.float32(0.7)) for h in SIGNED]
    assert_twins(entry(getattr(bodies.nonlinearities, name)), getattr(activations, name), pairs)


def test_every_plain_body_returns_float32_alone():
    """A float64 constant in a body would double its cost on either device."""
    for name, function in functions_of(activations).items():
        if name.startswith("_"):
            continue
        with np.errstate(all="ignore"):
            kinds = {type(value) for h in (-2.0, 0.5, 3.0) for value in function(np.float32(h), np.float32(0.7))}
        assert kinds == {np.float32}, name


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("exp", SIGNED),
        ("exp_and_expm1", SIGNED),
        ("tanh", SIGNED),
        ("erf", SIGNED),
        ("sincos", SIGNED),
        ("erfcx", UNIT * 14),
        ("log1p_unit", UNIT),
        ("square_root", UNIT),
        ("absolute", SIGNED),
    ],
)
def test_elementary_function_is_its_own_twin(name, points):
    assert_twins(entry(getattr(bodies.scalars, name)), getattr(elementary, name), [(x,) for x in points])


@pytest.mark.parametrize(
    ("module", "name"), [(normal, "normal_pair"), (weights, "uniform_pair"), (weights, "truncated_pair")]
)
def test_pair_of_numbers_is_its_own_twin(module, name):
    words = [(np.uint32(a), np.uint32(b)) for a, b in zip(WORDS, WORDS[::-1], strict=True)]
    assert_twins(entry(getattr(bodies.scalars, name)), getattr(module, name), words, tolerance=1e-6, least=1.0)


def test_sign_is_its_own_twin_to_the_bit():
    for word in WORDS:
        for bit in (0, 1, 30, 31):
            found = entry(bodies.sign_weight)(np.uint32(word), bit)
            assert found == weights.sign_weight(np.uint32(word), bit) == (-1.0 if word << bit & 0x80000000 else 1.0)


def test_random_words_are_their_own_twins_to_the_bit():
    for _ in range(50):
        address = [np.uint64(word) for word in GENERATOR.integers(0, 1 << 32, 6)]
        assert [int(w) for w in entry(bodies.philox)(*address)] == [int(w) for w in rng.philox(*address)]


@pytest.mark.parametrize("words", [(0, 0), (0, 0x80000000), (0xFFFFFFFF, 0), (0xFFFFFFFF, 0x7FFFFFFF), (1, 0x40000000)])
def test_extreme_words_give_finite_numbers_inside_the_stated_bounds(words):
    words = tuple(np.uint32(word) for word in words)
    assert max(abs(z) for z in entry(bodies.normal_pair)(*words)) < 6.67
    assert max(abs(z) for z in entry(bodies.truncated_pair)(*words)) <= np.float32(2.27374)
    assert max(abs(z) for z in entry(bodies.uniform_pair)(*words)) <= np.float32(np.sqrt(3.0))
