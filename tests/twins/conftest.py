"""A machine with a GPU for tests that have none: real compilers, and a device that takes code and runs none of it."""

import pytest


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A pretended device, an empty folder, and a count of the kernels that were compiled."""
    import cuda_code
    from mcflow.kernels.cuda import disk_cache
    from numba.cuda import dispatcher

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    disk_cache.folder.cache_clear()
    context = cuda_code.pretend_a_device(monkeypatch)
    context.compiled = []
    compile_it = dispatcher._Kernel.__init__

    def counted(self, *arguments, **options):
        context.compiled.append(arguments)
        compile_it(self, *arguments, **options)

    monkeypatch.setattr(dispatcher._Kernel, "__init__", counted)
    yield context
    disk_cache.folder.cache_clear()
