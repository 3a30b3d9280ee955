"""Every public name says what it is, and the reference page says the same."""

import importlib.util
import inspect
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def loaded():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = loaded()
NAMES = [(name, value) for name, value in reference.documented() if reference.needs_words(value)]
NAMES += reference.returned()


def lacking(name, value):
    """What of a public name has no docstring of its own: a dataclass has one that Python made."""
    found = [] if value.__doc__ and not value.__doc__.startswith(f"{value.__name__}(") else [name]
    if inspect.isclass(value):
        found += [f"{name}.{member}" for member, function in reference.members(value) if not function.__doc__]
    return found


@pytest.mark.parametrize(("name", "value"), NAMES, ids=[name for name, _ in NAMES])
def test_a_public_name_has_a_docstring_and_so_have_its_methods(name, value):
    assert lacking(name, value) == []


def test_what_has_no_docstring_is_seen():
    class Silent:
        def method(self): ...

        @property
        def attribute(self): ...

    assert lacking("Silent", Silent) == ["Silent", "Silent.method", "Silent.attribute"]


def test_the_modules_of_the_face_are_in_the_reference():
    import mcflow

    modules = {name for name in mcflow.__all__ if inspect.ismodule(getattr(mcflow, name))}
    assert modules <= set(reference.MODULES)
    assert {"mcflow.compare", "mcflow.theory.fixed_points", "mcflow.schemes.register"} <= {name for name, _ in NAMES}


def test_the_reference_is_up_to_date():
    assert " at 0x" not in reference.page(), "a default value has no text of its own"
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run python docs/make_reference.py"
