"""Vectors as wide as the registers: for Intel's AVX-512 processors LLVM takes half of one unless a function says so.

Half registers were the better choice on the first such processors, which lowered their clock for whole ones. On a later
one whole registers make 1.4 times the normal numbers. The wish is an attribute of each function and not an option of
the process: the order of a sum follows the width, and must not depend on what else a process compiles.
"""

from numba.core import lowering
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

    def define_pipelines(self):
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(_Lowering if step is NativeLowering else step, what) for step, what in pipeline.passes]
        pipeline.finalize()
        return [pipeline]
