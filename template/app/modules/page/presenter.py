from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response

from app.core.problems import ProblemPresenter
from app.core.routing import API_PREFIX, route_path

from .pages import Pages
from .routing import PageRoute

logger = structlog.get_logger()


class ErrorPages(ProblemPresenter):
    """Shows errors as pages on the paths of pages; where there is no route at all, to browsers.

    The API, the probes and the documentation keep theirs, whatever a client says it accepts.
    """

    def present(
        self, request: Request, problem: Mapping[str, Any], headers: Mapping[str, str] | None
    ) -> Response | None:
        if not _is_for_people(request):
            return None
        try:
            return _page(request, problem, headers)
        except Exception:
            # An error page that cannot be shown must not hide the error.
            logger.exception("broken error page")
            return None


def _page(
    request: Request, problem: Mapping[str, Any], headers: Mapping[str, str] | None
) -> Response:
    detail, status = problem.get("detail"), problem["status"]
    is_unknown = status == HTTPStatus.NOT_FOUND and detail is None
    return Pages(request.state.site, request).render(
        "error.html",
        status=status,
        headers=headers,
        code=status,
        name="There is no such page" if is_unknown else problem["title"],
        # An exception of Starlette's may carry data instead.
        detail=detail if isinstance(detail, str) else None,
        request_id=problem["request_id"],
    )


def _is_for_people(request: Request) -> bool:
    path = route_path(request.scope)
    if path.startswith(f"{API_PREFIX}/"):
        return False
    there = [
        isinstance(context.original_route, PageRoute)
        for context in iter_route_contexts(request.app.routes)
        if context.path_regex is not None and context.path_regex.match(path)
    ]
    return any(there) if there else "text/html" in request.headers.get("accept", "")
