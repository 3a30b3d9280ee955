"""``mcflow run``: sample, propagate, and stream one study into one file."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mcflow.cli.options import json_option, make_study, study_options
from mcflow.cli.values import WHOLE, Named
from mcflow.errors import InputError
from mcflow.plural import counted

EXAMPLE = """\b
Examples:
  mcflow run
  mcflow run --scheme kaiming_normal --activation relu --depth 50 --networks 10000 -o runs/relu.h5
  mcflow run study.toml --resume -o runs/relu.h5"""


def _methods() -> list[str]:
    from mcflow.methods import registry

    return ["auto", *registry.names()]


def _devices() -> tuple[str, ...]:
    from mcflow.sampling.devices import DEVICES

    return DEVICES


def _kept() -> tuple[str, ...]:
    from mcflow.model.study import KEEP

    return KEEP


@click.command(epilog=EXAMPLE)
@study_options
@click.option("--raw", is_flag=True, help="Inputs as they are, not scaled to second moment 1.")
@click.option("--networks", type=WHOLE, metavar="N", help="Networks of each case [default: 1000].")
@click.option("--seed", type=WHOLE, metavar="S", help="Seed of all that is drawn [default: 0].")
@click.option("-o", "--output", metavar="FILE", help="The file [default: a new name under runs/].")
@click.option(
    "--method", default="auto", type=Named(_methods), metavar="METHOD", help="auto, direct, collapsed or chain."
)
@click.option(
    "--device",
    default="auto",
    type=Named(_devices),
    metavar="DEVICE",
    help="auto, cpu or cuda; cuda:0,1 is cuda with --gpus 0,1.",
)
@click.option("--threads", type=WHOLE, metavar="T", help="Threads [default: every core this process may use].")
@click.option("--backward/--no-backward", default=None, help="Gradients too, or not [default: with them].")
@click.option("--keep", type=Named(_kept), metavar="WHAT", help="networks (every row, default) or summary.")
@click.option("--until-error", type=float, metavar="R", help="Stop when every relative standard error is under R.")
@click.option("--resume", is_flag=True, help="Continue what is there, up to N networks in all.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--shard", metavar="i/n", help="Only every n-th part, or auto in a SLURM job array; see mcflow merge.")
@click.option("--dask", metavar="ADDRESS|local:N", help="Workers of a Dask scheduler, or N processes here.")
@click.option("--gpus", metavar="N,N,...", help="GPUs by number, a process each [default: the first].")
@click.option("--quiet", is_flag=True, help="No progress.")
@json_option
def command(**options: Any) -> int:
    """Draw random networks, send inputs forward and gradients back, and keep every layer's statistics.

    The closing line of a case says "kept" of second moments that stay within a factor 2 over the whole depth; drift:
    within 10; else "vanish" or "explode" and by how much. Where biases or phi(0) != 0 give all inputs a common part, it
    says too what becomes of the differences between them.
    """
    from mcflow import plan
    from mcflow.errors import Unfinished
    from mcflow.files.shards import Shard
    from mcflow.files.target import Target, begun
    from mcflow.running import run
    from mcflow.running.interrupts import Interrupted
    from mcflow.running.progress import watcher
    from mcflow.running.workers import dask, gpus

    if options["dask"] and (options["gpus"] or ":" in options["device"]):
        raise InputError("--dask and --gpus both say who computes; give one of the two")
    study = make_study(options)
    shard = Shard.parse(options["shard"]) if options["shard"] else None
    choices = run.Options(options["threads"], shard, options["until_error"])  # refused before anything is started
    watch = watcher(options["quiet"])
    began = time.perf_counter()
    path = _path(options["output"], shard, run.new_path(study))
    target = Target(path, options["resume"], options["overwrite"])
    device, numbers = gpus.split(options["device"], options["gpus"])
    device = gpus.device_for(numbers, device)
    prepared = plan.prepare(study, options["method"], device, begun(target), shard.of if shard else None)
    if not options["quiet"]:
        _announce(prepared, path, watch)
    try:
        with (
            dask.crew(options["dask"], options["threads"], watch.say) as crew,
            gpus.crew(numbers, prepared.device) as gpu_crew,
        ):
            stop = run.run_to_file(prepared, target, replace(choices, crew=crew or gpu_crew), watch)
    except Interrupted as interrupted:
        print(f"mcflow: interrupted; whole parts are kept, and this continues:\n  {_resume(path)}", file=sys.stderr)
        return 128 + interrupted.number
    except Unfinished as error:
        raise Unfinished(f"{error}; to continue: {_resume(path)}") from None
    if shard is not None:
        print(f"{path}: shard {shard}; mcflow merge joins the shards", file=sys.stderr if options["as_json"] else None)
        return 0
    _close(path, prepared, stop, time.perf_counter() - began, options["as_json"])
    return 0


def _announce(prepared: Any, path: Path, watch: Any) -> None:
    study = prepared.study
    sources = ", ".join(dict.fromkeys(f"{job.case.batch} {job.case.inputs}" for job in prepared.jobs))
    methods = ", ".join(dict.fromkeys(job.method for job in prepared.jobs))
    count = len(prepared.jobs)
    watch.announce(
        f"{counted(count, 'case')} x {counted(study.networks, 'network')} on {sources} inputs, "
        f"{methods}, {prepared.device}{f' ({prepared.device_reason})' if prepared.device_reason else ''} -> {path}"
    )
    for note in dict.fromkeys(job.inputs_note for job in prepared.jobs):
        if note:
            watch.announce(note)
    for method, reason in dict.fromkeys((job.method, job.reason) for job in prepared.jobs):
        names = [job.name for job in prepared.jobs if (job.method, job.reason) == (method, reason)]
        which = "all cases" if len(names) == count else ", ".join(names)
        watch.announce(f"{method}: {reason} ({which})")
    for activation in dict.fromkeys(job.case.nonlinearity for job in prepared.jobs):
        if not activation.is_builtin:
            slope = "; its derivative is a central difference" if activation.derivative_by_difference else ""
            watch.announce(f"{activation.name}: your own function, compiled into the kernels in about a second{slope}")


def _path(output: str | None, shard: Any, new: Path) -> Path:
    if output is None:
        path = new
    elif not output:
        raise InputError("-o is empty; name a file, as in -o runs/relu.h5, or leave it out for a new name under runs/")
    elif output.endswith("/") or Path(output).is_dir():
        path = Path(output) / new.name
    else:
        return Path(output)
    if shard is not None:
        path = path.with_name(f"{path.stem}.shard-{shard.number:05d}-of-{shard.of:05d}.h5")
    return path


def _resume(path: Path) -> str:
    """The command line that continues this run: this one, with its file named and --resume."""
    arguments = [word for word in sys.argv[1:] if word not in ("--overwrite", "--resume")]
    named = any(word in ("-o", "--output") or word.startswith(("-o", "--output=")) for word in arguments)
    if not named:
        arguments += ["-o", str(path)]
    return shlex.join(["mcflow", *arguments, "--resume"])


def _close(path: Path, prepared: Any, stop: Any, seconds: float, as_json: bool) -> None:
    from mcflow.answers import signal
    from mcflow.cli import tables
    from mcflow.files.target import summaries_of

    networks, summaries = summaries_of(path)
    cases = [signal.of_case(summaries[job.name], job) for job in prepared.jobs]
    _warn_of_missing(prepared, summaries, networks)
    if as_json:
        document: dict[str, Any] = {"file": str(path), "networks": networks, "seconds": seconds}
        document |= {"device": prepared.device, "device_reason": prepared.device_reason, "cases": signal.records(cases)}
        for record, job in zip(document["cases"], prepared.jobs, strict=True):
            record |= {"method": job.method, "method_reason": job.reason, "device": job.device}
        if stop is not None:
            document["until_error"] = {"target": stop.target, "achieved": stop.achieved, "reached": stop.reached}
        tables.print_json(document)
        return
    tables.print_flow(cases)
    if stop is not None:
        print(stop.sentence())
    print(f"{counted(networks, 'network')} of {counted(len(cases), 'case')} in {seconds:.1f} s: {path}")


def _warn_of_missing(prepared: Any, summaries: Any, networks: int) -> None:
    """On stderr, which networks came out without a number: verify will call their case inconsistent."""
    from mcflow.files.missing import has_every_cosine, missing

    for job in prepared.jobs:
        cosines = has_every_cosine(job.case.nonlinearity, job.inputs)
        for item in missing(summaries[job.name], networks, cosines):
            print(f"mcflow: {job.name}: {item.sentence}", file=sys.stderr)
