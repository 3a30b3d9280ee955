"""No function of the kernels takes more than eight arguments: what belongs together is told as one NamedTuple."""

import ast
from pathlib import Path

KERNELS = Path(__file__).parents[2] / "kernels"
MOST = 8


def too_many(folder: Path) -> list[str]:
    """FILE:FUNCTION of every function, inner ones and lambdas included, with more than MOST arguments."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                arguments = node.args
                count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
                if count > MOST:
                    found.append(f"{path.relative_to(folder)}:{getattr(node, 'name', 'lambda')}")
    return found


def test_no_function_of_the_kernels_takes_more_than_eight_arguments():
    assert not too_many(KERNELS)


def test_a_ninth_argument_is_seen(tmp_path):
    module = tmp_path / "cpu" / "module.py"
    module.parent.mkdir()
    module.write_text("def eight(a, b, c, d, e, f, g, h): ...")
    assert not too_many(tmp_path)
    module.write_text("def outer():\n    def nine(a, b, c, d, e, f, g, /, h, *, i): ...")
    assert too_many(tmp_path) == ["cpu/module.py:nine"]
