"""A run from start to end: checks, parts, stopping, the file (or the same bytes in memory)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow import machine
from mcflow.bounds import share, whole_number
from mcflow.errors import InputError, Unfinished, as_path
from mcflow.files import assembly
from mcflow.files import target as store
from mcflow.files.header import head_image
from mcflow.files.part_folder import DamagedPart, FolderParts, MemoryParts, Parts
from mcflow.files.result import Result
from mcflow.files.seal import seal_of
from mcflow.files.shards import Shard, refuse_other_shard, write_shard
from mcflow.files.target import Target
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plan import Prepared
from mcflow.running import engine, space
from mcflow.running.division import Division
from mcflow.running.interrupts import Interrupts, caught
from mcflow.running.progress import Silent
from mcflow.running.stopping import Stop, looks, worst_relative_error
from mcflow.running.workers.crew import Crew, ThisProcess

if TYPE_CHECKING:
    from concurrent.futures import Executor


def run(
    study: Study | Case | Iterable[Case],
    path: str | Path | None = None,
    *,
    method: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    backward: bool | None = None,
    resume: bool = False,
    overwrite: bool = False,
    until_error: float | None = None,
    executor: Executor | None = None,
    progress: bool = False,
) -> Result:
    """Simulate a study, or the cases of one, and open what it gave.

    With a ``path`` the rows stream into that HDF5 file; without, the same rows stay in memory. ``threads`` None is
    every core. ``backward`` overrides the study's. ``executor`` is any ``concurrent.futures.Executor``: its workers
    compute the parts, to the same bits; ``threads`` is then what each part may use. Raises InputError for what cannot
    run, Unfinished where the disk takes no more or workers are lost (then ``resume=True`` continues), and
    Interrupted on Ctrl-C.
    """
    from mcflow import plan
    from mcflow.files.target import Target, begun
    from mcflow.running.progress import Silent, watcher
    from mcflow.running.workers.choice import workers_of

    if not isinstance(study, Study):
        if isinstance(study, (str, Path)):
            raise InputError(f"{str(study)!r} is no study; for one in a file write Study.from_file({str(study)!r})")
        study = Study(study)
    if backward is not None:
        study = replace(study, backward=backward)
    target = None if path is None else Target(as_path(path), resume, overwrite)
    prepared = plan.prepare(study, method, device, begun=begun(target) if target else None)
    crew = None if executor is None else workers_of(executor, threads)
    options = Options(threads=threads, until_error=until_error, crew=crew)
    watch = watcher(quiet=False) if progress else Silent()
    if target is None:
        return Result(None, run_in_memory(prepared, options, watch))
    run_to_file(prepared, target, options, watch)
    return Result(target.path)


_LONGEST_STEM = 120  # letters of a name that nobody chose


@dataclass(frozen=True)
class Options:
    """How a study is run; none of it changes a number in the file.

    ``threads`` None takes every core this process may use. ``until_error`` stops at the first look at which every
    second moment's relative standard error is under it. ``crew`` computes the parts; None is this process.
    """

    threads: int | None = None
    shard: Shard | None = None
    until_error: float | None = None
    crew: Crew | None = None

    def __post_init__(self) -> None:
        if self.threads is not None:
            object.__setattr__(self, "threads", whole_number("threads", self.threads, 1))
        if self.until_error is not None:
            share("until_error", self.until_error)
            if self.shard is not None:
                raise InputError("until_error looks at all networks, a shard has some; give one of the two")

    @property
    def workers(self) -> Crew:
        return self.crew or ThisProcess(self.threads)

    @property
    def threads_here(self) -> int:
        """Threads that compute in this process, for the estimate of its memory."""
        return 1 if self.crew is not None else self.threads or machine.cores()


def run_to_file(prepared: Prepared, target: Target, options: Options, watch: Silent) -> Stop | None:
    """Compute what is missing and make the file (or the shard's); what ``until_error`` found, where it was asked.

    Raises InputError before anything is written, Unfinished where the disk takes no more or a part was changed
    meanwhile, Interrupted on a signal: after the last two, whole parts are kept and ``resume`` continues.
    """
    target.refuse_existing()
    if not target.path.exists() or not target.resume:
        space.check(prepared, target.folder, options.threads_here, options.shard)
    options.workers.check(prepared.jobs)
    with store.opened(target, watch.say) as parts, caught() as interrupts, _closing(watch):
        target.refuse_existing()  # again: another run may have made it between the first look and the lock
        if options.shard is not None and target.resume and target.path.exists():
            refuse_other_shard(target.path, seal_of(prepared), options.shard)
            watch.say(f"{target.path} already holds shard {options.shard}; nothing to do")
            return None
        if (begun := store.begun(target)) is not None:
            prepared = _beside_other_devices(prepared, begun.devices, watch)
        if store.adopt(target, prepared, parts):
            watch.say(f"{target.path} already has these networks; nothing to do")
            return None
        if options.shard is not None:
            engine.refuse_other_parts(prepared, parts, options.shard)
        try:
            engine.refuse_damage(parts, watch.say)
            with _streamed(prepared, parts, options) as stored:
                stop = _work(prepared, stored, options, watch, interrupts)
                if options.shard is not None:
                    write_shard(options.shard, head_image(prepared), parts, target.path, parts.folder)
                    store.clear(parts.folder)
                    return None
                done = prepared if stop is None else prepared.with_networks(stop.networks)
                store.finish(target, done, stored, {} if stop is None else stop.attributes())
        except OSError as error:
            raise engine.unfinished(error, target.folder) from None
        except DamagedPart as error:
            raise Unfinished(
                f"{error}; the other parts are whole, and a run that continues computes it again"
            ) from None
        return stop


def _streamed(prepared: Prepared, parts: FolderParts, options: Options) -> contextlib.AbstractContextManager[Parts]:
    """The parts; with the file beside them where it has rows and how many is known."""
    if prepared.study.keep != "networks" or options.shard is not None or options.until_error is not None:
        return contextlib.nullcontext(parts)
    return store.streamed(prepared, parts)


def _beside_other_devices(prepared: Prepared, before: str, watch: Silent) -> Prepared:
    """The study as it goes on from networks that other devices computed; says so."""
    if not before or before == prepared.device:
        return prepared
    watch.say(f"the networks that are there were computed on {before}, the rest are on {prepared.device}")
    return replace(prepared, before=before)


def run_in_memory(prepared: Prepared, options: Options, watch: Silent) -> bytes:
    """The bytes of the file that ``run_to_file`` would make."""
    space.check(prepared, None, options.threads_here)
    options.workers.check(prepared.jobs)
    parts = MemoryParts()
    with caught() as interrupts, _closing(watch):
        stop = _work(prepared, parts, options, watch, interrupts)
    done = prepared if stop is None else prepared.with_networks(stop.networks)
    attributes: dict[str, Any] = {"state": "complete", **({} if stop is None else stop.attributes())}
    return assembly.assemble_image(head_image(done), parts, attributes)


def _work(prepared: Prepared, parts: Parts, options: Options, watch: Silent, interrupts: Interrupts) -> Stop | None:
    watch.begin(Division.of(prepared, options.shard).total(), engine.networks_done(prepared, parts, options.shard))
    if options.until_error is None:
        engine.compute(prepared, parts, options.workers, watch, interrupts, options.shard)
        return None
    stop = None
    for networks in looks(prepared):
        step = prepared.with_networks(networks)
        if engine.holds_more(step, parts) and networks < prepared.study.networks:
            continue  # an earlier run looked here and went on
        engine.compute(step, parts, options.workers, watch, interrupts, None)
        stop = Stop(options.until_error, worst_relative_error(step, parts), networks)
        if stop.reached:
            break
    return stop


@contextlib.contextmanager
def _closing(watch: Silent) -> Iterator[None]:
    try:
        yield
    finally:
        watch.close()


def new_path(study: Study) -> Path:
    """A name under runs/ that no file has."""
    stem = study.names[0] if len(study.cases) == 1 else f"{len(study.cases)}-cases"
    stem = stem.replace(":", "_").replace(",", "_").replace("/", "_")[:_LONGEST_STEM]
    number = 1
    while True:
        path = Path("runs") / (f"{stem}.h5" if number == 1 else f"{stem}-{number}.h5")
        if not path.exists() and not store.parts_folder(path).exists():
            return path
        number += 1
