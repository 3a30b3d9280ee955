"""The fingerprint of code: equal where nothing that a compiler sees differs, unequal where anything does."""

import ast
import math
import subprocess
import sys
import types

import numpy as np
import pytest
from mcflow.kernels.cuda import kernel_files
from mcflow.kernels.cuda.fingerprint import Unknown, fingerprint


def of(function, **names):
    """The fingerprint of a function whose globals are ``names`` too; functions marked ``inner`` count as compiled."""
    copy = types.FunctionType(
        function.__code__, {**function.__globals__, **names}, "f", function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return fingerprint(copy, lambda value: value if getattr(value, "inner", False) is True else None)


def made(text, **names):
    """The function f that a text defines, whose globals are ``names``."""
    namespace = {"math": math, "np": np, **names}
    exec(compile(text, "<text>", "exec"), namespace)
    return namespace["f"]


def plain(h):
    return FACTOR * math.tanh(h)  # noqa: F821


def times(factor):
    return lambda h: factor * h


def test_equal_functions_from_other_places_are_one():
    one = made("def f(h):\n    return 2.0 * math.sin(h)")
    other = made("\n\n\ndef f(h):\n    return 2.0 * math.sin(h)", unread=7)
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(h): return h * 2.0", "def f(h): return h * 3.0"),
        ("def f(h): return h * 2.0", "def f(h): return h * 2"),
        ("def f(h): return h + 0.0", "def f(h): return h + -0.0"),
        ("def f(h): return h + 1", "def f(h): return h + True"),
        ("def f(h): return h + h", "def f(h): return h - h"),
        ("def f(h): return math.sin(h)", "def f(h): return math.cos(h)"),
        ("def f(h): return math.sin(h)", "def f(h): return np.sin(h)"),
        ("def f(h, a=1.0): return a * h", "def f(h, a=2.0): return a * h"),
        ("def f(h, *, a=1.0): return a * h", "def f(h, *, a=2.0): return a * h"),
        ("def f(h): return 1.0 if h in {1, 2} else 0.0", "def f(h): return 1.0 if h in {1, 3} else 0.0"),
        (
            "def f(h):\n    def g(x): return x + 1\n    return g(h)",
            "def f(h):\n    def g(x): return x + 2\n    return g(h)",
        ),
    ],
)
def test_what_the_text_changes_is_seen(one, other):
    assert of(made(one)) != of(made(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, 1.0 + 2.0**-52),
        (1.0, 1),
        (0.0, -0.0),
        (1, True),
        (np.float32(1.0), np.float64(1.0)),
        (np.float32(1.0), np.float32(1.0 + 2.0**-23)),
        ((1, 2), (1, 3)),
        ((1, (2,)), (1, 2)),
        ("1", 1),
        (slice(1, 2), slice(1, 3)),
        (slice(1, 2), (1, 2, None)),
        (math.sin, math.cos),
        (np.float32, np.float64),
    ],
)
def test_what_a_global_or_a_closure_holds_is_seen(one, other):
    assert of(plain, FACTOR=one) == of(plain, FACTOR=one)
    assert of(plain, FACTOR=one) != of(plain, FACTOR=other)
    assert of(times(one)) == of(times(one))
    assert of(times(one)) != of(times(other))


def test_what_a_compiled_function_reads_is_seen():
    def with_factor(factor):
        inner = made("def f(h): return FACTOR * h", FACTOR=factor)
        inner.inner = True
        return made("def f(h): return inner(h) + inner(h)", inner=inner)

    assert of(with_factor(2.0)) == of(with_factor(2.0))
    assert of(with_factor(2.0)) != of(with_factor(3.0))


def test_functions_that_call_each_other_come_to_an_end():
    even = made("def f(n): return n == 0 or odd(n - 1)")
    odd = made("def f(n): return n != 0 and even(n - 1)", even=even)
    even.__globals__["odd"] = odd
    even.inner = odd.inner = True
    assert of(even) == of(even)
    assert of(even) != of(odd)


def test_a_users_own_module_array_function_or_object_has_no_fingerprint():
    settings = types.ModuleType("settings")
    settings.factor = 2.0
    false_math = types.ModuleType("math")  # a name is not enough
    wrapped = types.FunctionType(plain.__code__, {}, "sin")
    wrapped.__module__, wrapped.__qualname__ = "math", "sin"
    for value in (settings, false_math, np.ones(3), [1, 2], {}, plain, wrapped, object(), type("Mine", (), {})):
        with pytest.raises(Unknown, match="may change"):
            of(plain, FACTOR=value)


def test_what_the_kernels_own_modules_hold_goes_by_name_and_a_copy_of_it_by_nothing():
    ours = kernel_files.read
    copy = types.FunctionType(ours.__code__, {}, ours.__name__)
    copy.__module__, copy.__qualname__ = ours.__module__, ours.__qualname__
    assert of(plain, FACTOR=ours) != of(plain, FACTOR=kernel_files.write)
    with pytest.raises(Unknown, match="'read' may change"):
        of(plain, FACTOR=copy)


def test_it_is_the_same_in_every_process():
    code = (
        "import math, sys; from mcflow.kernels.cuda.fingerprint import fingerprint\n"
        "def f(h): return math.sin(h) if h in {'a', 'b', 'c', 'd'} else sys_free\n"
        "sys_free = 2.5\n"
        "print([fingerprint(f, lambda value: None)])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in (1, 2, 3)
    ]  # fmt: skip
    assert len(set(said)) == 1
    assert len(ast.literal_eval(said[0])[0]) == 64
