"""What stands before the library: it is loaded at the first request and sees no other's.

Who is there, what they may do and whether a page of ours has sent the form is decided here, for
every path at once, and the headers are set.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync
from starlette.datastructures import FormData, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from app.core.errors import DomainError
from app.core.extensions import Extensions
from app.core.routing import route_path
from app.infrastructure.database.database import Database
from app.infrastructure.database.session import database_of
from app.infrastructure.form.cookies import HostCookies
from app.infrastructure.form.token import FIELD, is_secret, is_token_of, new_secret, new_token
from app.infrastructure.http.origins import is_from_us
from app.infrastructure.security.context import name_actor
from app.infrastructure.security.dependencies import events_of

from .entrance import FORM_HEADER, enter
from .errors import FormRefusedError
from .extension import AdminView
from .session import PanelSessions
from .settings import PATH

if TYPE_CHECKING:
    from .panel import Panel

_SECRET_COOKIE = "form"  # noqa: S105 (its name)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# More than the widest table.
_MOST_FIELDS = 200

# Whoever has lost the right to be here can still leave, or come as somebody else.
_FOR_ALL = frozenset({f"{PATH}/login", f"{PATH}/logout"})

_HEADERS = {
    # Scripts and styles from here alone, and none inside the pages. The icons of its style sheets
    # are `data:`; selects and dialogs set styles from scripts, which this does not forbid.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # With the service's own, `no-referrer`, browsers send `Origin: null` with a form.
    "referrer-policy": "same-origin",
}
# The library's files, which change with its version.
_KEPT = "public, max-age=3600"


class Gate:
    def __init__(
        self,
        extensions: Extensions,
        *,
        title: str,
        database: Database,
        sessions: PanelSessions,
        cookies: HostCookies,
    ) -> None:
        self.extensions = extensions
        self.title = title
        self.database = database
        self.sessions = sessions
        self.cookies = cookies
        self._panel: Panel | None = None
        self._loading = anyio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        if path == PATH:
            to_index = RedirectResponse(f"{scope.get('root_path', '')}{PATH}/")
            await to_index(scope, receive, send)
            return
        panel = self._panel or await self._load()
        is_asset = path.startswith(f"{PATH}/statics/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.update(_HEADERS)
                if is_asset and message["status"] == HTTPStatus.OK:
                    headers["cache-control"] = _KEPT
                self._set_cookies(scope, headers)
            await send(message)

        if is_asset:
            await panel.serve(scope, receive, send_with_headers)
            return
        request = Request(scope, receive)
        try:
            receive = await self._admit(request, path)
        except DomainError as exc:
            response = await panel.refuse(request, exc)
            await response(scope, receive, send_with_headers)
            return
        await panel.serve(scope, receive, send_with_headers)

    async def _load(self) -> "Panel":
        async with self._loading:
            if self._panel is None:
                # Tenths of a second: not while others wait.
                self._panel = await run_sync(self._build)
        return self._panel

    def _build(self) -> "Panel":
        from .panel import Panel  # noqa: PLC0415 (the library is dear to import)

        return Panel(
            self.extensions.of(AdminView),
            title=self.title,
            read_sessions=self.database.read_sessions,
            form_token=self.form_token,
        )

    async def _admit(self, request: Request, path: str) -> Receive:
        """Find out who is there and whether they mean it; what is left to be received."""
        state = request.state
        state.admin_entry = None
        found = await self.sessions.find(request)
        if found is not None:
            caller, state.admin_is_to_renew = found
            name_actor(caller.user.id)
        receive = request.receive
        if request.method not in _SAFE:
            state.admin_form, receive = await self._checked(request, found is not None)
        if found is not None and path not in _FOR_ALL:
            state.admin_entry = await enter(request, found[0])
        state.admin_caller = None if found is None else found[0]
        return receive

    async def _checked(self, request: Request, is_known: bool) -> tuple[FormData, Receive]:  # noqa: FBT001
        """The form, and the body to be read again. Raises `FormRefusedError`."""
        body, form = b"", FormData()
        # What cannot be read has no token either.
        with suppress(HTTPException, ClientDisconnect):
            body = await request.body()
            form = await request.form(max_fields=_MOST_FIELDS, max_files=0)
        token = request.headers.get(FORM_HEADER) or str(form.get(FIELD, ""))
        secret = self.cookies.read(request, _SECRET_COOKIE)
        is_ours = secret is not None and is_secret(secret) and is_token_of(secret, token)
        if not (is_ours and is_from_us(request, ())):
            if is_known:
                async with database_of(request).transaction() as session:
                    await events_of(request).record(
                        session, "csrf_refused", None, is_warning=True, path=request.url.path
                    )
            raise FormRefusedError

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return form, receive

    def form_token(self, request: Request) -> str:
        """Another one for each page, and a secret for a browser that has none yet."""
        secret: str | None = getattr(request.state, "admin_secret", None)
        if secret is None:
            kept = self.cookies.read(request, _SECRET_COOKIE)
            secret = kept if kept is not None and is_secret(kept) else new_secret()
            request.state.admin_secret = secret
        return new_token(secret)

    def _set_cookies(self, scope: Scope, headers: MutableHeaders) -> None:
        state, response = scope["state"], Response()
        if (secret := state.get("admin_secret")) is not None:
            self.cookies.set(response, _SECRET_COOKIE, secret)
        caller = state.get("admin_caller")
        is_set = any(name == "set-cookie" for name, _ in headers.items())
        if caller is not None and state.get("admin_is_to_renew") and not is_set:
            self.sessions.issue(response, caller.session_id)
        for name, value in response.headers.items():
            if name == "set-cookie":
                headers.append(name, value)
