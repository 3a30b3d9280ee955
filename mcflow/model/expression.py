"""Numbers written as arithmetic: ``sqrt(1.5)``, ``4/3``, ``1/sqrt(L)``. Nothing else is read, and no code is run."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

from mcflow.errors import InputError

_LONGEST = 200  # characters: no number of a case takes more
_FUNCTIONS: dict[str, Callable[[float], float]] = {"sqrt": math.sqrt, "exp": math.exp, "log": math.log}
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_CONSTANTS = {"pi": math.pi}


def number(name: str, text: str, known: Mapping[str, float] | None = None) -> float:
    """The value of ``text``: numbers, + - * / **, brackets, sqrt, exp, log, pi and the names that are ``known``.

    Raises InputError, with ``name`` for what it is, where the text is anything else or has no finite real value.
    """
    values = {**_CONSTANTS, **(known or {})}
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval") if len(text) <= _LONGEST else None
        found = math.nan if tree is None else _value(tree.body, values)
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError):
        found = math.nan
    except (ArithmeticError, OverflowError) as error:
        raise InputError(f"{name} = {text}: {error}; it must be a finite number") from None
    if not math.isfinite(found):
        words = ", ".join([*_FUNCTIONS, *sorted(values)])
        raise InputError(f"{name} = {text[:60]!r} is no number; write one, or arithmetic with {words}, as in sqrt(1.5)")
    return found


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Name):
        return float(values[node.id])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _value(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        return _FUNCTIONS[node.func.id](_value(node.args[0], values))
    raise ValueError("no arithmetic")
