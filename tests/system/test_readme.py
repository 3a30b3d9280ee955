"""The Python of README.md runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_the_python_blocks_run_one_after_another_in_an_empty_folder(tmp_path):
    pytest.importorskip("matplotlib", reason="an example draws with matplotlib")
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2
    environment = dict(os.environ, MPLBACKEND="Agg")
    for number, block in enumerate(blocks):
        path = tmp_path / f"block{number}.py"
        path.write_text(block, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, path.name],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
    assert (tmp_path / "runs" / "relu.h5").exists()
    assert (tmp_path / "difference.png").exists()
