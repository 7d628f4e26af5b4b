from collections.abc import Callable, Collection
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute


class PageRoute(APIRoute):
    """Shows people something: what goes wrong on its path is shown to them as a page too."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Collection[str] | None = None,
        **options: Any,  # noqa: ANN401 (handed through)
    ) -> None:
        # FastAPI's own routes answer 405 to HEAD.
        also = {"HEAD"} if "GET" in (methods or ()) else set()
        super().__init__(path, endpoint, methods={*(methods or ()), *also}, **options)


class PageRouter(APIRouter):
    """For `Feature.root_routers`; its routes are not part of the API and of its description."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 (handed through)
        super().__init__(route_class=PageRoute, include_in_schema=False, **options)
