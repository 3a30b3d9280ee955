"""The keys under which kernels for the GPU are kept: one for each kernel, whosever function is in it."""

import importlib.util
import math
import types

import pytest

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None,
        reason="numba-cuda is not installed: kernels are not put together for a GPU (pip install 'mcflow[cuda]')",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # numba-cuda's own, with NumPy 2.5
]


def kernels():
    """The dispatchers of many cases, by what they are for."""
    from mcflow.kernels.cuda import activations, build

    shapes = [("direct", "normal", 1), ("direct", "uniform", 1), ("direct", "normal", 9), ("direct", "orthogonal", 2)]
    shapes += [("direct", "truncated_normal", 1), ("collapsed", "normal", 1), ("collapsed", "normal", 4)]
    for method, distribution, batch in shapes:
        for backward in (False, True):
            for biases in (False, True):
                for kind in ("relu", "tanh", "gelu"):
                    plan = build.plan_for(method, distribution, biases, batch, backward, [64], [64])
                    code = activations.code_of(kind, 0.0, int(kind == "relu"))
                    yield (*plan[:5], kind), build._assemble(plan, code)


def test_every_kernel_has_a_key_of_its_own(machine):
    import cuda_code

    keys = {}
    for name, kernel in kernels():
        keys[name] = str(kernel._cache.key(cuda_code.signature().args))
    assert len(set(keys.values())) == len(keys)
    for name, kernel in kernels():
        assert str(kernel._cache.key(cuda_code.signature().args)) == keys[name]


def key_of_user(phi, dphi=None):
    import cuda_code
    from mcflow.kernels.cuda import activations, build

    from mcflow.activations.user_functions import as_it_is

    phi, dphi = as_it_is(phi), dphi and as_it_is(dphi)
    plan = build.plan_for("collapsed", "normal", False, 1, True, [64], [64])
    kernel = build._assemble(plan, activations.code_of_user(phi, dphi, 0))
    return str(kernel._cache.key(cuda_code.signature().args))


def phi_with(factor):
    def phi(h):
        return factor * math.tanh(h)

    return phi


def test_users_functions_of_one_name_share_nothing_but_when_they_are_the_same(machine):
    assert key_of_user(phi_with(1.0)) == key_of_user(phi_with(1.0))
    assert key_of_user(phi_with(1.0)) != key_of_user(phi_with(1.0 + 2.0**-52))  # equal to all digits of a probe
    assert key_of_user(phi_with(1.0)) != key_of_user(phi_with(1.0), phi_with(1.0))
    assert key_of_user(phi_with(1.0), phi_with(2.0)) != key_of_user(phi_with(1.0), phi_with(3.0))
    far = "def phi(h): return h if h < {}e6 else 0.0"
    made = []
    for number in (1, 2):  # alike wherever values are probed
        namespace = {}
        exec(far.format(number), namespace)
        made.append(key_of_user(namespace["phi"]))
    assert made[0] != made[1]


def test_a_users_function_of_changing_things_has_no_key(machine):
    from mcflow.kernels.cuda.fingerprint import Unknown

    settings = types.ModuleType("settings")
    settings.factor = 1.0
    namespace = {"settings": settings}
    exec("def phi(h): return settings.factor * h", namespace)
    with pytest.raises(Unknown, match="'settings' may change"):
        key_of_user(namespace["phi"])
