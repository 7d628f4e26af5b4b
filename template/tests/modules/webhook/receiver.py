"""The other side, written from the specification and not from our code."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from tests.infrastructure.http_client.servers import LocalServer, Received


class Receiver(LocalServer):
    """A customer's server."""

    @property
    def hook(self) -> str:
        return f"{self.url}/hook"


def matching(secret: str, received: Received) -> int:
    """How many of the signatures this secret has made."""
    key = base64.b64decode(secret.split("_", 1)[1])
    sent = received.headers
    text = sent["webhook-id"] + "." + sent["webhook-timestamp"] + "." + received.body.decode()
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return sent["webhook-signature"].split(" ").count(expected)


def verified(secret: str, received: Received) -> dict[str, Any]:
    """The payload, if the request is genuine, fresh and as the specification says."""
    assert received.method == "POST"
    assert received.headers["content-type"] == "application/json"
    assert abs(time.time() - int(received.headers["webhook-timestamp"])) < 60
    assert matching(secret, received) == 1
    payload: dict[str, Any] = json.loads(received.body)
    assert payload.keys() == {"type", "timestamp", "data"}
    return payload
