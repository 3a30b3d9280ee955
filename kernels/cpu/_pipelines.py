"""Two ways through Numba: functions with vectors as wide as the registers, and functions that live in others alone.

Whole registers: for Intel's AVX-512 processors LLVM takes half of one unless a function says so. That was the better
choice on the first such processors, which lowered their clock for whole ones; on a later one whole registers make 1.4
times the normal numbers. The wish is an attribute of each function and not an option of the process: the order of a sum
follows the width, and must not depend on what else a process compiles.

Inside others alone: Numba optimises a function and makes machine code of it, and does so again wherever it is called,
with all that it calls. For what only compiled code calls, the first is for nothing: it is left out, and a function that
is called three levels down is optimised once and not four times. A third of all that compilation takes.
"""

import ctypes

from numba.core import lowering
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import BaseNativeLowering, NativeLowering


class _Lower(lowering.Lower):
    def setup_function(self, fndesc):
        super().setup_function(fndesc)
        set.add(self.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` knows no such names


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(BaseNativeLowering):
    _name = "native_lowering_to_whole_registers"

    @property
    def lowering_class(self):
        return _Lower


class WholeRegisters(CompilerBase):
    """Numba's pipeline, whose functions ask for 512-bit vectors; where a processor has none, LLVM takes what it has."""

    lowering = _Lowering

    def define_pipelines(self):
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(self.lowering if step is NativeLowering else step, what) for step, what in pipeline.passes]
        pipeline.finalize()
        return [pipeline]


class _WithoutEngine:
    """In the place of what holds machine code: there is no variable to tell a function's environment to."""

    @staticmethod
    def set_env(name, environment):
        pass


class _Library(JITCodeLibrary):
    """The code of one function as it was lowered, to be linked into that of its callers."""

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name):
        # Asked for the entry for Python alone. A function that raises TypeError: zero would crash whoever calls it.
        return ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value

    @property
    def codegen(self):
        return _WithoutEngine


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringInside(_Lowering):
    _name = "native_lowering_inside_others"

    def run_pass(self, state):
        if state.library is None:
            state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
        return super().run_pass(state)


class InsideOthers(WholeRegisters):
    """That pipeline for functions that only compiled code calls; from Python they raise TypeError."""

    lowering = _LoweringInside
