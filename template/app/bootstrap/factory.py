from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app.core.feature import Feature, extensions_of
from app.core.routing import API_PREFIX

from .lifespan import open_features
from .middleware import service_middleware
from .openapi import install_openapi, operation_id
from .problems import install_problem_handlers
from .settings import DESCRIPTION, TITLE, Settings


def create_app(settings: Settings, features: Sequence[Feature]) -> FastAPI:
    """Build the service; nothing is opened until the server starts the lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with open_features(features, serves=True) as state:
            yield state

    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=settings.version,
        lifespan=lifespan,
        middleware=service_middleware(settings, features),
        generate_unique_id_function=operation_id,
        # The docs feature serves these itself.
        openapi_url=None,
        # A redirect to the path with a slash is a second request, and a body sent twice.
        redirect_slashes=False,
        **{name: value for it in features for name, value in it.app_options.items()},
    )
    install_problem_handlers(app)
    extensions = extensions_of(features)
    install_openapi(app, extensions)
    for feature in features:
        for router in feature.root_routers:
            app.include_router(router)
    for feature in features:
        extended = feature.extended_routers
        for router in (*feature.routers, *(extended(extensions) if extended else ())):
            app.include_router(router, prefix=API_PREFIX)
    return app
