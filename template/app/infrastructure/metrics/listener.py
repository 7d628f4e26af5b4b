"""A listener for metrics alone."""

import json
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from pydantic import SecretStr

from .exposition import Exposition
from .guard import CHALLENGE, is_allowed
from .routes import PATH

Expose = Callable[[str], Exposition]


@contextmanager
def listening(listener: socket.socket, token: SecretStr | None, expose: Expose) -> Generator[None]:
    """Answer in threads of this process."""
    server = _Server(listener, token, expose)
    thread = Thread(target=server.serve_forever, args=(0.1,), name="metrics listener", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, token: SecretStr | None, expose: Expose) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.token = token
        self.expose = expose


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    # For a client that says nothing.
    timeout = 10

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif not is_allowed(self.server.token, self.headers.get("Authorization")):
            self._refuse(HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", CHALLENGE))
        else:
            content, media_type = self.server.expose(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, content, media_type)

    def log_message(self, *_: object) -> None:
        """Nothing: it comes every few seconds."""

    def _refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        problem = {"type": "about:blank", "title": status.phrase, "status": status}
        self._answer(status, json.dumps(problem).encode(), "application/problem+json", *headers)

    def _answer(
        self, status: HTTPStatus, content: bytes, media_type: str, *headers: tuple[str, str]
    ) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", media_type), *headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
