"""The ASGI entry point: `uvicorn app.main:app`, `fastapi dev`, `python -m app.cli serve`."""

import sys

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import load_settings
from app.bootstrap.variables import ConfigurationError
from app.infrastructure.logging.setup import configure_logging

try:
    settings = load_settings()
except ConfigurationError as exc:
    sys.exit(str(exc))

configure_logging(settings.log, deployed=settings.environment.is_deployed)
app = create_app(settings, enabled_features(settings))
