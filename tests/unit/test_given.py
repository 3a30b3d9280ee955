"""An activation given as functions has a name that stays what it is; inputs given as an array are refused."""

import math
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import mcflow
from mcflow import Case, InputError
from mcflow.activations import registry
from mcflow.sampling import cuda


def soft(h):
    return h / (1.0 + abs(h))


def dsoft(h):
    return 1.0 / (1.0 + abs(h)) ** 2


def made(factor, name="own_phi"):
    def phi(h):
        return factor * math.tanh(h)

    phi.__name__ = name
    return phi


@pytest.fixture(autouse=True)
def forgotten():
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


def test_a_function_of_a_module_has_the_name_by_which_it_is_loaded():
    assert Case(activation=soft).activation == f"{__name__}:soft"
    case = Case(activation=(soft, dsoft), depth=2, width=4)
    assert case.activation == f"{__name__}:soft,dsoft"
    registry._registered.clear()  # as in another process
    assert mcflow.Study.from_toml(mcflow.Study(case).to_toml()).cases == (case,)


def test_a_function_of_no_module_has_its_own_name_and_keeps_its_function():
    first = Case(activation=made(1.0))
    assert first.activation == "own_phi"
    assert Case(activation=made(1.0)) == first
    with pytest.raises(InputError, match=r"'own_phi' is another function already.*register\('NAME', phi, dphi\)"):
        Case(activation=made(1.02))
    with pytest.raises(InputError, match="or has another derivative"):
        Case(activation=(made(1.0), lambda h: 1.0 - math.tanh(h) ** 2))
    assert first.nonlinearity.phi(np.array(1.0)) == math.tanh(1.0)


def test_a_function_runs_as_the_registered_one_does():
    registry.register("by_hand", soft, dsoft)
    with mcflow.run(Case(activation=(soft, dsoft), depth=3, width=4)) as given:
        (found,) = (dataset.load() for dataset in given.values())
        assert mcflow.predict(given.case(*given.names)).sizes["layer"] == 3
    with mcflow.run(Case(activation="by_hand", depth=3, width=4)) as by_hand:
        (same,) = by_hand.values()
        assert found["activation_second_moment"].equals(same["activation_second_moment"])


def test_theory_and_recommend_take_functions():
    assert mcflow.theory.expectation(made(1.0), 1.0) == pytest.approx(mcflow.theory.expectation("tanh", 1.0), rel=1e-9)
    assert mcflow.recommend(made(1.0), depth=3, width=4, networks=4).activation == "own_phi"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda h: h, r"a lambda has no name.*register\('mine', phi, dphi\)"),
        (made(1.0, "relu"), "'relu' is built in"),
        (np.tanh, "which cannot be compiled; write it with def"),
        ((soft, dsoft, soft), r"a function phi or a pair of functions \(phi, dphi\)"),
        ((soft, soft), "dphi.*difference quotient"),
        (3, "unknown activation '3'"),
    ],
)
def test_what_cannot_be_an_activation_is_a_sentence(wrong, words):
    with pytest.raises(InputError, match=words):
        Case(activation=wrong)


def by_numpy(h):
    return np.tanh(h) + np.log1p(np.exp(-np.abs(h))) + np.maximum(h, 0.0)


def by_math(h):
    return math.tanh(h) + math.log1p(math.exp(-abs(h))) + max(h, 0.0)


def test_functions_of_numpy_on_one_float_are_compiled_as_those_of_math():
    rows = []
    for phi in (by_numpy, by_math):
        with mcflow.run(Case(activation=phi, depth=3, width=8), device="cpu") as found:
            rows.append(next(iter(found.values()))["activation_second_moment"].values)
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5)


def other(h):
    return math.tanh(h)


def calls_another(h):
    return other(h)


def clips(h):
    return np.clip(h, -1.0, 1.0)


def imports(h):
    from math import tanh

    return tanh(h)


def makes_text(h):
    return float(f"{h}")


@pytest.mark.parametrize(
    ("phi", "reason"),
    [
        (calls_another, "Untyped global name 'other': Cannot determine Numba type of <class 'function'>"),
        (clips, "No implementation of function"),
        (imports, "Use of unsupported opcode"),
        (makes_text, "ValueError: could not convert string to float"),
    ],
)
def test_what_cannot_be_compiled_is_refused_in_one_sentence_with_the_reason(phi, reason):
    said = f"cannot be compiled ({reason}"
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        mcflow.run(Case(activation=phi, depth=2, width=4), device="cpu")
    assert "such functions of NumPy as np.tanh on one float" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_the_gpu_cannot_compile_is_refused_in_one_sentence(monkeypatch):
    """numba-cuda gives a bare KeyError of a function of NumPy that it does not know."""

    def fails(*arguments):
        raise KeyError(np.exp)

    room = types.SimpleNamespace(blocks=1, networks=2)
    launch = types.SimpleNamespace(room_for=lambda *arguments: room, simulate=fails)
    device = types.SimpleNamespace(cuda=types.SimpleNamespace(to_device=lambda values: values))
    monkeypatch.setitem(sys.modules, "mcflow.kernels.cuda", types.SimpleNamespace(launch=launch, _compile=device))
    monkeypatch.setitem(sys.modules, "mcflow.kernels.cuda._compile", device)
    monkeypatch.setattr(cuda, "work_of", lambda *arguments: types.SimpleNamespace(plan=None))
    case = Case(activation=by_numpy, depth=2, width=4)
    with pytest.raises(InputError, match=r"for the GPU \(KeyError: <ufunc 'exp'>\); use arithmetic, if and math"):
        cuda.record(case, np.ones((1, 4)), 0, 0, 2, method="direct", backward=True, plan=None)


@pytest.mark.parametrize("rows", [np.ones((2, 3)), [[1.0, 2.0]], None])
def test_rows_are_saved_and_named(rows):
    with pytest.raises(
        InputError, match=r"inputs is a \w+, .*numpy\.save\('rows\.npy', rows\), then inputs='rows\.npy'"
    ):
        Case(inputs=rows)


def test_a_path_of_inputs_is_taken(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.arange(1.0, 7.0).reshape(2, 3))
    assert Case(inputs=path) == Case(inputs=str(path))


TYPED = """
from pathlib import Path
import mcflow
def phi(h: float) -> float:
    return h
case = mcflow.Case(activation=phi, inputs=Path("rows.npy"), width=[4, 4])
pair = mcflow.Case(activation=(phi, phi))
name: str = case.activation
study = mcflow.Study(case)
several = mcflow.Study([case, pair], networks=10)
cases: tuple[mcflow.Case, ...] = several.cases
mcflow.Study("case")  # wrong
mcflow.Case(depth="3")  # wrong
"""


def test_what_may_be_given_is_typed(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    path = tmp_path / "typed.py"
    path.write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--follow-imports=silent", str(path)]
    checkout = dict(os.environ, MYPYPATH=str(Path(__file__).parents[2]))  # an editable install is hidden from mypy
    done = subprocess.run(command, cwd=tmp_path, env=checkout, capture_output=True, text=True, check=False)
    wrong = [number for number, line in enumerate(TYPED.splitlines(), 1) if line.endswith("# wrong")]
    lines = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    assert lines == wrong, done.stdout


def test_a_study_takes_one_case_or_several():
    case = Case(depth=2, width=4)
    assert mcflow.Study(case) == mcflow.Study([case]) == mcflow.Study(iter([case]))
    for wrong in ("case", 3, ["case"]):
        with pytest.raises(InputError, match=r"a study is made of cases, not \w+; write Study\(\[Case"):
            mcflow.Study(wrong)


def test_a_function_that_changed_through_a_global_is_refused_however_often_it_was_given():
    name = "scaled_by_a_global"
    namespace = {"factor": 1.0, "math": math}
    exec(f"def {name}(h):\n    return math.tanh(factor * h)", namespace)
    for scheme in ("kaiming_normal", "xavier_normal"):
        assert Case(scheme, namespace[name], depth=2, width=4).nonlinearity.scalar[0](1.0) == math.tanh(1.0)
    namespace["factor"] = 3.0
    with pytest.raises(InputError, match="is another function already"):
        Case("kaiming_normal", namespace[name], depth=2, width=4)
