"""A prepared study to finished parts: which parts are missing is the only question it asks."""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from mcflow.errors import InputError, Unfinished, option
from mcflow.files import part_image
from mcflow.files.part_folder import DamagedPart, FolderParts, PartName, Parts, usable
from mcflow.files.shards import Shard
from mcflow.plan import Prepared
from mcflow.running.division import Division
from mcflow.running.interrupts import Interrupts
from mcflow.running.progress import Silent
from mcflow.running.work import Piece, assign
from mcflow.running.workers.crew import Crew, Image
from mcflow.sampling.blocks import Block
from mcflow.sampling.part import are_halves, fold

_FOLD = 16  # parts of a summary study that are in the way, at which those that make one are folded


def compute(
    prepared: Prepared, parts: Parts, crew: Crew, watch: Silent, interrupts: Interrupts, shard: Shard | None
) -> None:
    """Have ``crew`` compute all networks that ``parts`` lacks (of this shard) and put them there.

    Raises Interrupted with all whole parts kept, and OSError at the next block after a part could not be written.
    """
    present = _Present(parts, watch, prepared)
    missing = (
        assign(prepared, each, present.start(each))
        for piece in Division.of(prepared, shard).pieces()
        for each in present.missing(piece)
    )
    is_folded = prepared.study.keep == "summary" and shard is None

    def keep(piece: Piece, image: Image) -> None:
        present.put(piece, image())
        if is_folded:
            present.fold(piece.case)

    # beside the computing of the next part, from the moment on when its image is made; one waits at most
    with ThreadPoolExecutor(1) as writer, contextlib.closing(crew.compute(missing, watch, interrupts)) as computed:
        for assignment, image in computed:
            if interrupts.beside is not None:
                interrupts.beside.result()
            interrupts.beside = writer.submit(keep, assignment.piece, image)
        if interrupts.beside is not None:
            interrupts.beside.result()


def networks_done(prepared: Prepared, parts: Parts, shard: Shard | None) -> int:
    """Networks that lie in whole parts, over all cases, up to the number asked for."""
    asked = prepared.study.networks
    division = Division.of(prepared, shard)
    chosen, _ = usable(parts.names())
    return sum(
        min(name.end, asked) - name.first
        for names in chosen.values()
        for name in names
        if name.first < asked and division.has(name) and (not division.is_folded or _is_whole(prepared, name))
    )


def _is_whole(prepared: Prepared, name: PartName) -> bool:
    """Whether a folded part stays as it is, however many networks are asked for: not where its last group is short."""
    return name.networks % prepared.jobs[name.case].group == 0 or name.end == prepared.study.networks


def holds_more(prepared: Prepared, parts: Parts) -> bool:
    """Whether some case has networks beyond the number asked for."""
    return any(name.end > prepared.study.networks for name in parts.names())


class _Present:
    """The parts that are there, kept in step with the store by one thread, while another asks what is missing."""

    def __init__(self, parts: Parts, watch: Silent, prepared: Prepared) -> None:
        self._store = parts
        self._watch = watch
        self._prepared = prepared
        self._parts, replaced = usable(parts.names())
        for name in replaced:
            parts.remove(name)

    def missing(self, piece: Piece) -> Iterator[Piece]:
        """What of a piece has to be computed: folded networks in halves, of which some may be there."""
        here = self._within(piece)
        if any(name.first <= piece.first and name.end >= piece.end for name in here):
            return
        if not here or self._prepared.study.keep == "networks" or piece.count <= self._prepared.jobs[piece.case].group:
            yield piece
            return
        half = 1 << (piece.count - 1).bit_length() - 1
        yield from self.missing(Piece(piece.case, piece.first, half))
        yield from self.missing(Piece(piece.case, piece.first + half, piece.count - half))

    def _within(self, piece: Piece) -> list[PartName]:
        names = self._parts.get(piece.case, [])
        start = max(0, bisect.bisect_right(names, piece.first, key=lambda name: name.first) - 1)
        stop = bisect.bisect_left(names, piece.end, key=lambda name: name.first)
        return [name for name in names[start:stop] if name.end > piece.first]

    def start(self, piece: Piece) -> Block | None:
        """The rows of a shorter part, which are the first ones of the longer; None where there are none to use."""
        if self._prepared.study.keep != "networks":
            return None
        name = next((name for name in self._within(piece) if name.first == piece.first), None)
        if name is None:
            return None
        try:
            part = part_image.decode(self._store.read(name))
        except DamagedPart as error:
            self._watch.say(f"{error}; it is computed again")
            return None
        assert part.rows is not None
        return Block(part.first, part.rows, part.preactivation_counts, part.gradient_counts, part.log2)

    def put(self, piece: Piece, image: bytes) -> None:
        """Keep a part; those that lie in it go."""
        self._replace(self._store.write(piece.case, piece.first, piece.count, image))

    def _replace(self, name: PartName) -> None:
        names = self._parts.get(name.case, [])
        inside = [other for other in names if name.first <= other.first < name.end and other != name]
        # a new list: another thread may be reading the old one
        self._parts[name.case] = sorted([name, *(other for other in names if other not in inside and other != name)])
        for other in inside:
            self._store.remove(other)

    def fold(self, case: int) -> None:
        """Fold those parts of a case that make one together, once there are enough of them."""
        names = self._parts[case]
        sets = _halves(names)
        if len(names) - len(sets) < _FOLD:
            return
        for together in sets:
            if len(together) > 1:
                total = fold(part_image.decode(self._store.read(name)) for name in together)
                image = part_image.encode(total, self._prepared.identity)
                self._replace(self._store.write(case, total.first, total.count, image))


def _halves(names: Iterable[PartName]) -> list[list[PartName]]:
    """Names, ascending, in sets that fold to one part each."""
    sets: list[list[PartName]] = []
    for name in names:
        sets.append([name])
        while len(sets) > 1 and are_halves(*(n for each in sets[-2:] for n in (each[0].first, each[-1].end))):
            sets[-2:] = [sets[-2] + sets[-1]]
    return sets


def refuse_other_parts(prepared: Prepared, parts: FolderParts, shard: Shard) -> None:
    """InputError where a part is not of this shard: it would be put into the shard's file, and its own run lose it."""
    division = Division.of(prepared, shard)
    other = next((name for name in parts.names() if not division.has(name)), None)
    if other is not None:
        raise InputError(
            f"{parts.folder} has networks {other.first} to {other.end - 1} of case {other.case}, which are not shard "
            f"{shard}'s but of another run: name another {option('path')} for the shard, or finish that run first"
        )


def refuse_damage(parts: Parts, say: Callable[[str], None]) -> None:
    """Remove parts whose bytes have changed, and say so: they are computed again."""
    for name in parts.names():
        try:
            parts.read(name)
        except DamagedPart as error:
            say(f"{error}; it is computed again")
            parts.remove(name)


def unfinished(error: OSError, path: object) -> Unfinished:
    """The sentence for a disk that would not take any more."""
    reason = error.strerror or str(error)
    return Unfinished(f"cannot write {path}: {reason}; the parts written so far are whole")
