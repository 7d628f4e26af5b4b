from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from app.core.extensions import Extensions
from app.core.feature import Feature, extensions_of
from app.core.routing import API_PREFIX, LateNames, LateRouter

from .lifespan import open_features
from .middleware import service_middleware
from .openapi import install_openapi, operation_id
from .problems import install_problem_handlers
from .settings import DESCRIPTION, TITLE, Settings


def create_app(
    settings: Settings, features: Sequence[Feature], *, is_late: bool = False
) -> FastAPI:
    """Build the service; nothing is opened until the server starts the lifespan.

    `is_late`: what only some requests need is imported when the first of them comes.
    """

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
    roots = [router for it in features for router in it.root_routers]
    routers = [router for it in features for router in _routers(it, extensions)]
    for router in roots:
        app.include_router(_included(router, is_late=is_late))
    for router in routers:
        app.include_router(_included(router, is_late=is_late), prefix=API_PREFIX)
    if is_late:
        app.state.late_routers = [it for it in (*roots, *routers) if isinstance(it, LateRouter)]
        app.router.routes.append(LateNames(app))
    return app


def _routers(feature: Feature, extensions: Extensions) -> tuple[APIRouter, ...]:
    extended = feature.extended_routers
    return (*feature.routers, *(extended(extensions) if extended else ()))


def _included(router: APIRouter, *, is_late: bool) -> APIRouter:
    return router.router if isinstance(router, LateRouter) and not is_late else router
