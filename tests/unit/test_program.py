"""Layers lowered to a program: what they say, what they refuse, and that the dense stack is one of them."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import mcflow
from mcflow import Case, Study, schemes
from mcflow import open as open_result
from mcflow.cli import call
from mcflow.errors import InputError
from mcflow.layers import act, dense, repeat
from mcflow.model import listing
from mcflow.model.ops import ELEMENTWISE, KINDS, LINEAR, Fans

OWN = [dense(24, scheme="lecun_normal", gain=1.2), act(), repeat(3, [dense(16, bias_std=0.2), act("relu")])]


def test_the_program_of_a_dense_stack_lists_two_ops_a_layer():
    program = mcflow.Case().program
    assert [op.kind for op in program] == [LINEAR, ELEMENTWISE] * 30
    assert len(program) == 2 * mcflow.Case().depth
    assert set(KINDS) == {op.kind for op in program}


def test_ops_hand_on_shapes_and_buffers_and_only_linear_ones_hold_weights():
    program = mcflow.Case(width=[7, 5, 9], features=4).program
    for op, after in zip(program.ops, program.ops[1:], strict=False):
        assert op.after == after.before
        assert (op.destination,) == after.source
        assert op.destination not in op.source
    assert all((op.weights is None) == (op.kind != LINEAR) for op in program)
    assert program.matrices == ((7, 4), (5, 7), (9, 5))
    assert [weights.role for weights in program.weights] == ["stem", "hidden", "head"]
    assert (program.weight_count, program.units, program.widest) == (28 + 35 + 45, 21, 9)


def test_sizes_and_variances_are_those_of_the_scheme():
    program = mcflow.Case("xavier_normal", "tanh", width=[7, 5], gain=2.0, bias_std=0.5).program_for(4)
    np.testing.assert_array_equal(program.fan_in, [4, 7])
    np.testing.assert_array_equal(program.fan_out, [7, 5])
    np.testing.assert_allclose(program.weight_variance, [4 * 2 / 11, 4 * 2 / 12], rtol=1e-15)
    np.testing.assert_array_equal(program.bias_std, [0.5, 0.5])


def test_layers_that_are_a_dense_stack_are_the_case_of_that_width_and_depth():
    short = mcflow.Case("lecun_normal", "tanh", width=[8, 6, 6], features=5)
    long = mcflow.Case("lecun_normal", "tanh", shape=(5,), layers=[dense(8), act("tanh"), repeat(2, [dense(6), act()])])
    assert long == short
    assert mcflow.Study([long]).identity() == mcflow.Study([short]).identity()


def test_fields_that_nobody_uses_leave_the_identity_of_a_study_as_it_was():
    assert mcflow.Study([mcflow.Case()]).identity().startswith("87e0d4b9b6ca20c6")


def test_a_layer_has_its_own_scheme_gain_and_biases():
    case = mcflow.Case("kaiming_normal", "relu", shape=[10], layers=OWN)
    weights = case.program.weights
    names = [op.name for op in case.program if op.weights]
    assert names == ["dense1", "repeat1.dense1", "repeat2.dense1", "repeat3.dense1"]
    assert weights[0].variance == pytest.approx(1.44 / 10)
    assert [item.variance for item in weights[1:]] == [pytest.approx(2 / n) for n in (24, 16, 16)]
    assert case.program.bias_std.tolist() == pytest.approx([0.0, 0.2, 0.2, 0.2])


def test_a_layer_of_another_scheme_has_its_variance_and_its_textbook_gain():
    layers = [dense(6, scheme="xavier_normal"), act(), dense(6, scheme="lecun_normal"), act(), dense(6), act()]
    program = mcflow.Case("kaiming_normal", "relu", shape=[10], layers=layers).program
    np.testing.assert_allclose(program.weight_variance, [2 / 16, 1 / 6, 2 / 6], rtol=1e-15)


def test_layers_survive_toml_and_pickle():
    study = mcflow.Study([mcflow.Case(shape=[10], layers=OWN)], networks=3)
    assert mcflow.Study.from_toml(study.to_toml()) == study
    assert pickle.loads(pickle.dumps(study)) == study
    assert pickle.loads(pickle.dumps(study.cases[0].program)) == study.cases[0].program


def test_toml_says_what_python_says():
    text = """
    [[case]]
    scheme = "kaiming_normal"
    activation = "relu"
    shape = [10]
    layers = [
      {dense = 24, scheme = "lecun_normal", gain = 1.2}, "act",
      {repeat = 3, layers = [{dense = 16, bias_std = 0.2}, {act = "relu"}]},
    ]
    """
    assert mcflow.Study.from_toml(text).cases == (mcflow.Case(shape=[10], layers=OWN),)


def test_cases_of_other_layers_have_other_names_and_identities():
    cases = [mcflow.Case(shape=[6], layers=[dense(6, gain=gain), act()] * 2) for gain in (1.0, 1.5)]
    study = mcflow.Study(cases)
    assert len(set(study.names)) == 2
    assert len({mcflow.Study([case]).identity() for case in cases}) == 2


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([dense(4)], "the last dense has none"),
        ([dense(4), act(), dense(4)], "the last dense has none"),
        ([act()], "act1 follows no dense"),
        ([dense(4), dense(4), act()], "dense2 follows no act"),
        ([dense(4), act("tanh")], "one network has one activation"),
        ([dense(4, scheme="xavier_uniform"), act()], "one network has one distribution"),
        ([{"dens": 4}, "act"], "did you mean 'dense'"),
        ([{"dense": 4, "gian": 1.0}, "act"], "unknown option 'gian'"),
        (["dense", "act"], "says nothing of its size"),
        ([3], "is no layer"),
        ("act", "must be a list"),
        ([], "is empty"),
        ([{"repeat": 3}], "repeat has no layers"),
        ([repeat(70_000, [dense(1), act()])], "at most 65535"),
        ([{"dense": 0}, "act"], "at least 1"),
        ([{"dense": 4, "gain": -1}, "act"], "a positive number"),
    ],
)
def test_layers_that_cannot_be_run_are_refused_in_a_sentence(layers, words):
    with pytest.raises(InputError, match=words):
        mcflow.Case(layers=layers)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"width": 12}, "leave width and depth out"),
        ({"depth": 7}, "leave width and depth out"),
        ({"shape": [3, 32, 32]}, "features alone"),
        ({"shape": [5], "features": 6}, "differ"),
        ({"gain": "critical"}, "solved for all layers at once"),
    ],
)
def test_what_contradicts_the_layers_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        mcflow.Case(**{"layers": [dense(4, gain=1.1), act()] * 2, **fields})


def test_uniform_and_normal_biases_in_one_network_are_refused():
    mixed = [dense(4), act(), dense(4, bias_std=0.1), act()]
    with pytest.raises(InputError, match="give each a bias_std"):
        mcflow.Case("torch_default", layers=mixed)
    assert mcflow.Case(
        "torch_default", layers=[dense(4), act(), dense(4, bias_std=0), act()]
    ).program.biases_are_uniform


def test_a_scheme_that_is_registered_anew_is_lowered_anew():
    case = mcflow.Case(schemes.register("mine", lambda i, o: 1.0 / i).name, width=[4, 4])
    try:
        assert case.program.weight_variance.tolist() == [0.25, 0.25]
        schemes.register("mine", lambda i, o: 2.0 / i)
        assert case.program.weight_variance.tolist() == [0.5, 0.5]
    finally:
        schemes._registered.pop("mine")


@pytest.mark.parametrize("method", ["direct", "collapsed"])
def test_layers_of_their_own_run_as_theory_says(method):
    layers = [dense(24, gain=1.5), act(), dense(48, scheme="lecun_normal"), act(), dense(32, bias_std=0.7), act()]
    case = mcflow.Case("kaiming_normal", "relu", shape=[16], layers=layers)
    result = mcflow.run(mcflow.Study([case], 4000, seed=5), method=method)
    rows = mcflow.verify(result)
    assert all(rows.consistent.values())
    drawn = result.draw("kaiming_normal-relu", 3)
    assert [w.shape for w in drawn.weights] == [(24, 16), (48, 24), (32, 48)]
    assert not drawn.biases[1].any()
    assert drawn.biases[2].std() == pytest.approx(0.7, rel=0.5)
    x = drawn.inputs.T
    for layer, (w, b) in enumerate(zip(drawn.weights, drawn.biases, strict=True)):
        h = w @ x + b[:, None]
        x = np.maximum(h, 0.0)
        found = result["kaiming_normal-relu"]["preactivation_second_moment"].values[3, layer]
        assert found == pytest.approx(np.mean(h**2), rel=1e-4)


def test_a_wrong_gain_in_one_layer_is_noticed():
    def layers(gain):
        return [dense(64), act(), dense(64, gain=gain), act(), dense(64), act()]

    case, wrong = (mcflow.Case("kaiming_normal", "relu", shape=[16], layers=layers(gain)) for gain in (1.4, 1.4 * 1.02))
    result = mcflow.run(mcflow.Study([case], 20_000, seed=5), method="collapsed")
    measured = result["kaiming_normal-relu"]["preactivation_second_moment"]
    error = measured.std("network").values / np.sqrt(20_000)
    expected = [mcflow.predict(each, result.inputs("kaiming_normal-relu")) for each in (case, wrong)]
    z = [(measured.mean("network").values - each["preactivation_second_moment"].values) / error for each in expected]
    assert np.abs(z[0]).max() < 5
    assert np.abs(z[1][:1]).max() < 5
    assert np.abs(z[1][1:]).max() > 5


def test_layers_with_options_that_repeat_the_case_give_the_bits_of_the_short_form():
    short = mcflow.Case("lecun_normal", "tanh", width=[12, 8], features=6, bias_std=0.3)
    said = [dense(12, gain=1.0, bias_std=0.3), act(), dense(8, scheme="lecun_normal", gain=1.0), act()]
    long = mcflow.Case("lecun_normal", "tanh", shape=[6], layers=said, bias_std=0.3)
    assert long.layers is not None
    a, b = (mcflow.run(mcflow.Study([case], 20))["lecun_normal-tanh"] for case in (short, long))
    for name in a.data_vars:
        assert a[name].values.tobytes() == b[name].values.tobytes(), name


def test_a_printed_program_has_a_line_for_each_op_and_eighty_columns():
    text = repr(mcflow.Case("kaiming_normal", "relu", shape=[10], layers=OWN).program).splitlines()
    assert len(text) == 1 + 8
    assert max(map(len, text)) <= 80
    assert text[1].split() == ["1", "dense1", "linear", "24", "10,24", "stem", "240", "0.379"]
    assert text[3].split() == ["3", "repeat1.dense1", "linear", "16", "24,16", "hidden", "400", "0.289", "0.2"]
    assert text[4].split() == ["4", "repeat1.act1", "relu", "16"]


def test_fans_that_a_framework_takes_otherwise_stand_beside_the_true_ones():
    op = mcflow.Case(width=[8], features=6).program.ops[0]
    other = op._replace(weights=op.weights._replace(stated=Fans(6, 32)))
    assert "6,8 (stated 6,32)" in listing.text([other])
    assert "stated" not in listing.text([op])


STUDY = """
networks = 4
[[case]]
scheme = "lecun_normal"
activation = "relu"
shape = [12]
layers = [{dense = 16, gain = 1.4}, "act", {repeat = 2, layers = [{dense = 8}, "act"]}]
"""


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--program", "--check"], "--program and --check are different things to show; give one of them"),
        (["--program", "--follow"], "--program and --follow are different things to show"),
        (["--follow", "--check"], "--follow and --check are different things to show"),
        (["--follow", "--json"], "--follow renders a study while it runs"),
        ([], "study.toml is a study; give --program to see its layers, or run it: mcflow run study.toml"),
        (["--check"], "study.toml is a study; give --program to see its layers, or run it"),
        (["--follow"], "study.toml is a study; give --program to see its layers, or run it"),
    ],
)
def test_show_refuses_what_it_would_not_do(flags, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(Study(Case(depth=2, width=4)).to_toml())
    assert call(["show", *flags, "study.toml"]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("verb", ["verify", "compare", "plot", "report", "export"])
def test_the_text_of_a_study_is_told_from_what_its_run_gave(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(Study(Case(depth=2, width=4)).to_toml())
    assert call([verb, "study.toml", *(["-o", "a.csv"] if verb == "export" else [])]) == 2
    assert "study.toml is a study that has not run; run it (mcflow run study.toml) and" in capsys.readouterr().err
    with pytest.raises(InputError, match="is a study that has not run"):
        open_result("study.toml")


def test_show_prints_the_program_of_a_study_and_of_its_file(mcflow_command, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    done = mcflow_command("run", "study.toml", "-o", "study.h5", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    of_study, of_file = (mcflow_command("show", "--program", name, cwd=tmp_path) for name in ("study.toml", "study.h5"))
    assert of_study.stdout == of_file.stdout
    lines = of_file.stdout.splitlines()
    assert lines[0] == "lecun_normal-relu: 6 ops on 12 features"
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["1", "dense1", "linear", "16", "12,16", "stem", "192", "0.404", "direct", "exact"]
    document = json.loads(mcflow_command("show", "--program", "study.h5", "--json", cwd=tmp_path).stdout)
    ops = document["programs"][0]["ops"]
    assert [op["kind"] for op in ops] == ["linear", "elementwise"] * 3
    assert ops[4]["layer"] == "repeat2.dense1"
    assert ops[4]["parameters"] == 64
