"""The options that say what a case is, shared by the verbs that take a study, and the study they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mcflow.model.case import Case
    from mcflow.model.study import Study

Function = TypeVar("Function", bound=Callable[..., Any])

FIELD_SCHEMES = ("xavier_normal", "kaiming_normal", "lecun_normal")
FIELD_ACTIVATIONS = ("tanh", "relu", "selu")
DEFAULT_BATCH = 4

_OPTIONS = (
    click.argument("study", required=False, metavar="[STUDY.toml]"),
    click.option("--scheme", multiple=True, metavar="NAME", help="Initialisation scheme; may be repeated."),
    click.option(
        "--activation",
        multiple=True,
        metavar="NAME",
        help="Activation, or your own as module:phi,dphi, with kinks = (...) beside them where they jump; repeatable.",
    ),
    click.option(
        "--gain", metavar="WORD|NUMBER", help="scheme (default), torch, critical, critical-gradient or a number."
    ),
    click.option("--depth", type=int, metavar="N", help="Layers [default: 30]."),
    click.option("--width", metavar="N|N,N,...", help="Units of each layer, or of all [default: 256]."),
    click.option("--features", type=int, metavar="N", help="Input size, where the inputs do not give it."),
    click.option("--inputs", metavar="WHAT", help="gaussian, sphere, digits, or PATH[:DATASET] of an array or table."),
    click.option("--batch", type=int, metavar="K", help="Inputs that every network is given."),
    click.option("--correlation", type=float, metavar="C", help="Inputs come in pairs of this cosine."),
    click.option("--bias-std", type=float, metavar="S", help="Standard deviation of the biases."),
    click.option("--mode", metavar="MODE", help="The fan of Kaiming schemes: fan_in, fan_out, fan_avg."),
)
CASE_OPTIONS = ("gain", "depth", "width", "features", "inputs", "batch", "correlation", "bias_std", "mode", "raw")


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
        changes["width"] = _widths(changes["width"])
    schemes, activations = options.get("scheme") or (), options.get("activation") or ()
    if path:
        study = Study.from_file(path)
        cases = [_changed(case, changes) for case in study.cases]
    else:
        if not (changes or schemes or activations):
            changes = default_inputs()
        study = Study((Case(),))
        cases = [Case(**changes)]
        schemes, activations = schemes or FIELD_SCHEMES, activations or FIELD_ACTIVATIONS
    if schemes:
        cases = [replace(case, scheme=scheme) for case in cases for scheme in schemes]
    if activations:
        cases = [replace(case, activation=activation) for case in cases for activation in activations]
    rest = {key: options[key] for key in ("networks", "seed", "backward", "keep") if options.get(key) is not None}
    return replace(study, cases=tuple(dict.fromkeys(cases)), **rest)


def default_inputs() -> dict[str, Any]:
    """The inputs of the default study, as fields of a case."""
    from mcflow.inputs.case_inputs import have_digits

    return {"inputs": "digits" if have_digits() else "gaussian", "batch": DEFAULT_BATCH}


def _changed(case: Case, changes: dict[str, Any]) -> Case:
    fields = dict(changes)
    if "depth" in fields and "width" not in fields and not isinstance(case.width, int):
        return replace(case, **fields)  # a list of widths has its depth: the case says so
    if "width" in fields and "depth" not in fields and not isinstance(fields["width"], int):
        fields["depth"] = None
    return replace(case, **fields)


def _widths(text: str) -> int | list[int]:
    from mcflow.errors import InputError

    try:
        widths = [int(word) for word in str(text).split(",")]
    except ValueError:
        raise InputError(f"--width {text}: give one whole number, or one a layer as in 64,32,10") from None
    return widths[0] if "," not in str(text) else widths
