"""nginx and Caddy before the service with everything on: what they let through, and what they answer themselves."""

import gzip
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from harness import proxy
from harness.commands import run
from harness.environments import Environments
from harness.projects import Renderer, add_own_feature
from harness.proxy import Front, Names
from harness.servers import free_port, running

pytestmark = pytest.mark.deploy

PROBLEM = "application/problem+json"
HSTS = "Strict-Transport-Security"
PASSWORD = "correct horse battery"
API = "/api/v1"
# Each of these is another client, as far as a server on this machine can tell.
CLIENT, STRANGER, FLOODER, GUESSER = (f"127.0.0.{number}" for number in (2, 3, 4, 5))
SPOOFED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "81",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "203.0.113.7",
    "Forwarded": "for=203.0.113.7;proto=http",
}
# As an owner writes it: what the service believes of a request.
SEEN = '''\
"""What arrives here."""

from fastapi import APIRouter, Request

from app.core.feature import Feature

router = APIRouter(prefix="/seen", tags=["seen"])


@router.get("")
async def show_what_is_seen(request: Request) -> dict[str, str]:
    """Show the client, the address of this route, and the headers."""
    host = request.client.host if request.client else ""
    return {"client": host, "url": str(request.url), **request.headers}


FEATURE = Feature(name="seen", routers=(router,))
'''


@dataclass(frozen=True)
class Service:
    """The running service."""

    project: Path
    port: int
    token: str
    settings: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def longest_body(self, path: str) -> int:
        names = ("REQUEST_MAX_BODY_BYTES", "FILE_MAX_BYTES", "FILE_FILES_PER_REQUEST")
        most, file, files = (int(self.settings[name]) for name in names)
        return {"/files": files * file + 64 * 1024, "/files/raw": file}.get(path, most)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxy")


@pytest.fixture(scope="module")
def service(render: Renderer, environments: Environments, folder: Path) -> Iterator[Service]:
    project = environments.install(render.project(folder / "project", preset="everything")).folder
    add_own_feature(project, "seen", SEEN)
    settings = {
        "DATABASE_URL": f"sqlite:///{folder}/test.db",
        "SECRET_KEY": "a secret key that is long enough for this",
        "SUPERUSER_PASSWORD": PASSWORD,
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        # The proxy's are asked here, and everybody has one address.
        "RATE_LIMIT_ENABLED": "false",
    }
    shown = ""
    for command in (
        "alembic upgrade head",
        "python -m app.cli user create-superuser --email a@example.com --username ada",
        "python -m app.cli settings",
    ):
        outcome = run(f"uv run --no-sync {command}", project, settings)
        assert outcome.ok, outcome
        shown = outcome.output
    port = free_port()
    serve = [str(project / ".venv/bin/python"), "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with running(serve, project, folder / "service.log", port, **settings):
        form = {"username": "ada", "password": PASSWORD}
        answer = httpx2.post(f"http://127.0.0.1:{port}{API}/auth/token", data=form, timeout=30)
        values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        yield Service(project, port, answer.json()["access_token"], values)


@pytest.fixture(scope="module", params=["image", "Debian"])
def nginx(request: pytest.FixtureRequest, service: Service, folder: Path) -> Iterator[Front]:
    place = folder / f"nginx-{request.param}"
    with proxy.nginx(service.project, place, service.port, image=request.param == "image") as front:
        yield front


@pytest.fixture(scope="module")
def caddy(service: Service, folder: Path) -> Iterator[Front]:
    with (
        Names(["127.0.0.1"]).served() as names,
        proxy.caddy(service.project, folder / "caddy", service.port, names) as front,
    ):
        yield front


def client(front: Front, address: str = CLIENT, *, http2: bool = False) -> httpx2.Client:
    transport = httpx2.HTTPTransport(verify=front.trust, local_address=address, http1=not http2, http2=http2)
    return httpx2.Client(base_url=front.url, transport=transport, timeout=30)


def is_problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    return body


def announce(port: int, path: str, length: int, trust: ssl.SSLContext | None = None) -> tuple[int, str]:
    """The status and the type of the answer to a request whose body is announced and never sent."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nContent-Type: image/png\r\n\r\n"
    plain = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(CLIENT, 0))
    with trust.wrap_socket(plain, server_hostname="localhost") if trust else plain as connection:
        connection.sendall(head.encode())
        with HTTPResponse(connection) as response:
            response.begin()
            return response.status, response.headers["Content-Type"]


class TestTls:
    def test_versions_and_ciphers(self, nginx: Front) -> None:
        def connected(change: Callable[[ssl.SSLContext], object]) -> str:
            context = ssl.create_default_context(cafile=None)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            change(context)
            with (
                socket.create_connection(("127.0.0.1", nginx.port), timeout=30) as plain,
                context.wrap_socket(plain) as connection,
            ):
                return str(connection.version())

        def old(context: ssl.SSLContext) -> None:
            context.maximum_version = ssl.TLSVersion.TLSv1_2

        def weak(context: ssl.SSLContext) -> None:
            old(context)
            context.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")

        assert connected(lambda _: None) == "TLSv1.3"
        assert connected(old) == "TLSv1.2"
        with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
            connected(weak)

    def test_http2(self, nginx: Front) -> None:
        with client(nginx, http2=True) as http:
            answer = http.get("/health/live")

        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")

    def test_plain_http_is_sent_there(self, nginx: Front) -> None:
        answer = httpx2.post(f"{nginx.plain_url}/a/path?and=query")

        assert answer.status_code == 308
        assert answer.headers["Location"] == "https://localhost/a/path?and=query"
        assert HSTS not in answer.headers

    def test_certificates_are_renewed_without_it(self, nginx: Front) -> None:
        assert nginx.webroot
        place = ".well-known/acme-challenge"
        (nginx.webroot / place / "token").write_text("proof")

        assert httpx2.get(f"{nginx.plain_url}/{place}/token").text == "proof"
        assert httpx2.get(f"{nginx.plain_url}/{place}/other").status_code == 404

    @pytest.mark.parametrize(("path", "status"), [("/health/live", 200), ("/no/such/path", 404)])
    def test_hsts_once(self, nginx: Front, path: str, status: int) -> None:
        with client(nginx) as http:
            answer = http.get(path)

        assert answer.status_code == status
        assert len(answer.headers.get_list(HSTS)) == 1
        assert answer.headers.get_list("Server") == ["nginx"]


class TestWhatIsBelieved:
    def test_what_a_client_says_of_itself_is_not(self, nginx: Front) -> None:
        with client(nginx) as http:
            seen = http.get(f"{API}/seen", headers=SPOOFED).json()

        assert seen["client"] == CLIENT
        assert seen["url"] == f"https://localhost{API}/seen"
        assert seen["x-forwarded-for"] == seen["x-real-ip"] == CLIENT
        assert seen["x-forwarded-proto"] == "https"
        assert not {"x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "forwarded"} & seen.keys()
        assert f'"address":"{CLIENT}"' in nginx.log.read_text()
        assert SPOOFED["X-Real-IP"] not in nginx.log.read_text()

    def test_others_than_the_proxy_are_not(self, service: Service) -> None:
        transport = httpx2.HTTPTransport(local_address=STRANGER)
        with httpx2.Client(transport=transport, timeout=30) as http:
            seen = http.get(f"http://127.0.0.1:{service.port}{API}/seen", headers=SPOOFED).json()

        assert seen["client"] == STRANGER

    def test_one_id_in_both_logs(self, nginx: Front) -> None:
        with client(nginx) as http:
            named = http.get(f"{API}/seen?token=secret", headers={"X-Request-ID": "made-by-a-client"})
            other = http.get(f"{API}/seen", headers={"X-Request-ID": 'no "id"'})

        assert named.headers["X-Request-ID"] == named.json()["x-request-id"] == "made-by-a-client"
        assert re.fullmatch("[0-9a-f]{32}", other.headers["X-Request-ID"])
        lines = [json.loads(line) for line in nginx.log.read_text().splitlines() if line.startswith("{")]
        ids = [line["request_id"] for line in lines if line["path"] == f"{API}/seen"]
        assert ids[-2:] == ["made-by-a-client", other.headers["X-Request-ID"]]
        assert "secret" not in nginx.log.read_text()

    def test_no_other_protocol_is_begun(self, nginx: Front) -> None:
        headers = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
        with client(nginx) as http:
            seen = http.get(f"{API}/seen", headers=headers).json()

        assert "upgrade" not in seen


class TestLimits:
    def test_of_one_address(self, nginx: Front) -> None:
        with client(nginx, FLOODER) as http, ThreadPoolExecutor(16) as threads:
            # Saying something else each time does not help.
            answers = list(
                threads.map(
                    lambda number: http.get("/health/live", headers={"X-Forwarded-For": f"198.51.100.{number % 250}"}),
                    range(600),
                )
            )
        refused = [answer for answer in answers if answer.status_code != 200]

        assert 0 < len(refused) <= 500
        body = is_problem(refused[0], 429)
        assert refused[0].headers["Retry-After"] == "1"
        assert body["request_id"] == refused[0].headers["X-Request-ID"]
        assert {answer.status_code for answer in refused} == {429}
        with client(nginx) as http:
            assert http.get("/health/live").status_code == 200

    def test_of_passwords(self, nginx: Front) -> None:
        with client(nginx, GUESSER) as http:
            answers = [http.post(f"{API}/auth/token") for _ in range(60)]
            other = http.get(f"{API}/auth/sessions")

        # It knows no form without fields; its limit is another one.
        assert [answer.status_code for answer in answers[:20]] == [422] * 20
        refused = [answer for answer in answers if answer.status_code != 422]
        assert len(refused) > 5
        is_problem(refused[0], 429)
        assert other.status_code == 401

    @pytest.mark.parametrize("path", ["/books", "/files", "/files/raw"])
    def test_of_bodies_is_the_services(self, nginx: Front, service: Service, path: str) -> None:
        most = service.longest_body(path)

        assert announce(service.port, f"{API}{path}", most + 1) == (413, PROBLEM)
        assert announce(nginx.port, f"{API}{path}", most + 1, nginx.trust) == (413, PROBLEM)
        if path == "/books":
            with client(nginx) as http:
                assert http.post(f"{API}/books", content=b"x" * most, headers=service.headers).status_code == 422
        else:
            # The service sees it before it has arrived, and wants to know who sends it.
            assert announce(nginx.port, f"{API}{path}", most, nginx.trust) == (401, PROBLEM)

    def test_largest_file(self, nginx: Front, service: Service) -> None:
        upload(nginx, service)

    def test_what_is_not_for_everybody(self, nginx: Front, service: Service) -> None:
        direct = f"http://127.0.0.1:{service.port}"
        # As written: a library would tidy them up.
        for path in ("/metrics", "/health/ready", "//metrics", "/x/../health/ready", "/%6detrics"):
            with closing(HTTPSConnection("localhost", nginx.port, context=nginx.trust, timeout=30)) as connection:
                connection.request("GET", path)
                assert connection.getresponse().status == 404, path
        with client(nginx) as http:
            is_problem(http.get("/metrics"), 404)
        assert httpx2.get(f"{direct}/metrics", timeout=30).status_code == 200
        assert httpx2.get(f"{direct}/health/ready", timeout=30).status_code == 200

    def test_every_path_is_one_of_the_service(self, service: Service) -> None:
        """One that the service does not have would be a limit of nothing."""
        text = "".join((service.project / "deploy/nginx" / f"{name}.conf").read_text() for name in ("http", "service"))
        paths = set(re.findall(r'(?:location = |"POST )(/[^ "]+)', text))
        known = httpx2.get(f"http://127.0.0.1:{service.port}/openapi.json", timeout=30).json()["paths"]

        assert paths > {f"{API}/files", f"{API}/auth/token", f"{API}/notices/stream"}
        assert paths - known.keys() == {"/metrics", "/admin/login", f"{API}/ws"}
        assert httpx2.post(f"http://127.0.0.1:{service.port}/admin/login", timeout=30).status_code not in {404, 405}


class TestStreams:
    def test_websocket(self, nginx: Front, service: Service) -> None:
        talk(nginx, service)

    def test_events_arrive_at_once(self, nginx: Front, service: Service) -> None:
        listen(nginx, service)

    def test_compressed_once(self, nginx: Front) -> None:
        with client(nginx) as http, http.stream("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())

        assert answer.headers.get_list("Content-Encoding") == ["gzip"]
        assert "paths" in json.loads(gzip.decompress(raw))


def talk(front: Front, service: Service) -> None:
    with connect(
        f"wss://localhost:{front.port}{API}/ws",
        ssl=front.trust,
        source_address=(CLIENT, 0),
        subprotocols=["rooms.v1", f"bearer.{service.token}"],  # type: ignore[list-item]
        proxy=None,
    ) as socket_:
        assert json.loads(socket_.recv(30))["type"] == "welcome"
        socket_.send(json.dumps({"type": "ping"}))
        assert json.loads(socket_.recv(30))["type"] == "pong"


def listen(front: Front, service: Service) -> None:
    path = f"{API}/notices/stream"
    # The next thing that comes is a comment, after 15 seconds.
    with client(front) as http, http.stream("GET", path, headers=service.headers, timeout=10) as answer:
        lines = answer.iter_lines()
        assert answer.status_code == 200
        assert next(lines).startswith("retry:")


def upload(front: Front, service: Service) -> None:
    content = b"x" * service.longest_body("/files/raw")
    headers = service.headers | {"Content-Type": "text/plain"}
    with client(front) as http:
        answer = http.post(f"{API}/files/raw?name=x.txt", content=content, headers=headers)
        assert answer.status_code == 201, answer.text
        assert http.delete(f"{API}/files/{answer.json()['id']}", headers=headers).status_code == 204


class TestServiceIsAway:
    @pytest.fixture(params=["image", "Debian", "Caddy"])
    def front(self, request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> Iterator[Front]:
        place, nobody = tmp_path / "proxy", free_port()
        if request.param == "Caddy":
            with Names(["127.0.0.1"]).served() as names, proxy.caddy(service.project, place, nobody, names) as front:
                yield front
        else:
            with proxy.nginx(service.project, place, nobody, image=request.param == "image") as front:
                yield front

    def test_it_is_told_so(self, front: Front) -> None:
        with client(front) as http:
            answer = http.get("/health/live")

        assert answer.status_code in {502, 503}
        is_problem(answer, answer.status_code)
        assert answer.headers["Retry-After"] == "5"


class TestContainerGoes:
    """Its address is silent from then on, and nginx learns only later that it has gone."""

    @pytest.fixture
    def gone(self, service: Service) -> Iterator[str]:
        address = "127.0.0.6"
        with socket.socket() as listener, socket.socket() as filling:
            listener.bind((address, service.port))
            # Nobody accepts: what comes after the first one gets no answer.
            listener.listen(0)
            filling.connect((address, service.port))
            yield address

    def test_another_one_is_asked(self, gone: str, service: Service, tmp_path: Path) -> None:
        with (
            Names(["127.0.0.1"]).served() as names,
            proxy.nginx(service.project, tmp_path / "nginx", service.port, names) as front,
            client(front) as http,
            ThreadPoolExecutor(8) as threads,
        ):
            until(lambda: http.get("/health/live").status_code == 200)
            names.addresses = ["127.0.0.1", gone]
            asked = names.count
            until(lambda: names.count > asked + 1)
            answers = [threads.submit(http.request, method, f"{API}/seen") for method in ("GET", "POST") * 4]
            # While they wait for it, nginx hears that it is not there any more.
            names.addresses = ["127.0.0.1"]
            statuses = [answer.result().status_code for answer in answers]
            log = front.log.read_text()

        # The route knows no other method.
        assert statuses == [200, 405] * 4
        assert f'"service":"{gone}:' in log


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class TestCaddy:
    def test_tls(self, caddy: Front) -> None:
        with client(caddy, http2=True) as http:
            answer = http.get("/health/live")
        plain = httpx2.get(f"{caddy.plain_url}/a/path")

        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert len(answer.headers.get_list(HSTS)) == 1
        assert plain.status_code == 308
        assert plain.headers["Location"] == "https://localhost/a/path"

    def test_what_a_client_says_of_itself_is_not_believed(self, caddy: Front) -> None:
        with client(caddy) as http:
            seen = http.get(f"{API}/seen", headers=SPOOFED).json()

        assert seen["client"] == seen["x-forwarded-for"] == seen["x-real-ip"] == CLIENT
        assert seen["x-forwarded-proto"] == "https"
        assert "evil" not in str(seen)
        assert "203.0.113" not in str(seen)

    def test_what_is_not_for_everybody(self, caddy: Front) -> None:
        with client(caddy) as http:
            is_problem(http.get("/metrics"), 404)
            is_problem(http.get("/health/ready"), 404)

    def test_limit_of_bodies(self, caddy: Front, service: Service) -> None:
        most = service.longest_body("/books")
        with client(caddy) as http:
            assert http.post(f"{API}/books", content=b"x" * most, headers=service.headers).status_code == 422
            is_problem(http.post(f"{API}/books", content=b"x" * (most + 1), headers=service.headers), 413)
        upload(caddy, service)

    def test_streams(self, caddy: Front, service: Service) -> None:
        talk(caddy, service)
        listen(caddy, service)
