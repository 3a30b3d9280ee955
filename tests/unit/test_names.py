"""What users type: names in any case, lists of them, numbers as arithmetic, sweeps, names of one's own."""

from __future__ import annotations

import math
import re

import click
import numpy as np
import pytest

from mcflow import Case, Study, schemes
from mcflow.activations import registry
from mcflow.activations.descriptions import DESCRIPTIONS
from mcflow.activations.formulas import PARAMETRIC
from mcflow.cli import values
from mcflow.cli.options import make_study
from mcflow.errors import InputError
from mcflow.model import expression


@pytest.mark.parametrize(
    ("scheme", "activation"), [("He_Normal", "ReLU"), ("GLOROT_uniform", "Swish"), ("LeCun_normal", "Leaky_ReLU:0.2")]
)
def test_names_are_known_in_any_case(scheme, activation):
    assert Case(scheme, activation) == Case(scheme.lower(), activation.lower())


def test_a_family_is_told_by_its_members_and_a_wrong_name_as_it_was_typed():
    with pytest.raises(InputError, match=r"'he' is a family.*kaiming_normal"):
        schemes.get("he")
    with pytest.raises(InputError, match="unknown scheme 'glorot_norml'"):
        schemes.get("glorot_norml")


def test_a_users_own_name_keeps_its_case():
    with pytest.raises(InputError, match="Mine"):
        registry.get("Mine:Phi")


@pytest.mark.parametrize(
    ("text", "value"),
    [("sqrt(1.5)", math.sqrt(1.5)), ("4/3", 4 / 3), ("2^0.5", math.sqrt(2)), ("-1+3", 2.0), ("1e-2*pi", math.pi / 100)],
)
def test_a_number_may_be_arithmetic(text, value):
    assert expression.number("gain", text) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "sqrt(-1)",
        "1/0",
        "9**9**9**9",
        "x",
        "sqrt",
        "(1).real",
        "[1]",
        "",
        "1;2",
        "sqrt(1,2)",
        "1" * 500,
    ],
)
def test_what_is_no_arithmetic_is_refused_in_a_sentence(text):
    with pytest.raises(InputError, match="gain"):
        expression.number("gain", text)


def test_names_in_an_expression_have_their_values():
    assert expression.number("scale", "1/sqrt(L)", {"L": 16.0}) == 0.25


def test_variances_stand_for_gain_and_biases():
    said = Case("lecun_normal", "tanh", sigma_w2=1.5, sigma_b2="0.05**2")
    assert said == Case("lecun_normal", "tanh", gain=math.sqrt(1.5), bias_std=0.05)
    assert said.program.weights[1].std == pytest.approx(math.sqrt(1.5 / 256))
    for scheme in ("kaiming_normal", "orthogonal", "rademacher", "lecun_uniform"):
        assert Case(scheme, "tanh", sigma_w2=4.0).gain == 2.0


@pytest.mark.parametrize("scheme", ["xavier_normal", "torch_default", "normal:0.1", "keras_default"])
def test_variances_are_refused_where_they_would_not_be_those_of_the_weights(scheme):
    with pytest.raises(InputError, match="fan_in"):
        Case(scheme, "tanh", sigma_w2=1.5)


def test_a_variance_and_what_it_stands_for_are_not_given_both():
    with pytest.raises(InputError, match="sigma_w2 and gain"):
        Case("lecun_normal", "tanh", sigma_w2=1.5, gain=1.2)
    with pytest.raises(InputError, match="sigma_b2 and bias_std"):
        Case("lecun_normal", "tanh", sigma_b2=1.5, bias_std=1.2)


def test_a_correlation_alone_takes_a_pair():
    assert Case(correlation=0.5).batch == 2
    with pytest.raises(InputError, match="pairs"):
        Case(correlation=0.5, batch=3)


def test_names_have_as_many_digits_as_tell_cases_apart():
    root = math.sqrt(1.5)
    assert Study([Case(gain=root), Case(gain=1.5)]).names == (
        "kaiming_normal-relu-gain1.2247",
        "kaiming_normal-relu-gain1.5",
    )
    near = Study([Case(gain=root), Case(gain=root * (1 + 1e-9))]).names
    assert len(set(near)) == 2
    assert all(len(name) < 40 for name in near)


def test_a_case_may_have_a_name_of_its_own():
    study = Study([Case(name="mine"), Case("lecun_normal")])
    assert study.names == ("mine", "lecun_normal-relu")
    assert Study.from_toml(study.to_toml()).names == study.names
    assert Case(name="mine") == Case()


@pytest.mark.parametrize("name", ["a/b", "", ".hidden", "inputs", "x" * 101, 3, "a b"])
def test_what_cannot_be_a_name_is_refused(name):
    with pytest.raises(InputError, match="name"):
        Case(name=name)


def test_two_cases_are_not_called_alike():
    with pytest.raises(InputError, match="another name"):
        Study([Case(name="lecun_normal-relu"), Case("lecun_normal")])


def test_one_name_for_a_grid_is_told_apart():
    names = Study.from_toml("[[case]]\nname = 'mine'\nscheme = ['he_normal', 'lecun_normal']\n").names
    assert names == ("mine-kaiming_normal-relu", "mine-lecun_normal-relu")


@pytest.mark.parametrize(
    ("line", "cases"),
    [
        ("depth = [3, 5]", 2),
        ("width = [[4, 5], 6]", 2),
        ("width = [4, 5, 6]", 1),
        ("batch = [1, 2]\nraw = [true, false]", 4),
        ("correlation = [0.1, 0.9]", 2),
        ("bias_std = [0.0, 0.1]\nfeatures = [3, 4]\ninputs = ['gaussian', 'sphere']", 8),
        ("sigma_w2 = [1.0, 'sqrt(2)']\nmode = ['fan_in']", 2),
    ],
)
def test_lists_of_any_field_make_a_grid(line, cases):
    assert len(Study.from_toml(f"[[case]]\n{line}\n").cases) == cases


def test_a_study_that_is_no_toml_says_what_would_be():
    with pytest.raises(InputError, match=r"\[\[case\]\], in two brackets"):
        Study.from_toml("[case]\nscheme = 'he_normal'\n")
    with pytest.raises(InputError, match='words stand in quotes: scheme = "he_normal"'):
        Study.from_toml("[[case]]\nscheme = he_normal  # mine\n")
    with pytest.raises(InputError, match="batch"):
        Study.from_toml("[[case]]\nbatch = [[1], 2]\n")


def test_options_take_lists_of_names():
    study = make_study(
        {"scheme": ("he_normal,lecun_normal",), "activation": ("relu", "TANH,leaky_relu:0.2"), "depth": 3}
    )
    assert len(study.cases) == 6
    everything = make_study({"activation": ("all",), "depth": 3, "scheme": ("lecun_normal",)})
    assert [case.activation for case in everything.cases] == registry.builtin_names()


def test_a_function_keeps_the_comma_before_its_derivative():
    known = registry.builtin_names()

    def is_users(name):
        return ":" in name and name.partition(":")[0] not in known

    found = values.names(["mine:phi,dphi,tanh,leaky_relu:0.2,relu"], known, is_whole=is_users)
    assert found == ["mine:phi,dphi", "tanh", "leaky_relu:0.2", "relu"]


def test_sweeps_make_a_case_for_each_value():
    study = make_study(
        {"scheme": ("lecun_normal",), "activation": ("tanh",), "sweep": ("width=64,128", "sigma-w2=1,1.5"), "depth": 4}
    )
    assert [(case.width, case.gain) for case in study.cases] == [
        (64, 1.0), (64, math.sqrt(1.5)), (128, 1.0), (128, math.sqrt(1.5))
    ]  # fmt: skip
    for text in ("width", "width=", "widht=3"):
        with pytest.raises(InputError, match="--sweep"):
            make_study({"sweep": (text,)})


def test_a_variance_is_held_against_the_scheme_that_it_is_for():
    for options in (
        {"scheme": ("xavier_normal",), "sigma_w2": "2"},
        {"sweep": ("scheme=lecun_normal,xavier_normal",), "sigma_w2": "2"},
        {"scheme": ("xavier_normal",), "sweep": ("sigma_w2=1,2",)},
    ):
        with pytest.raises(InputError, match="fan_in"):
            make_study(options)
    assert {case.scheme for case in make_study({"sigma_w2": "2"}).cases} == {"lecun_normal"}


@pytest.mark.parametrize(
    "options",
    [
        {"sweep": ("sigma_w2=1,2", "gain=1,3")},
        {"sweep": ("sigma_w2=1,2",), "gain": "2"},
        {"sweep": ("width=64,128",), "width": "32"},
        {"sweep": ("depth=3,4", "depth=5")},
        {"sigma_b2": "1", "bias_std": 1.0},
    ],
)
def test_nothing_is_said_twice(options):
    with pytest.raises(InputError, match="give one of them"):
        make_study(options)


@pytest.mark.parametrize("text", ["8*200000000", "8*0", "8*-3", "4,8*65535", "x", "8*"])
def test_widths_that_make_no_network_are_refused_at_once(text):
    with pytest.raises(InputError, match="--width"):
        values.widths(text)


@pytest.mark.parametrize(("text", "found"), [("64", 64), ("64,32", [64, 32]), ("5*3,2", [5, 5, 5, 2]), ("7*2", [7, 7])])
def test_widths_of_layers(text, found):
    assert values.widths(text) == found


@pytest.mark.parametrize(("text", "number"), [("1e4", 10_000), ("10_000", 10_000), ("7", 7), ("2.5e3", 2500)])
def test_whole_numbers_may_be_short(text, number):
    assert values.WHOLE.convert(text, None, None) == number


@pytest.mark.parametrize("text", ["1.5", "1e-4", "x", "1e400", "", "2.5e0"])
def test_what_is_no_whole_number_is_refused(text):
    with pytest.raises(click.BadParameter, match="write it as"):
        values.WHOLE.convert(text, None, None)


def test_the_shell_completes_the_last_name_of_a_list():
    offered = values.Named(lambda: ["relu", "relu6", "tanh"], is_list=True).shell_complete(None, None, "tanh,re")
    assert [item.value for item in offered] == ["tanh,relu", "tanh,relu6"]


def evaluated(formula, h, a):
    """The value of a formula of ``DESCRIPTIONS``, where a factor may stand before a bracket or a name."""
    code = re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", formula)
    names = {"erf": math.erf, "exp": math.exp, "log": math.log, "tanh": math.tanh, "sqrt": math.sqrt, "sin": math.sin}
    return eval(
        code, {"__builtins__": {}}, {**names, "max": max, "min": min, "abs": abs, "pi": math.pi, "h": h, "a": a}
    )


@pytest.mark.parametrize("name", registry.builtin_names())
def test_the_formula_that_is_listed_is_the_function(name):
    activation = registry.get(name)
    formula, meaning = DESCRIPTIONS[name]
    a = PARAMETRIC[name].default if name in PARAMETRIC else math.nan
    points = np.linspace(-7.0, 7.0, 57)
    expected = activation.phi(points)
    assert [evaluated(formula, float(h), a) for h in points] == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)
    assert meaning
    assert name not in PARAMETRIC or re.search(r"\ba\b", formula)


def test_every_scheme_is_described_by_its_own_variance():
    for name, scheme in schemes.BUILTIN.items():
        code = re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", scheme.formula).replace("^", "**")
        value = eval(code, {"__builtins__": {}}, {"fan_in": 48, "fan_out": 80, "max": max, "a": 0.0})
        gain = scheme.textbook_gain(registry.get("relu"))
        assert value == pytest.approx(scheme.weight_variance(48, 80, gain)), name
        assert scheme.meaning
