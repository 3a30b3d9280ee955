"""The options that say what a case is, shared by the verbs that take a study, and the study they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mcflow.cli import values
from mcflow.cli.values import EVERY, WHOLE, Named

if TYPE_CHECKING:
    from mcflow.model.case import Case
    from mcflow.model.study import Study

Function = TypeVar("Function", bound=Callable[..., Any])

FIELD_SCHEMES = ("xavier_normal", "kaiming_normal", "lecun_normal")
FAN_IN_SCHEME = "lecun_normal"  # whose weights have the variance sigma_w2 / fan_in
FIELD_ACTIVATIONS = ("tanh", "relu", "selu")
DEFAULT_BATCH = 4


def _schemes() -> list[str]:
    from mcflow import schemes

    return [*schemes.names(), EVERY]


def _activations() -> list[str]:
    from mcflow.activations import registry

    return [*registry.builtin_names(), EVERY]


def _gains() -> Sequence[str]:
    from mcflow.model.case import GAIN_WORDS

    return GAIN_WORDS


def _inputs() -> tuple[str, ...]:
    return ("gaussian", "sphere", "digits")


def _modes() -> Sequence[str]:
    from mcflow.schemes import MODES

    return MODES


_OPTIONS = (
    click.argument("study", required=False, metavar="[STUDY.toml]"),
    click.option(
        "--scheme",
        multiple=True,
        type=Named(_schemes, is_list=True),
        metavar="NAME,...",
        help="Initialisation schemes, or all; repeatable. mcflow list schemes has them.",
    ),
    click.option(
        "--activation",
        multiple=True,
        type=Named(_activations, is_list=True),
        metavar="NAME,...",
        help="Activations, or all, or your own as module:phi,dphi, with kinks = (...) beside them where they jump; "
        "repeatable. mcflow list activations has the built-in ones.",
    ),
    click.option(
        "--gain",
        type=Named(_gains),
        metavar="WORD|NUMBER",
        help="scheme (default), torch, critical, critical-gradient or a number, as 1.2 or 'sqrt(1.5)'.",
    ),
    click.option("--sigma-w2", metavar="S", help="fan_in Var W, in the place of a gain (its square)."),
    click.option("--sigma-b2", metavar="S", help="Var b, in the place of --bias-std (its square)."),
    click.option("--depth", type=WHOLE, metavar="N", help="Layers [default: 30]."),
    click.option("--width", metavar="N|N,N*M,...", help="Units of each layer, or of all [default: 256]."),
    click.option("--features", type=WHOLE, metavar="N", help="Input size, where the inputs do not give it."),
    click.option(
        "--inputs",
        type=Named(_inputs),
        metavar="WHAT",
        help="gaussian, sphere, digits, or PATH[:DATASET] of an array or table.",
    ),
    click.option("--batch", type=WHOLE, metavar="K", help="Inputs that every network is given."),
    click.option("--correlation", type=float, metavar="C", help="Inputs come in pairs of this cosine [one pair]."),
    click.option("--bias-std", type=float, metavar="S", help="Standard deviation of the biases."),
    click.option(
        "--mode", type=Named(_modes), metavar="MODE", help="The fan of Kaiming schemes: fan_in, fan_out, fan_avg."
    ),
    click.option(
        "--sweep",
        multiple=True,
        metavar="FIELD=V,V,...",
        help="A case for each value, as width=64,128,256; repeatable.",
    ),
)
CASE_OPTIONS = (
    "gain", "depth", "width", "features", "inputs", "batch", "correlation", "bias_std", "mode", "raw", "sigma_w2",
    "sigma_b2",
)  # fmt: skip


def study_options(function: Function) -> Function:
    """Add the STUDY.toml argument and the options that describe cases to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def json_option(function: Function) -> Function:
    """Add ``--json``."""
    return click.option("as_json", "--json", is_flag=True, help="One JSON document on stdout.")(function)


def make_study(options: dict[str, Any]) -> Study:
    """The study that a command's options and STUDY.toml describe; options given beside the file override it.

    With neither, the default study: the three schemes of the field, each on tanh, relu and selu, on digits where
    scikit-learn is there and on Gaussian inputs else. Raises InputError for what is no study.
    """
    from mcflow.model.case import Case
    from mcflow.model.study import Study

    path = options.get("study")
    changes = {key: options[key] for key in CASE_OPTIONS if options.get(key) is not None and options[key] is not False}
    if "width" in changes:
        changes["width"] = values.widths(str(changes["width"]))
    schemes = values.names(options.get("scheme") or (), _schemes()[:-1])
    activations = values.names(options.get("activation") or (), _activations()[:-1], is_whole=_is_users)
    sweeps = [values.sweep(text, [item.name for item in fields(Case)]) for text in options.get("sweep") or ()]
    _refuse_contradictions([*changes, *(name for name, _ in sweeps)])
    if path:
        study = Study.from_file(path)
    else:
        if not (changes or schemes or activations or sweeps):
            changes = default_inputs()
        study = Study((Case(),))
        by_fan_in = "sigma_w2" in changes or any(name == "sigma_w2" for name, _ in sweeps)
        schemes = schemes or ([FAN_IN_SCHEME] if by_fan_in else list(FIELD_SCHEMES))
        activations = activations or list(FIELD_ACTIVATIONS)
    cases = list(study.cases)
    if schemes:
        cases = [replace(case, scheme=scheme) for case in cases for scheme in schemes]
    if activations:
        cases = [replace(case, activation=activation) for case in cases for activation in activations]
    for name, taken in sweeps:
        cases = [_changed(case, {name: value}) for case in cases for value in taken]
    cases = [_changed(case, changes) for case in cases]  # last: a variance is held against the scheme that it is for
    rest = {key: options[key] for key in ("networks", "seed", "backward", "keep") if options.get(key) is not None}
    return replace(study, cases=tuple(dict.fromkeys(cases)), **rest)


def _refuse_contradictions(given: list[str]) -> None:
    """InputError where options and sweeps say one thing twice."""
    from mcflow.errors import InputError

    for name in given:
        other = {"sigma_w2": "gain", "sigma_b2": "bias_std"}.get(name, name)
        if given.count(name) > 1 or (other != name and other in given):
            both = f"{name} is given twice" if other == name else f"{name} and {other} say the same thing"
            raise InputError(f"{both}, as options or in --sweep; give one of them")


def default_inputs() -> dict[str, Any]:
    """The inputs of the default study, as fields of a case."""
    from mcflow.inputs.case_inputs import have_digits

    return {"inputs": "digits" if have_digits() else "gaussian", "batch": DEFAULT_BATCH}


def _changed(case: Case, changes: dict[str, Any]) -> Case:
    changed = dict(changes)
    if "depth" in changed and "width" not in changed and not isinstance(case.width, int):
        return replace(case, **changed)  # a list of widths has its depth: the case says so
    if "width" in changed and "depth" not in changed and not isinstance(changed["width"], int):
        changed["depth"] = None
    for variance, stated in (("sigma_w2", "gain"), ("sigma_b2", "bias_std")):
        if variance in changed and stated not in changed:
            changed[stated] = "scheme" if stated == "gain" else None
    return replace(case, **changed)


def _is_users(name: str) -> bool:
    """Whether an activation is written ``module:phi``: a colon behind no built-in name."""
    from mcflow.activations import registry

    return ":" in name and registry.builtin(name.partition(":")[0]) is None
