"""``mcflow show``: what is in a file, whether it is whole, and a study while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcflow.cli.options import json_option

EXAMPLE = """\b
Examples:
  mcflow show runs/relu.h5
  mcflow show --check runs/relu.h5
  mcflow show --program study.toml
  mcflow show --follow runs/relu.h5"""


@click.command(epilog=EXAMPLE)
@click.argument("file")
@click.option("--check", is_flag=True, help="Read every byte and name what is damaged.")
@click.option("--follow", is_flag=True, help="Render the study while it runs, until it ends.")
@click.option("--program", is_flag=True, help="Print what each case's networks do, op by op; FILE may be a STUDY.toml.")
@json_option
def command(file: str, check: bool, follow: bool, program: bool, as_json: bool) -> None:
    """Show what is in FILE: cases, progress, configuration, provenance. A study that still runs is shown too."""
    from mcflow.errors import InputError
    from mcflow.files import integrity, live, reading
    from mcflow.files.target import parts_folder

    path = Path(file)
    asked = [f"--{name}" for name, flag in {"program": program, "follow": follow, "check": check}.items() if flag]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked)} are different things to show; give one of them")
    if follow and as_json:
        raise InputError("--follow renders a study while it runs, for people; leave it or --json out")
    if program:
        from mcflow.cli import programs

        programs.show(path, as_json)
        return
    if reading.is_text_of_study(path):
        raise InputError(f"{path} is a study; give --program to see its layers, or run it: mcflow run {path}")
    folder = path if path.name.endswith(".parts") else parts_folder(path)
    if follow:
        from mcflow.cli import live_view

        live_view.follow(path, folder)
        return
    running = live.look(folder) if folder.is_dir() else None
    if running is None and not path.is_file():
        raise InputError(f"there is no file {path}")
    document: dict[str, Any] = {"file": str(path)}
    if path.is_file():
        if check:
            document["check"] = integrity.check(path)
        document |= integrity.describe(path)
    if running is not None:
        if check:
            document["check_parts"] = live.check(folder)
        document["running"] = running.record()
        document.setdefault("root", running.head["root"])
        document.setdefault("cases", running.head["cases"])
    if as_json:
        from mcflow.cli import tables

        tables.print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Column, Sheet
    from mcflow.plural import counted

    out = tables.console()
    root = document["root"]
    if "parts" in document:
        out.print(
            f"{document['file']}: shard {root['shard']} with {counted(len(document['parts']), 'part')}", markup=False
        )
        return
    running = document.get("running")
    state = root["state"] if running is None else running["state"]
    out.print(f"{document['file']}: {state}, {counted(root['networks'], 'network')}, seed {root['seed']}", markup=False)
    out.print(
        f"made {root['created_utc']} by mcflow {root['mcflow_version']}, numba {root['numba_version']}, "
        f"numpy {root['numpy_version']}, on {root['device']}; inputs sha256 {root['inputs_sha256'][:16]}",
        markup=False,
        soft_wrap=True,
    )
    heads = (Column("case", words=True), Column("depth"), Column("width"), Column("gain", rank=1))
    table = Sheet("", (*heads, Column("method", words=True, rank=2), Column("networks")))
    for case in document["cases"]:
        done = case["networks_done"] if running is None else running["networks_done"][case["name"]]
        cells = (case["name"], case["depth"], case["width"], f"{case['gain']:.6g}", case["method"], done)
        table.add(*map(str, cells))
    sheet.show(out, table)
    for case in document["cases"]:
        for lacking in case.get("missing", ()):
            out.print(f"{case['name']}: {lacking}", markup=False, soft_wrap=True)
    for key in ("check", "check_parts"):
        if key in document:
            out.print(document[key], markup=False, soft_wrap=True)
    out.print(root["study"], markup=False, soft_wrap=True)
