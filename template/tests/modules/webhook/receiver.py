"""The other side, with the library that customers use."""

from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.infrastructure.http_client.servers import LocalServer, Received


class Receiver(LocalServer):
    """A customer's server."""

    @property
    def hook(self) -> str:
        return f"{self.url}/hook"


def is_signed(secret: str, received: Received) -> bool:
    """Whether this secret has made one of the signatures, a short while ago."""
    try:
        Webhook(secret).verify(received.body, dict(received.headers))
    except WebhookVerificationError:
        return False
    return True


def verified(secret: str, received: Received) -> dict[str, Any]:
    """The payload, if the request is genuine, fresh and as the specification says."""
    assert received.method == "POST"
    assert received.headers["content-type"] == "application/json"
    payload: dict[str, Any] = Webhook(secret).verify(received.body, dict(received.headers))
    assert payload.keys() == {"type", "timestamp", "data"}
    return payload
