"""What machine code is made of: the bytecode of a function and every constant, global and closure that it reads.

Compilers take globals and closures for constants. Two functions of one fingerprint are the same function, in any
process; one that reads what can change afterwards has none.
"""

import hashlib
import math
import sys
import types

import numpy

# What modules of these names hold is said by their versions, and what the kernels' own hold by their text: both are the
# caller's to know.
_KNOWN = frozenset({"_operator", "builtins", "cmath", "math", "numba", "numpy", "operator"})
_OURS = __name__.rpartition(".cuda.")[0]


class Unknown(Exception):
    """A function reads something of which it cannot be said that it stays the same: a user's module, an array."""


def fingerprint(function, function_in):
    """Hexadecimal SHA-256 of a plain function and all that it reads; Unknown where that cannot be said.

    ``function_in(value)`` is the plain function in a compiled one whose globals are its own, and None for any other
    value.
    """
    reader = _Reader(function_in)
    reader.read_function(function)
    return reader.digest.hexdigest()


class _Reader:
    """A walk through functions, each entered once, which tells everything that it meets to a digest."""

    def __init__(self, function_in):
        self.digest, self.function_in = hashlib.sha256(), function_in
        self.numbers, self.kept = {}, []

    def say(self, *words):
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            self.digest.update(len(data).to_bytes(8, "little") + data)

    def read_function(self, function):
        if id(function) in self.numbers:
            self.say("function again", self.numbers[id(function)])
            return
        self.numbers[id(function)] = len(self.numbers)
        self.kept.append(function)  # so that no other takes its id
        self.say("function")
        self.read_code(function.__code__, function.__globals__)
        self.read(function.__defaults__)
        self.read(tuple(sorted((function.__kwdefaults__ or {}).items())))
        cells = function.__closure__ or ()
        self.say("closure", len(cells))
        for cell in cells:
            self.read(cell.cell_contents)

    def read_code(self, code, names):
        self.say("code", code.co_code, code.co_exceptiontable, code.co_flags)
        self.say(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        self.say(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, len(code.co_consts))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.read_code(constant, names)
            else:
                self.read(constant)
        for name in code.co_names:  # of attributes too: what is read without need makes no two functions one
            if name in names:
                self.say("global", name)
                self.read(names[name])

    def read(self, value):
        kind = type(value)
        function = self.function_in(value)
        if function is not None:
            self.read_function(function)
        elif value is None or value is Ellipsis or kind in (bool, int, str, bytes):
            self.say(kind.__name__, value)
        elif kind is float:
            self.say("float", "nan" if math.isnan(value) else value.hex())
        elif kind is complex:
            self.say("complex", value.real.hex(), value.imag.hex())
        elif isinstance(value, numpy.number | numpy.bool):
            self.say("scalar", value.dtype.str, value.tobytes())
        elif isinstance(value, tuple):
            self.say("tuple", len(value))
            self.name(kind)
            for each in value:
                self.read(each)
        elif kind is slice:  # a constant from Python 3.14 on
            self.say("slice")
            self.read((value.start, value.stop, value.step))
        elif kind is frozenset:  # a constant of ``x in {1, 2}``
            self.say("set", sorted(map(repr, value)))
        else:
            self.name(value)

    def name(self, value):
        """A module, class or function of those that are known, by a name that leads to it."""
        if isinstance(value, types.ModuleType):
            home, name = value.__name__, ""
        else:
            home = "numpy" if isinstance(value, numpy.ufunc) else getattr(value, "__module__", None)
            name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        if not isinstance(home, str) or not isinstance(name, str) or not self.is_known(value, home, name):
            raise Unknown(f"{name or home or value!r} may change")
        self.say(type(value).__name__, home, name)

    @staticmethod
    def is_known(value, home, name):
        is_ours = f"{home}.".startswith(f"{_OURS}.")
        found = sys.modules.get(home)
        for part in filter(None, name.split(".")):
            found = getattr(found, part, None)
        return found is value and (is_ours or home.partition(".")[0] in _KNOWN)
