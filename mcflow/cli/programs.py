"""``mcflow show --program``: what each case's networks do, op by op, how each op is simulated and predicted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.model.program import Program

if TYPE_CHECKING:
    from mcflow.model.case import Case

# What a tier is asked of: the first quantity that an op of the kind makes.
_QUANTITY = {"linear": "preactivation_second_moment", "elementwise": "activation_second_moment"}


def show(path: Path, as_json: bool) -> None:
    """Print the programs of a study's file, or of a STUDY.toml before it has run."""
    from mcflow.cli import tables
    from mcflow.model import listing

    documents = []
    for name, case, features, method, inputs in _cases(path):
        program = case.program_for(features)
        methods = [method if op.weights is not None else "" for op in program]
        tiers = _tiers(case, program, inputs)
        documents.append({"case": name, "ops": _records(program, methods, tiers)})
        if not as_json:
            out = tables.console()
            out.print(f"{name}: {len(program)} ops on {features} features", markup=False, soft_wrap=True)
            cells = {"method": methods, "theory": tiers}
            out.print(listing.text(program.ops, cells), markup=False, soft_wrap=True)
    if as_json:
        tables.print_json({"file": str(path), "programs": documents})


def _cases(path: Path) -> Iterator[tuple[str, Case, int, str, Any]]:
    """Name, case, features, method and inputs (None: not drawn yet) of each case."""
    from mcflow.files.reading import open as open_result
    from mcflow.inputs import case_inputs
    from mcflow.methods import choice
    from mcflow.model.study import Study

    if path.suffix == ".toml":
        study = Study.from_file(path)
        for name, case in zip(study.names, study.cases, strict=True):
            drawn = case.inputs in case_inputs.DRAWN
            inputs = None if drawn else case_inputs.read(case, study.seed)[0]
            features = case.features_or_width if inputs is None else inputs.shape[1]
            yield name, case, features, choice.choose(case, features, "auto").method, inputs
        return
    with open_result(path) as result:
        for name in result.names:
            inputs = result.inputs(name)
            yield name, result.case(name), inputs.shape[1], str(result[name].attrs["method"]), inputs


def _tiers(case: Case, program: Program, inputs: Any) -> list[str]:
    """The highest tier that predicts what each op makes; nothing where none does."""
    from mcflow.errors import InputError
    from mcflow.mean_field.refinement import NotPredicted
    from mcflow.theory.prediction import predict

    try:
        found = predict(case, inputs)["tier"]
    except (InputError, NotPredicted):
        return [""] * len(program)
    tiers, layer = [], 0
    for op in program:
        layer += op.weights is not None
        tiers.append(str(found.sel(quantity=_QUANTITY[op.kind], layer=layer).item()))
    return tiers


def _records(program: Program, methods: list[str], tiers: list[str]) -> list[dict[str, Any]]:
    """Each op as plain data."""
    records = []
    for op, method, tier in zip(program, methods, tiers, strict=True):
        record: dict[str, Any] = {
            "kind": op.kind,
            "layer": op.name,
            "before": list(op.before),
            "after": list(op.after),
            "source": list(op.source),
            "destination": op.destination,
            "theory": tier or None,
        }
        if op.weights is None:
            record["function"] = op.function
        else:
            weights = op.weights
            record |= {
                "role": weights.role,
                "fans": list(weights.fans),
                "stated_fans": list(weights.stated),
                "parameters": op.parameters,
                "weight_std": weights.std,
                "bias_std": weights.bias_std,
                "method": method,
            }
        records.append(record)
    return records
