"""A program as text: a line for each op, in 80 columns where names and numbers are of the usual length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mcflow.model.ops import Op, Shape

COLUMNS = 80
RIGHT = ("op", "numbers", "std", "bias")


def text(ops: Iterable[Op], beside: Mapping[str, Sequence[str]] | None = None) -> str:
    """A table of the ops; ``beside`` has further columns by their heading, a cell for each op.

    Nothing is cut: columns stand closer where the line would be longer than 80, and run over where that is too little.
    """
    heads = ["op", "layer", "does", "shape", "fans", "role", "numbers", "std", "bias"]
    rows = [_cells(number, op) for number, op in enumerate(ops, 1)]
    for name, column in (beside or {}).items():
        heads.append(name)
        for row, cell in zip(rows, column, strict=True):
            row.append(cell)
    table = list(zip(*[heads, *rows], strict=True))
    table = [column for column in table if any(column[1:])]  # no biases: no column of them
    sizes = [max(map(len, column)) for column in table]
    gap = 2 if sum(sizes) + 2 * (len(sizes) - 1) <= COLUMNS else 1
    shown = [column[0] for column in table]
    lines = []
    for cells in zip(*table, strict=True):
        fitted = map(_fitted, shown, cells, sizes)
        lines.append((" " * gap).join(fitted).rstrip())
    return "\n".join(lines)


def _fitted(head: str, cell: str, size: int) -> str:
    return cell.rjust(size) if head in RIGHT else cell.ljust(size)


def _cells(number: int, op: Op) -> list[str]:
    """Number, layer, what it does, shape, fans, role, random numbers, standard deviations of weights and biases."""
    plain = [str(number), op.name, op.function or op.kind, _shape(op.after)]
    if op.weights is None:
        return [*plain, *[""] * 5]
    weights = op.weights
    fans = f"{weights.fans.fan_in},{weights.fans.fan_out}"
    if weights.stated != weights.fans:
        fans += f" (stated {weights.stated.fan_in},{weights.stated.fan_out})"
    bias = f"{weights.bias_std:.3g}" if weights.bias_std else ""
    return [*plain, fans, weights.role, str(op.parameters), f"{weights.std:.3g}", bias]


def _shape(shape: Shape) -> str:
    return str(shape.features) if shape.positions == 1 else f"{shape.features} x {shape.positions}"
