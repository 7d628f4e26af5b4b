"""A whole feature as a maintainer adds it: its two folders, and one piece in each shared file that lists features."""

from pathlib import Path

NAME = "tide"

FILES = {
    "template/app/modules/tide/__init__.py": "",
    "template/app/modules/tide/settings.py": '''\
from app.core.settings import SettingsGroup


class TideSettings(SettingsGroup):
    """How high the tide stands (`TIDE_*`)."""

    mean_metres: float = 1.5
''',
    "template/app/modules/tide/routes.py": '''\
from fastapi import APIRouter

from .settings import TideSettings


def build_router(settings: TideSettings) -> APIRouter:
    router = APIRouter(prefix="/tides", tags=["tides"])

    @router.get("/mean")
    async def read_mean_tide() -> dict[str, float]:
        """Read the mean height of the water, in metres."""
        return {"metres": settings.mean_metres}

    return router
''',
    "template/app/modules/tide/feature.py": """\
from app.core.feature import Feature

from .routes import build_router
from .settings import TideSettings


def feature(settings: TideSettings) -> Feature:
    return Feature(name="tide", routers=(build_router(settings),))
""",
    "template/tests/modules/tide/__init__.py": "",
    "template/tests/modules/tide/test_routes.py": """\
import pytest
from httpx2 import AsyncClient

pytestmark = pytest.mark.anyio


async def test_mean_tide(client: AsyncClient) -> None:
    response = await client.get("tides/mean")
    assert response.status_code == 200
    assert response.json() == {"metres": 1.5}
""",
}

MANIFEST = """\
    # {% if not (tide | default(true)) %}
    /app/modules/tide
    /tests/modules/tide
    # {% endif %}

"""
QUESTION = """\
tide:
  type: bool
  help: Tides? Adds the mean height of the water.
  default: "{{ preset == 'everything' }}"
  ask: "{{ preset == 'custom' }}"
"""
FEATURES, SETTINGS = "template/app/bootstrap/features.py", "template/app/bootstrap/settings.py"
ENV_EXAMPLE = "template/.env.example"

# In which file, before which line, what. None is the end.
EDITS: list[tuple[str, str | None, str]] = [
    ("copier.yml", "    # {% if not (docker | default(true)) %}\n", MANIFEST),
    ("questions/30-features.yml", None, f"\n{QUESTION}"),
    (
        FEATURES,
        "# {% if tiers %}\nfrom app.modules.tier",
        """\
# {% if tide %}
from app.modules.tide import feature as tide
# {% endif %}
""",
    ),
    (
        FEATURES,
        "        docs.feature(",
        """\
        # {% if tide %}
        tide.feature(settings.tide),
        # {% endif %}
""",
    ),
    (
        SETTINGS,
        "# {% if tiers %}\nfrom app.modules.tier",
        """\
# {% if tide %}
from app.modules.tide.settings import TideSettings
# {% endif %}
""",
    ),
    (
        SETTINGS,
        "    trusted: ",
        """\
    # {% if tide %}
    tide: TideSettings = TideSettings()
    # {% endif %}
""",
    ),
    # Every setting is listed for the owner; a test of the service says so.
    (ENV_EXAMPLE, None, "# {% if tide %}\n\n# The long-time mean.\n#TIDE_MEAN_METRES=1.5\n# {% endif %}\n"),
]


def add_to(root: Path) -> None:
    """Add the feature to a template."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, before, text in EDITS:
        content = (root / name).read_text()
        at = len(content) if before is None else content.index(before)
        (root / name).write_text(content[:at] + text + content[at:])
