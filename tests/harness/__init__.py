"""What the tests of the template stand on; the tests themselves are beside this package."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template"
ANSWERS_FILE = ".copier-answers.yml"
