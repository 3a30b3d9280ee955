"""``mcflow theory``: the prediction of every case, fixed points and phase diagrams, without sampling."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mcflow.answers.document import plain
from mcflow.cli.options import json_option, make_study, study_options
from mcflow.cli.values import WHOLE

if TYPE_CHECKING:
    import xarray

    from mcflow.mean_field.critical import FixedPoints
    from mcflow.model.case import Case
    from mcflow.model.study import Study

EXAMPLE = """\b
Examples:
  mcflow theory
  mcflow theory --scheme lecun_normal --activation selu --depth 50 --width 64
  mcflow theory --activation gelu --scheme kaiming_normal --fixed-points
  mcflow theory --activation tanh --phase-diagram tanh.csv"""
SHOWN = 10  # layers in a table; --json has them all
PLANE_POINTS = 41  # along each axis
LARGEST_SIGMA_W, LARGEST_SIGMA_B = 3.0, 1.0
TABLE = (  # and the order in which they go where there is no room for all
    ("preactivation_second_moment", "h\u00b2", 2),
    ("activation_second_moment", "x\u00b2", 0),
    ("gradient_second_moment", "d\u00b2", 0),
    ("weight_gradient_second_moment", "(d x)\u00b2", 3),
    ("preactivation_correlation", "cosine", 1),
)


@click.command(epilog=EXAMPLE)
@study_options
@click.option("--raw", is_flag=True, help="Inputs as they are, not scaled to second moment 1.")
@click.option("--seed", type=WHOLE, metavar="S", help="Seed of the inputs [default: 0].")
@click.option("--tier", default="exact", metavar="TIER", help="Highest: exact, exact-law, first-order, infinite-width.")
@click.option("--fixed-points", "fixed", is_flag=True, help="Fixed points, depth scales and critical gains instead.")
@click.option("--phase-diagram", "diagram", metavar="FILE", help="Write the (sigma_w, sigma_b) plane, as .csv or .png.")
@json_option
def command(tier: str, fixed: bool, diagram: str | None, as_json: bool, **options: Any) -> None:
    """Predict what STUDY.toml, or the cases of the options, would measure: mean and spread at every layer."""
    study = make_study(options)
    if diagram is not None:
        _write_plane(study, diagram)
    elif fixed:
        _show_fixed_points(study, as_json)
    else:
        _show_predictions(study, tier, as_json)


def _show_predictions(study: Study, tier: str, as_json: bool) -> None:
    from mcflow.cli import tables
    from mcflow.inputs.case_inputs import read
    from mcflow.theory import predict

    found, notes = {}, dict[str, None]()
    for name, case in zip(study.names, study.cases, strict=True):
        values, note = read(case, study.seed)
        found[name] = predict(case, values, tier=tier)
        notes[note] = None
    for note in filter(None, notes):
        print(note, file=sys.stderr)
    if as_json:
        tables.print_json({"cases": {name: _record(dataset) for name, dataset in found.items()}})
        return
    for name, dataset in found.items():
        _print_case(name, dataset)


def _record(dataset: xarray.Dataset) -> dict[str, Any]:
    quantities = {}
    for name in dataset["quantity"].values.tolist():
        of = {"mean": dataset[name], "tiers": dataset["tier"].sel(quantity=name)}
        of |= {
            end: dataset[f"{name}_{end}"]
            for end in ("std", "log10", "log_mean", "log_std")
            if f"{name}_{end}" in dataset
        }
        quantities[name] = {key: plain(value.values.tolist()) for key, value in of.items()}
        quantities[name]["left_out"] = dataset[name].attrs["left_out"]
    record: dict[str, Any] = {key: plain(value) for key, value in dataset.attrs.items()}
    for name in ("width", "fan_in", "weight_std", "dead_probability"):
        if name in dataset:
            record[name] = plain(dataset[name].values.tolist())
    return record | {"layer": dataset["layer"].values.tolist(), "quantities": quantities}


def _print_case(name: str, dataset: xarray.Dataset) -> None:
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Column, Sheet

    out = tables.console()
    columns = [(quantity, head) for quantity, head, _ in TABLE if quantity in dataset]
    heads = [Column(head, words=True, rank=rank) for quantity, head, rank in TABLE if quantity in dataset]
    title = f"{name}: gain {dataset.attrs['gain']:.6g}; mean \u00b7 standard deviation over networks"
    table = Sheet(title, [Column("layer"), *heads, Column("tier: forward, backward", words=True, rank=4)])
    depth = dataset.sizes["layer"]
    for layer in _shown(depth):
        cells = [_cell(dataset, quantity, layer - 1) for quantity, _ in columns]
        tiers = [
            str(dataset["tier"].sel(quantity=quantity).values[layer - 1]) or "none"
            for quantity in ("activation_second_moment", "gradient_second_moment")
        ]
        table.add(str(layer), *cells, tiers[0] if tiers[0] == tiers[1] else ", ".join(tiers))
    sheet.show(out, table)
    if "dead_probability" in dataset and float(dataset["dead_probability"][-1]) > 1e-12:
        out.print(f"P(dead by layer {depth}) = {float(dataset['dead_probability'][-1]):.4g}", soft_wrap=True)
    if dataset.attrs["stability"]:
        out.print(dataset.attrs["stability"], soft_wrap=True, markup=False)
    if dataset.attrs["left_out"]:
        out.print(f"left out: {dataset.attrs['left_out']}", soft_wrap=True, markup=False)


def _shown(depth: int) -> list[int]:
    if depth <= SHOWN:
        return list(range(1, depth + 1))
    return sorted({round(1 + i * (depth - 1) / (SHOWN - 1)) for i in range(SHOWN)})


def _cell(dataset: xarray.Dataset, quantity: str, place: int) -> str:
    mean = float(dataset[quantity][place])
    if math.isnan(mean):
        return "not predicted"
    if (mean == 0.0 or math.isinf(mean)) and f"{quantity}_log10" in dataset:
        log10 = float(dataset[f"{quantity}_log10"][place])
        return "0" if log10 == -math.inf else f"10^{log10:.2f}"
    std = float(dataset[f"{quantity}_std"][place]) if f"{quantity}_std" in dataset else math.nan
    return f"{mean:.5g}" + ("" if math.isnan(std) else f" \u00b7 {std:.2g}")


def _show_fixed_points(study: Study, as_json: bool) -> None:
    from mcflow.cli import sheet, tables

    records = [_fixed_points_of(case) for case in study.cases]
    unique = list({(r["activation"], r["weight_variance"], r["bias_variance"]): r for r in records}.values())
    if as_json:
        tables.print_json({"fixed_points": [_plain_record(record) for record in unique]})
        return
    out = tables.console()
    for record in unique:
        sheet.show(out, _fixed_table(record))
        out.print(record["sentence"], soft_wrap=True, markup=False)
        for of, value in record["critical_gain"].items():
            out.print(
                f"critical gain, {of}: {value if isinstance(value, str) else f'{value:.6g}'}",
                soft_wrap=True,
                markup=False,
            )


def _fixed_points_of(case: Case) -> dict[str, Any]:
    """The fixed points of the last layer of a case: sigma_w^2 = fan_in Var W there."""
    from mcflow.errors import InputError
    from mcflow.mean_field import critical
    from mcflow.theory import stack

    last = stack.of_case(case)
    found: FixedPoints = critical.fixed_points(
        case.nonlinearity, float(last.forward[-1]), float(last.bias_variance[-1])
    )
    names = ("q", "chi_1", "chi_parallel", "stable", "c", "slope_c", "xi_q", "xi_c", "trainable_depth")
    gains: dict[str, float | str] = {}
    for of in ("forward", "gradient"):
        try:
            gains[of] = case.critical_gain(of)
        except InputError as error:
            gains[of] = str(error)
    return {
        "scheme": case.scheme,
        "activation": case.activation,
        "weight_variance": float(last.forward[-1]),
        "bias_variance": float(last.bias_variance[-1]),
        "sentence": found.sentence,
        "points": [{name: getattr(point, name) for name in names} for point in found],
        "critical_gain": gains,
    }


def _plain_record(record: dict[str, Any]) -> dict[str, Any]:
    points = [{name: plain(value) for name, value in point.items()} for point in record["points"]]
    return record | {"points": points}


def _fixed_table(record: dict[str, Any]) -> Any:
    from mcflow.cli.sheet import Column, Sheet

    variances = f"sigma_w\u00b2 = {record['weight_variance']:.6g}, sigma_b\u00b2 = {record['bias_variance']:.6g}"
    title = f"{record['scheme']}-{record['activation']}: {variances}"
    ranks = {"q*": 0, "chi_1": 0, "V'(q*)": 3, "stable": 0, "c*": 0, "slope": 4, "xi_q": 2, "xi_c": 0}
    table = Sheet(
        title, [*(Column(head, rank=rank) for head, rank in ranks.items()), Column("trainable depth", rank=1)]
    )
    for point in record["points"]:
        unknown = "not predicted" if point["stable"] else "unstable"
        table.add(*(_fixed_cell(value, unknown) for value in point.values()))
    return table


def _fixed_cell(value: float | bool, unknown: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return unknown if math.isnan(value) else f"{value:.5g}"


def _write_plane(study: Study, path: str) -> None:
    from pathlib import Path

    import numpy as np

    from mcflow.errors import InputError, Unfinished
    from mcflow.mean_field import phase_diagram
    from mcflow.plots import phase

    names = {case.activation for case in study.cases}
    if len(names) != 1:
        raise InputError(f"--phase-diagram is for one activation, not {len(names)}; give one with --activation")
    kind = Path(path).suffix.lower()
    if kind not in (".csv", ".png", ".svg", ".pdf"):
        raise InputError(f"--phase-diagram {path}: give a name that ends in .csv, .png, .svg or .pdf")
    plane = phase_diagram.plane(
        study.cases[0].nonlinearity,
        np.linspace(LARGEST_SIGMA_W / PLANE_POINTS, LARGEST_SIGMA_W, PLANE_POINTS),
        np.linspace(0.0, LARGEST_SIGMA_B, PLANE_POINTS),
    )
    try:
        if kind == ".csv":
            Path(path).write_text(_csv(phase_diagram.COLUMNS, plane.rows()), encoding="utf-8")
        else:
            phase.figure_of_plane(plane, study.cases[0].activation).savefig(path)
    except OSError as error:
        raise Unfinished(f"cannot write {path!r}: {error.strerror or error}") from None


def _csv(columns: Sequence[str], rows: Iterable[tuple[float, ...]]) -> str:
    return "\n".join([",".join(columns), *(",".join(f"{value:.10g}" for value in row) for row in rows)]) + "\n"
