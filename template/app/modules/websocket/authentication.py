from starlette.requests import HTTPConnection

from app.modules.auth.bearer import BearerAuthenticator

SUBPROTOCOL = "rooms.v1"
_PREFIX = "bearer."


class SubprotocolAuthenticator(BearerAuthenticator):
    """The access token as one of the subprotocols that a WebSocket's handshake offers.

    Pages can set no header of a handshake but this one: `new WebSocket(url, ["rooms.v1", "bearer."
    + token])`. In the URL it would stand in every log on the way.
    """

    def presented(self, connection: HTTPConnection) -> str | None:
        offered = connection.scope.get("subprotocols", ())
        tokens = (it.removeprefix(_PREFIX) for it in offered if it.startswith(_PREFIX))
        return next(tokens, None)
