"""The panel on the library. Only `Gate` imports it, when somebody comes."""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import ChoiceLoader, FunctionLoader
from pydantic import BaseModel, ValidationError
from sqladmin import Admin
from sqladmin.authentication import AuthenticationBackend
from sqladmin.authorization import Action, AuthorizationBackend
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.datastructures import URLPath
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from app.core.errors import DomainError
from app.modules.auth.errors import HaltedLoginError, InvalidCredentialsError
from app.modules.common.problems import status_of

from .entrance import (
    FORM_HEADER,
    Code,
    Credentials,
    complete,
    entry_of,
    log_in,
    log_out,
)
from .extension import AdminView
from .record_view import record_view
from .settings import PATH

Fields = TypeVar("Fields", bound=BaseModel)

_OWN = Path(__file__).parent
_DELIMITER = re.compile(r"\[[\[%]|[\]%]\]")
_BRACES = str.maketrans("[]", "{}")

_LEFT_OUT = frozenset(
    {"ajax_lookup", "export", "file_download", "file_preview", "import", "logout"}
)
_LOOKING = frozenset({Action.LIST, Action.DETAILS})


class Panel:
    def __init__(
        self,
        views: Sequence[AdminView],
        *,
        title: str,
        read_sessions: async_sessionmaker[AsyncSession],
        form_token: Callable[[Request], str],
    ) -> None:
        """`form_token` makes what every form has in it."""
        self._router = _Router(redirect_slashes=False)
        self._admin = _Admin(
            self._router,  # type: ignore[arg-type]  # it is only mounted there
            session_maker=read_sessions,
            base_url=PATH,
            title=title,
            authentication_backend=_Entered(),
            authorization_backend=_ByPermission(views),
            static_files_kwargs={"directory": _OWN / "static"},
        )
        env = self._admin.templates.env
        loader = env.loader
        assert isinstance(loader, ChoiceLoader)  # noqa: S101
        # In place of the folder `templates` of wherever the process was started.
        env.loader = ChoiceLoader([FunctionLoader(_own_template), *loader.loaders[1:]])
        env.globals["form_token"] = form_token
        env.globals["form_header"] = FORM_HEADER
        app = self._admin.admin
        # Instead of the library's own, which would answer every defect by itself: the service does.
        app.middleware_stack = ExceptionMiddleware(
            app.router,
            handlers={**app.exception_handlers, DomainError: self.refuse},  # type: ignore[dict-item]
        )
        app.router.routes[:] = [
            # The library's own takes a link for a logout.
            Route("/logout", self._admin.leave, methods=["POST"], name="logout"),
            *(it for it in app.router.routes if getattr(it, "name", None) not in _LEFT_OUT),
        ]
        for view in views:
            self._admin.add_view(record_view(view))

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._router(_own_scope(scope), receive, send)

    async def refuse(self, request: Request, error: DomainError) -> Response:
        """A page that says what is wrong."""
        own = Request({**_own_scope(request.scope), "router": self._router})
        response = await self._admin.templates.TemplateResponse(
            own,
            "sqladmin/error.html",
            {"status_code": error.title, "message": error.detail},
            status_code=int(status_of(type(error))),
        )
        response.headers.update(_headers(error))
        return response


class _Router(Router):
    """Its addresses have no scheme; see `_own_scope`."""

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:  # noqa: ANN401
        return URLPath(str(super().url_path_for(name, **path_params)))


class _Admin(Admin):
    async def login(self, request: Request) -> Response:
        """Both halves: the second takes a code, where a step of the login asks for one."""
        if request.method == "GET":
            return await self._login_page(request, HTTPStatus.OK)
        fields = {name: str(value) for name, value in request.state.admin_form.items()}
        response = _redirect(request, "admin:index")
        try:
            if "challenge" in fields:
                await complete(request, _read(Code, fields), response)
            else:
                await log_in(request, _read(Credentials, fields), response)
        except HaltedLoginError as exc:
            return await self._login_page(
                request, HTTPStatus.OK, prompt=exc.title, challenge=exc.login_challenge
            )
        except DomainError as exc:
            page = await self._login_page(
                request,
                status_of(type(exc)),
                error=exc.detail,
                # Another code may be the right one.
                challenge=fields.get("challenge"),
            )
            page.headers.update(_headers(exc))
            return page
        return response

    async def _login_page(self, request: Request, status: int, **shown: str | None) -> Response:
        return await self.templates.TemplateResponse(
            request, "sqladmin/login.html", dict(shown), int(status)
        )

    async def leave(self, request: Request) -> Response:
        response = _redirect(request, "admin:login")
        if (caller := request.state.admin_caller) is not None:
            await log_out(request, caller, response)
        return response


class _Entered(AuthenticationBackend):
    """The gate has found out who is there."""

    def __init__(self) -> None:
        # The base class would bring a session cookie of its own.
        self.middlewares = []

    async def authenticate(self, request: Request) -> Response | bool:
        return request.state.admin_entry is not None

    async def get_user_id(self, request: Request) -> Any:  # noqa: ANN401 (as in the base class)
        return entry_of(request).caller.user.id


class _ByPermission(AuthorizationBackend):
    def __init__(self, views: Sequence[AdminView]) -> None:
        self._views = {record_view(view).identity: view for view in views}

    def has_permission(
        self,
        request: Request,
        identity: str,
        action: str,
        obj: Any | None = None,  # noqa: ANN401, ARG002 (as in the base class)
    ) -> bool:
        view = self._views[identity]
        needed = view.read if action in _LOOKING else view.write
        return needed.name in entry_of(request).permissions


def _own_scope(scope: Scope) -> Scope:
    """Without the host's name, so that all addresses in the pages are paths.

    Behind a proxy that ends TLS and is not trusted they would begin with `http` otherwise. And
    without the service's router: names of routes are looked up in that of the panel.
    """
    headers = [item for item in scope["headers"] if item[0] != b"host"]
    own = {key: value for key, value in scope.items() if key != "router"}
    return {**own, "headers": headers, "server": None}


def _redirect(request: Request, name: str) -> RedirectResponse:
    return RedirectResponse(request.url_for(name), int(HTTPStatus.SEE_OTHER))


def _read(schema: type[Fields], fields: Mapping[str, str]) -> Fields:
    """Raises `InvalidCredentialsError` for what cannot be a login at all."""
    known = {name: value for name, value in fields.items() if name in schema.model_fields}
    try:
        return schema.model_validate(known)
    except ValidationError:
        raise InvalidCredentialsError from None


def _headers(error: DomainError) -> dict[str, str]:
    if error.retry_after_seconds is None:
        return {}
    return {"retry-after": str(error.retry_after_seconds)}


def _own_template(name: str) -> str | None:
    """Ours, which stand in for those of the library with the same name.

    They have brackets where those have braces: the project's own template engine, which wrote
    these files, has braces too.
    """
    path = _OWN / "templates" / name.removeprefix("sqladmin/")
    if not name.startswith("sqladmin/") or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    return _DELIMITER.sub(lambda found: found[0].translate(_BRACES), text)
