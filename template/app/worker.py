"""The entry point of background processes: `celery -A app.worker worker`, and `... beat`."""

import sys
from functools import partial

from app.bootstrap.features import enabled_features
from app.bootstrap.lifespan import open_features, supervise
from app.bootstrap.settings import load_settings
from app.bootstrap.variables import ConfigurationError
from app.core.feature import Process, extensions_of
from app.infrastructure.celery.worker import create_worker
from app.infrastructure.logging.setup import configure_logging

try:
    settings = load_settings()
except ConfigurationError as exc:
    sys.exit(str(exc))

configure_logging(settings.log, deployed=settings.environment.is_deployed)
features = enabled_features(settings)
app = create_worker(
    extensions_of(features),
    partial(open_features, features, works=True),
    partial(supervise, features, Process.WORKER),
)
