"""From where the current request comes, for whoever records it."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from app.infrastructure.http.headers import header

# A browser's is some 120 characters; a longer one is noise.
USER_AGENT_LENGTH = 255
ADDRESS_LENGTH = 45


@dataclass(slots=True)
class Origin:
    """Reads the request where somebody asks, which is seldom."""

    # Not for any log: it has the credentials.
    scope: Scope | None = field(default=None, repr=False)
    actor_id: UUID | None = None
    """Who is calling, once that is known."""

    @property
    def address(self) -> str | None:
        """The client's, or that of the last proxy that is not trusted with naming it."""
        client = None if self.scope is None else self.scope.get("client")
        # A trusted proxy passes on what it was told, which need not be an address.
        return printable(client[0], ADDRESS_LENGTH) if client else None

    @property
    def user_agent(self) -> str | None:
        agent = None if self.scope is None else header(self.scope, b"user-agent")
        return printable(agent.decode("latin-1"), USER_AGENT_LENGTH) if agent else None

    @property
    def request_id(self) -> str | None:
        return None if self.scope is None else self.scope["state"].get("request_id")


_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


def name_actor(user_id: UUID) -> None:
    """The request is theirs, in what is recorded of it and in its log lines."""
    current_origin().actor_id = user_id
    bind_contextvars(user_id=str(user_id))


def current_origin() -> Origin:
    """That of the request being answered; an empty one in commands and background work."""
    return _origin.get() or Origin()


def current_address() -> str:
    """What attempts are counted by; empty in commands and background work."""
    return current_origin().address or ""


class OriginMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        token = _origin.set(Origin(scope))
        try:
            await self.app(scope, receive, send)
        finally:
            _origin.reset(token)


def printable(text: str, length: int) -> str:
    """What a stranger sent, fit for logs and tables: no control characters, no line breaks."""
    return "".join(character for character in text if character.isprintable())[:length]
