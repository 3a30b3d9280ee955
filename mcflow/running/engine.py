"""A prepared study to finished parts: which parts are missing is the only question it asks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from mcflow.errors import Unfinished
from mcflow.files import part_image
from mcflow.files.part_folder import DamagedPart, PartName, Parts, usable
from mcflow.files.shards import Shard
from mcflow.plan import Prepared
from mcflow.running.division import Division
from mcflow.running.interrupts import Interrupts
from mcflow.running.progress import Silent
from mcflow.running.work import Piece, assign
from mcflow.running.workers.crew import Crew
from mcflow.sampling.blocks import Block
from mcflow.sampling.part import fold

_FOLD = 16  # whole parts of a summary study that wait before they are folded into one


def compute(
    prepared: Prepared, parts: Parts, crew: Crew, watch: Silent, interrupts: Interrupts, shard: Shard | None
) -> None:
    """Have ``crew`` compute every part that ``parts`` lacks (of this shard) and put it there.

    Raises Interrupted with all whole parts kept.
    """
    present = _Present(parts, watch, prepared.study.keep)
    missing = (
        assign(prepared, piece, present.start(piece))
        for piece in Division.of(prepared, shard).pieces()
        if present.networks(piece) < piece.count
    )
    with contextlib.closing(crew.compute(missing, watch, interrupts)) as computed:
        for assignment, image in computed:
            piece = assignment.piece
            present.put(piece, image)
            if prepared.study.keep == "summary" and shard is None:
                present.fold(piece.case, prepared.jobs[piece.case].part, prepared.identity)


def networks_done(prepared: Prepared, parts: Parts, shard: Shard | None) -> int:
    """Networks that lie in whole parts, over all cases, up to the number asked for."""
    division = Division.of(prepared, shard)
    present, prefixes, _ = usable(parts.names())
    folded = sum(min(name.number * division.sizes[name.case], division.networks) for name in prefixes.values())
    return folded + sum(
        min(name.networks, division.piece(name.case, name.number).count)
        for name in present.values()
        if division.has(name)
    )


def holds_more(prepared: Prepared, parts: Parts) -> bool:
    """Whether some case has networks beyond the number asked for."""
    division = Division.of(prepared)
    present, _, _ = usable(parts.names())
    return any(name.networks > division.piece(name.case, name.number).count for name in present.values())


class _Present:
    """The parts that are there, kept in step with the store."""

    def __init__(self, parts: Parts, watch: Silent, keep: str) -> None:
        self._store = parts
        self._watch = watch
        self._keep = keep
        self._parts, self._prefixes, superseded = usable(parts.names())
        for name in superseded:
            parts.remove(name)

    def networks(self, piece: Piece) -> int:
        prefix = self._prefixes.get(piece.case)
        if prefix is not None and piece.number < prefix.number:
            return piece.count
        name = self._parts.get((piece.case, piece.number))
        return 0 if name is None else name.networks

    def start(self, piece: Piece) -> Block | None:
        """The rows of a shorter part, which are the first ones of the longer; None where there are none to use."""
        name = self._parts.get((piece.case, piece.number))
        if name is None or self._keep != "networks":
            return None
        try:
            part, _ = part_image.decode(self._store.read(name))
        except DamagedPart as error:
            self._watch.say(f"{error}; it is computed again")
            return None
        assert part.rows is not None
        return Block(part.first, part.rows, part.preactivation_counts, part.gradient_counts, part.log2)

    def put(self, piece: Piece, image: bytes) -> None:
        name = self._store.write(piece.case, piece.number, piece.count, image)
        before = self._parts.get((piece.case, piece.number))
        self._parts[piece.case, piece.number] = name
        if before is not None and before != name:
            self._store.remove(before)

    def fold(self, case: int, whole: int, identity: str) -> None:
        """Fold a case's contiguous whole parts into its prefix, once there are enough of them."""
        prefix = self._prefixes.get(case)
        first = 0 if prefix is None else prefix.number
        run: list[PartName] = []
        while (name := self._parts.get((case, first + len(run)))) is not None and name.networks == whole:
            run.append(name)
        if len(run) < _FOLD:
            return
        names = run if prefix is None else [prefix, *run]
        total = fold([part_image.decode(self._store.read(name))[0] for name in names])
        image = part_image.encode(total, identity)
        self._prefixes[case] = self._store.write(case, first + len(run), total.count, image, is_prefix=True)
        for name in names:
            self._store.remove(name)
        for name in run:
            del self._parts[case, name.number]


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
