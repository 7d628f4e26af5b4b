"""What a process that answers requests need not have imported to start."""

import json
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent

_PROGRAM = """
import json, sys
import app.main
print(json.dumps(sorted(sys.modules)))
"""


def test_imports_nothing_before_it_is_needed(tmp_path: Path) -> None:
    """The `imported_late.txt` of the features name what only some requests or processes need."""
    late = {name for path in TESTS.rglob("imported_late.txt") for name in path.read_text().split()}
    done = subprocess.run(  # noqa: S603 (our own)
        [sys.executable, "-c", _PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent), "ENVIRONMENT": "test"},
    )

    assert done.returncode == 0, done.stderr
    assert "typer" in late
    assert late & {*json.loads(done.stdout.splitlines()[-1])} == set()
