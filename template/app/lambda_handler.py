"""Answers the requests of an HTTP API: `app.lambda_handler.handler` is what AWS Lambda calls.

Importing it starts the service, once for each container.
"""

import atexit
import signal
import sys
from typing import Any

from app.core.collecting import without_collecting

with without_collecting():
    from app.bootstrap.factory import create_app
    from app.bootstrap.features import enabled_features
    from app.bootstrap.lifespan import open_features
    from app.bootstrap.settings import load_settings
    from app.bootstrap.variables import ConfigurationError
    from app.infrastructure.aws_lambda.container import Container
    from app.infrastructure.aws_lambda.http_api import Event, answer
    from app.infrastructure.logging.setup import configure_logging

    try:
        settings = load_settings()
    except ConfigurationError as exc:
        sys.exit(str(exc))

    configure_logging(settings.log, deployed=settings.environment.is_deployed)
    features = enabled_features(settings)
    app = create_app(settings, features, is_late=True)
    container = Container(features, open_features(features, serves=True, rests=True))
# AWS sends the signal only where the function has an extension.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
atexit.register(container.close)


def handler(event: Event, context: Any) -> dict[str, Any]:  # noqa: ANN401 (AWS has no class for it)
    request_id: str = context.aws_request_id
    return container.run(lambda state: answer(app, event, state=state, request_id=request_id))
