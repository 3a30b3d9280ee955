"""The words of ``layers = [...]``: read from what TOML or Python holds, and unrolled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mcflow.errors import InputError, nearest
from mcflow.model.layers.act import Act
from mcflow.model.layers.dense import Dense
from mcflow.model.layers.repeat import Repeat

Layer = Dense | Act | Repeat
WORDS: dict[str, type[Layer]] = {kind.word: kind for kind in (Dense, Act, Repeat)}
DEEPEST = 8  # repeats inside repeats


def read(items: Any, depth: int = 0) -> tuple[Layer, ...]:
    """The layers of a list whose items are layers, bare words, or tables such as ``{dense = 16, gain = 1.4}``.

    Raises InputError for what is none of these, naming the nearest word.
    """
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Sequence):
        raise InputError(f'layers must be a list such as [{{dense = 16}}, "act"], not {items!r}')
    if depth > DEEPEST:
        raise InputError(f"repeats stand more than {DEEPEST} deep in each other; write fewer")
    return tuple(_read(item, depth) for item in items)


def _read(item: Any, depth: int) -> Layer:
    if isinstance(item, Repeat):
        return Repeat(item.count, read(item.items, depth + 1))
    if isinstance(item, Dense | Act):
        return item
    table: Mapping[str, Any] = {item: None} if isinstance(item, str) else item
    if not isinstance(table, Mapping) or not table:
        raise InputError(f"{item!r} is no layer; write {{dense = 16}} or dense(16), or another of {', '.join(WORDS)}")
    word = next(iter(table))
    if word not in WORDS:
        raise InputError(f"unknown layer {word!r}; {nearest(str(word), WORDS)}")
    kind, value = WORDS[word], table[word]
    if value is None and kind is not Act:
        raise InputError(f"layer {word!r} says nothing of its size; write {{{word} = 16}}")
    for option in table:
        if option != word and option not in kind.options:
            known = f"it takes {', '.join(kind.options)}" if kind.options else "it takes none"
            raise InputError(f"unknown option {option!r} of layer {word!r}; {known}")
    given = {option: table[option] for option in kind.options if option in table}
    if kind is Repeat:
        return Repeat(value, read(given.get("layers", ()), depth + 1))
    return kind(value, **given)


def count(items: Iterable[Layer], word: str) -> int:
    """How many layers of that word there are, repeats counted out."""
    return sum(i.count * count(i.items, word) if isinstance(i, Repeat) else i.word == word for i in items)


def unroll(items: Iterable[Layer], inside: str = "") -> Iterator[tuple[Dense | Act, str]]:
    """Every layer in its order with its name: ``dense2``, or ``repeat3.dense1`` the third time of a repeat."""
    seen: Counter[str] = Counter()
    for item in items:
        for _ in range(item.count if isinstance(item, Repeat) else 1):
            seen[item.word] += 1
            name = f"{inside}{item.word}{seen[item.word]}"
            if isinstance(item, Repeat):
                yield from unroll(item.items, f"{name}.")
            else:
                yield item, name
