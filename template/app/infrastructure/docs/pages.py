"""The documentation pages, without a CDN and under a strict content security policy.

Links are relative, so that the pages also work behind a proxy that adds a path prefix.
"""

from html import escape
from importlib.resources import files
from pathlib import Path

_OWN = Path(__file__).parent / "assets"
_PACKAGE = files("fastapi_offline") / "static"

ASSETS: dict[str, tuple[Path, str]] = {
    "docs.css": (_OWN / "docs.css", "text/css"),
    "favicon.png": (Path(str(_PACKAGE / "favicon.png")), "image/png"),
    "redoc.js": (Path(str(_PACKAGE / "redoc.standalone.js")), "text/javascript"),
    "swagger-start.js": (_OWN / "swagger-start.js", "text/javascript"),
    "swagger-ui.css": (Path(str(_PACKAGE / "swagger-ui.css")), "text/css"),
    "swagger-ui.js": (Path(str(_PACKAGE / "swagger-ui-bundle.js")), "text/javascript"),
}

# Both libraries set styles from scripts and use data: images; ReDoc searches in a worker.
# The logo that ReDoc asks its maker's server for stays blocked; ReDoc leaves it out then.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _page(title: str, head: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="docs/assets/favicon.png">
<link rel="stylesheet" href="docs/assets/docs.css">
{head}
</head>
<body>
{body}
</body>
</html>
"""


def swagger_page(title: str) -> str:
    return _page(
        title,
        '<link rel="stylesheet" href="docs/assets/swagger-ui.css">',
        '<div id="swagger-ui"></div>\n'
        '<script src="docs/assets/swagger-ui.js"></script>\n'
        '<script src="docs/assets/swagger-start.js"></script>',
    )


def redoc_page(title: str) -> str:
    return _page(
        title,
        "",
        '<redoc spec-url="openapi.json" disable-google-font></redoc>\n'
        '<script src="docs/assets/redoc.js"></script>',
    )
