"""A scheme or an activation of one's own is what it computes, not its name: other networks never join a study."""

import math
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import h5py
import numpy as np
import pytest
from conftest import assert_same_bits

import mcflow
from mcflow import plan, plots, schemes
from mcflow.activations import registry, values
from mcflow.answers import allowances, table
from mcflow.errors import InputError
from mcflow.files import atomic
from mcflow.files.seal import difference, seal_of
from mcflow.files.shards import Shard
from mcflow.files.target import Target
from mcflow.layers import act, dense
from mcflow.model import definitions
from mcflow.running import merging, run
from mcflow.running.run import Options

SIZE = {"depth": 3, "width": [6, 10, 8], "features": 7}


@pytest.fixture(autouse=True)
def own_names():
    yield
    schemes._registered.pop("m", None)
    registry._registered.pop("mine", None)


def study(networks=8, scheme="m", activation="tanh"):
    return mcflow.Study([mcflow.Case(scheme, activation, **SIZE)], networks=networks)


def register(law):
    schemes.register("m", law.get("variance", lambda i, o: 1 / i), law.get("distribution", "normal"))


def seal(of=None):
    return seal_of(plan.prepare(of or study(), device="cpu"))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"variance": lambda i, o: 1.02 / i}, "weights of layer 1 standard deviation 0.377964473 there and 0.38172"),
        ({"variance": lambda i, o: 1.02 / i if o == 8 else 1 / i}, "weights of layer 3 standard deviation"),
        ({"distribution": "uniform"}, "draws normal weights there and uniform here"),
    ],
)
def test_another_law_under_a_scheme_s_name_is_another_study(other, words):
    register({})
    there = seal()
    register(other)
    assert words in difference(there, seal())
    register({})
    assert difference(there, seal()) == ""


def test_resume_shards_and_merge_refuse_another_law(tmp_path):
    register({})
    mcflow.run(study(), tmp_path / "a.h5").close()
    shard(tmp_path / "0.h5", 0)
    before = (tmp_path / "a.h5").read_bytes()
    register({"variance": lambda i, o: 1.02 / i})
    with pytest.raises(InputError, match="another study: scheme 'm' gives the weights of layer 1"):
        mcflow.run(study(16), tmp_path / "a.h5", resume=True)
    with pytest.raises(InputError, match="another run: scheme 'm' gives"):
        shard(tmp_path / "0.h5", 0, resume=True)
    shard(tmp_path / "1.h5", 1)
    with pytest.raises(InputError, match="scheme 'm' gives"):
        merging.merge([tmp_path / "0.h5", tmp_path / "1.h5"], tmp_path / "all.h5")
    assert (tmp_path / "a.h5").read_bytes() == before
    assert not (tmp_path / "all.h5").exists()


def shard(path, number, resume=False):
    prepared = plan.prepare(study(), device="cpu")
    run.run_to_file(prepared, Target(path, resume=resume), Options(shard=Shard(number, 2)), run.Silent())


def test_the_same_law_written_otherwise_goes_on(tmp_path):
    register({})
    mcflow.run(study(16), tmp_path / "whole.h5").close()
    mcflow.run(study(8), tmp_path / "a.h5").close()
    schemes.register("m", lambda fan_in, fan_out: fan_in**-1.0)
    mcflow.run(study(16), tmp_path / "a.h5", resume=True).close()
    assert_same_bits(tmp_path / "whole.h5", tmp_path / "a.h5")


def scaled(a):
    return lambda x: math.tanh(a * x)


def with_default(a):
    def phi(x, b=a):
        return math.tanh(b * x)

    return phi


FACTOR = 1.0


def with_global(a):
    global FACTOR
    FACTOR = a
    return lambda x: math.tanh(FACTOR * x)


def step(a):
    """Two levels: an edge that moves between two of the few points at which a fingerprint used to look."""
    return lambda x: 1.0 if x > 0.9 + 0.1 * a else -1.0


@pytest.mark.parametrize("make", [scaled, with_default, with_global, step])
def test_another_activation_under_the_same_name_is_another_study(make):
    registry.register("mine", make(1.0))
    mine = study(activation="mine", scheme="lecun_normal")
    there = seal(mine)
    registry.register("mine", make(1.02))
    assert difference(there, seal(mine)) == "activation 'mine' has other values there than here"
    registry.register("mine", make(1.0))
    assert difference(there, seal(mine)) == ""


def test_answers_refuse_a_result_of_other_functions():
    """Their predictions would be those of another scheme, and the networks be blamed."""
    register({})
    registry.register("mine", scaled(1.0))
    result = mcflow.run(study(activation="mine"))
    assert result.study == study(activation="mine")
    registry.register("mine", scaled(1.02))
    with pytest.raises(InputError, match="the result was made with other functions: activation 'mine'"):
        mcflow.verify(result)
    register({"distribution": "rademacher"})
    with pytest.raises(InputError, match="other functions: scheme 'm' draws normal weights there"):
        mcflow.verify(result)


def test_a_function_is_what_it_was_when_it_was_registered():
    """Kernels compile a global as a constant; theory and the fingerprint must not see another one."""
    registry.register("mine", with_global(1.0))
    before = registry.get("mine").fingerprint()
    with_global(3.0)
    assert registry.get("mine").fingerprint() == before


def test_an_edited_module_is_another_study(tmp_path, mcflow_command):
    module = tmp_path / "own_phi.py"
    arguments = ["run", "--scheme", "lecun_normal", "--activation", "own_phi:phi", "--depth", 2, "--width", 4]
    arguments += ["-o", "a.h5", "--quiet", "--resume", "--networks"]
    module.write_text("A = 1.0\ndef phi(x):\n    return A * x / (1.0 + abs(x))\n")
    assert mcflow_command(*arguments, 4).returncode == 0
    module.write_text("A = 1.02\ndef phi(x):\n    return A * x / (1.0 + abs(x))\n")
    done = mcflow_command(*arguments, 8)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "activation 'own_phi:phi' has other values" in done.stderr


def register_on_a_worker(factor, distribution):
    schemes.register("m", lambda i, o: factor / i, distribution)


@pytest.mark.parametrize(
    ("initializer", "arguments", "words"),
    [
        (None, (), "unknown scheme 'm'.*registered in Python are not sent"),
        (register_on_a_worker, (1.02, "normal"), "standard deviation .* there and .* here"),
        (register_on_a_worker, (1.0, "uniform"), "draws uniform weights there and normal here"),
    ],
)
def test_a_worker_with_another_law_or_none_is_refused(tmp_path, initializer, arguments, words):
    register({})
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=context, initializer=initializer, initargs=arguments) as pool,
        pytest.raises(InputError, match=words),
    ):
        mcflow.run(study(), tmp_path / "a.h5", executor=pool)


def test_a_prediction_follows_the_scheme_that_is_registered_now():
    inputs = np.ones((1, 7))

    def predicted():
        found = allowances.predict(study().cases[0], inputs, "infinite-width")
        return found.of["preactivation_second_moment"].mean[0]

    register({})
    assert predicted() == pytest.approx(1.0)
    register({"variance": lambda i, o: 9 / i})
    assert predicted() == pytest.approx(9.0)


def test_a_file_of_the_format_before_opens_and_is_not_continued(tmp_path):
    """Its networks have other bits, and shares of units another definition."""
    path = tmp_path / "a.h5"
    mcflow.run(study(8, "kaiming_normal", "relu"), path).close()
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = "1.0"
    resign(path)
    with mcflow.open(path) as result:
        assert result.study == study(8, "kaiming_normal", "relu")
    with pytest.raises(InputError, match=r"its format is 1\.0"):
        mcflow.run(study(16, "kaiming_normal", "relu"), path, resume=True)


def test_a_file_without_the_later_quantities_opens_and_is_judged_and_is_not_continued(tmp_path):
    """Format 1.1 had no mean |x|, participation ratio or cosine of gradients."""
    path, case = tmp_path / "a.h5", mcflow.Case("kaiming_normal", "tanh", depth=3, width=16, batch=2)
    mcflow.run(mcflow.Study([case], 60, 3), path).close()
    later = ("activation_absolute_mean", "participation_ratio", "gradient_correlation")
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = "1.1"
        (name,) = file.attrs["cases"]
        for group in (file[name], file[name]["summary"]):
            for dataset in [dataset for dataset in group if dataset.startswith(later)]:
                del group[dataset]
    resign(path)
    with mcflow.open(path) as result:
        assert not [name for name in result[result.names[0]] if str(name).startswith(later)]
        found = mcflow.verify(result)
        assert found.verdicts[0].consistent
        assert not {row.quantity for row in found.tests} & set(later)
        assert {row.quantity for row in found.tests} >= {"activation_mean", "gradient_second_moment"}
        assert plots.plot(result, "correlation").axes
        with pytest.raises(InputError, match=r"files of format 1\.1"):
            plots.plot(result, "participation")
        table.export(result, tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"its format is 1\.1"):
        mcflow.run(mcflow.Study([case], 90, 3), path, resume=True)


def resign(path):
    """Put the digest of the changed bytes behind them."""
    size = path.stat().st_size - atomic.TRAILER_SIZE
    digest = atomic.digest(path, size)
    with path.open("r+b") as file:
        file.truncate(size)
        file.seek(size)
        file.write(atomic.trailer(digest))


def test_kinks_are_no_part_of_a_definition():
    """They steer quadrature alone: the networks are the same."""
    registry.register("mine", lambda x: max(x, 0.0))
    mine = study(8, "lecun_normal", "mine")
    there = seal(mine)
    registry.register("mine", lambda x: max(x, 0.0), kinks=(0.0,))
    assert difference(there, seal(mine)) == ""


def test_a_formula_without_a_value_at_a_point_has_a_fingerprint():
    registry.register("mine", lambda x: x / (1.0 + abs(x)))
    first = definitions.values_sha256(registry.get("mine"))
    probe = values.PROBES[100]
    registry.register("mine", lambda x: x / (1.0 + abs(x)) if x != probe else 1.0 / (x - probe))
    assert definitions.values_sha256(registry.get("mine")) != first


def test_another_content_of_the_inputs_file_is_another_study(tmp_path):
    path = tmp_path / "a.csv"
    case = mcflow.Case("lecun_normal", "tanh", depth=2, width=4, inputs=str(path), batch=2)
    path.write_text("1,2\n3,4\n5,6\n")
    there = seal(mcflow.Study([case]))
    path.write_text("1;2\n3;4\n7;8\n")  # other marks, and another row that is not used
    assert difference(there, seal(mcflow.Study([case]))) == ""
    path.write_text("1,2\n3,4.04\n")
    assert "inputs' values differ" in difference(there, seal(mcflow.Study([case])))


def test_a_registered_scheme_of_one_layer_is_named_where_it_became_another(tmp_path):
    schemes.register("of_a_layer", lambda fan_in, fan_out: 1.0 / fan_in)
    layers = [dense(8), act(), dense(8, scheme="of_a_layer"), act()]
    case = mcflow.Case("lecun_normal", "tanh", layers=layers, shape=(8,))
    mcflow.run(mcflow.Study([case], networks=20), tmp_path / "a.h5").close()
    schemes.register("of_a_layer", lambda fan_in, fan_out: 1.1 / fan_in)
    with pytest.raises(mcflow.InputError, match=r"of_a_layer.* gives the weights of layer 2 standard deviation"):
        mcflow.run(mcflow.Study([case], networks=40), tmp_path / "a.h5", resume=True)


def test_a_file_of_a_function_that_is_not_here_says_what_to_do(tmp_path):
    path = tmp_path / "a.h5"
    code = f"""
import mcflow
def soft(h):
    return h / (1 + abs(h))
mcflow.run(mcflow.Study([mcflow.Case("lecun_normal", soft, depth=2, width=4)], networks=8), {str(path)!r}).close()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with mcflow.open(path) as result, pytest.raises(mcflow.InputError, match="had registered: register it here too"):
        _ = result.study
