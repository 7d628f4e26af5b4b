"""What stands before the service: nginx, as its container and a virtual machine have it, and Caddy."""

import tempfile
from pathlib import Path

from harness.artefacts import Artefact
from harness.commands import run
from harness.proxy import TOOLS, issue, lay_out_nginx, nginx_command

# Strict-Transport-Security comes from the service.
GIXY = "--skips hsts_header"
PORTS = {"plain": 8080, "tls": 8443, "health": 8081, "service": 8000}


def check_nginx(project: Path) -> list[str]:
    """nginx's own test of the configuration, and gixy's of what it lets through."""
    found = []
    for image in (False, *([True] if (project / "deploy/nginx/nginx.conf").exists() else [])):
        with tempfile.TemporaryDirectory(prefix="slipway-nginx-") as name:
            folder = Path(name) / "nginx"
            lay_out_nginx(project, folder, PORTS, image=image)
            issue(folder / "certificates")
            for command in ([*nginx_command(folder, image=image), "-t"], f"{TOOLS}/gixy {GIXY} nginx.conf"):
                outcome = run(command, folder)
                # A directive that is about to go is only a warning.
                if not outcome.ok or "[warn]" in outcome.output:
                    found.append(str(outcome).replace(name, ""))
    return found


def check_caddy(project: Path) -> list[str]:
    """Caddy's own test of the configuration, and of its form."""
    folder = project / "deploy/caddy"
    with tempfile.TemporaryDirectory(prefix="slipway-caddy-") as name:
        extra = {"DOMAIN": "api.example.com", "XDG_DATA_HOME": name, "XDG_CONFIG_HOME": name}
        commands = (f"{TOOLS}/caddy validate --config Caddyfile", f"{TOOLS}/caddy fmt --diff Caddyfile")
        valid, formatted = (run(command, folder, extra) for command in commands)
    is_formatted = not any(line.startswith(("+", "-")) for line in formatted.output.splitlines())
    return [str(outcome) for outcome, right in ((valid, valid.ok), (formatted, is_formatted)) if not right]


ARTEFACTS = [
    Artefact(
        name="nginx",
        files=["deploy/nginx/service.conf", "deploy/nginx/*.conf"],
        check=check_nginx,
        faults=[
            ("deploy/nginx/service.conf", "proxy_pass http://service;", "proxy_pass http://servce;"),
            ("deploy/nginx/service.conf", "limit_req zone=requests", "limit_req zone=request"),
            ("deploy/nginx/service.conf", "proxy_set_header Host $host;", "proxy_set_header Host $http_host;"),
            ("deploy/nginx/service.conf", "server_tokens off;", "server_tokens on;"),
            ("deploy/nginx/redirect.conf", "return 308", "return 308 301"),
            ("deploy/nginx/nginx.conf", "http2 on;", "http2 yes;"),
        ],
    ),
    Artefact(
        name="Caddy",
        files=["deploy/caddy/Caddyfile"],
        check=check_caddy,
        faults=[
            ("deploy/caddy/Caddyfile", "max_size 1048576", "max_size much"),
            ("deploy/caddy/Caddyfile", "dial_timeout", "dial_limit"),
            ("deploy/caddy/Caddyfile", "\t", "    "),
        ],
    ),
]
