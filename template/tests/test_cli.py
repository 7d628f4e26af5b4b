import json
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner, Result

from app import cli
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.cli import Runner
from app.core.errors import UnavailableError
from app.core.feature import Feature, State
from app.core.settings import Environment
from app.core.variables import variables
from tests.support import FixedSettings

PASSWORD = "correct horse battery"
SETTINGS = FixedSettings(
    environment="test",
    port=8123,
    cors={"origins": "https://a.example,https://b.example"},
    docs={"password": PASSWORD},
)


def run(*arguments: str, settings: Settings = SETTINGS) -> Result:
    return CliRunner().invoke(cli.cli, arguments, obj=Runner(settings))


class TestSettings:
    def test_lists_every_variable(self) -> None:
        result = run("settings")
        lines = result.output.splitlines()

        assert result.exit_code == 0
        assert [line.split("=")[0] for line in lines] == [name for name, _ in variables(Settings)]
        assert "ENVIRONMENT=test" in lines
        assert "PORT=8123" in lines
        assert "CORS_ORIGINS=https://a.example,https://b.example" in lines
        assert "TRUSTED_HOSTS=*" in lines
        assert "LOG_FORMAT=" in lines

    def test_masks_secrets(self) -> None:
        output = run("settings").output

        assert "DOCS_PASSWORD=**********\n" in output
        assert PASSWORD not in output


class TestRoutes:
    def test_lists_method_path_and_name(self) -> None:
        result = run("routes")

        assert result.exit_code == 0
        assert "GET    /health/live  check_liveness\n" in result.output
        assert "GET    /health/ready  check_readiness\n" in result.output


class TestOpenapi:
    def test_prints_the_document(self) -> None:
        result = run("openapi")
        document = json.loads(result.output)

        assert result.exit_code == 0
        assert document["openapi"].startswith("3.1.")
        assert "/health/live" in document["paths"]


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """What uvicorn is asked to serve; it would not return."""
        monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
        calls: list[dict[str, Any]] = []

        def note(app: str, **options: object) -> None:
            calls.append({"app": app, **options})

        monkeypatch.setattr(uvicorn, "run", note)
        return calls

    @pytest.fixture
    def busy_port(self) -> Generator[int]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1]

    @pytest.fixture
    def free_port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
        return port

    def test_leaves_logs_to_us_and_tells_nobody_what_serves(
        self, served: list[dict[str, Any]], free_port: int
    ) -> None:
        result = run("serve", "--port", str(free_port))

        assert result.exit_code == 0, result.output
        options: dict[str, Any] = {}
        for feature in enabled_features(SETTINGS):
            options |= feature.server_options
        assert served == [
            {
                "app": "app.main:app",
                "workers": 1,
                "host": "127.0.0.1",
                "port": free_port,
                "log_config": None,
                "access_log": False,
                "server_header": False,
                **options,
            }
        ]

    def test_listens_everywhere_where_deployed(
        self, served: list[dict[str, Any]], free_port: int
    ) -> None:
        deployed = SETTINGS.model_copy(
            update={"environment": Environment.PRODUCTION, "port": free_port}
        )
        run("serve", settings=deployed)

        assert (served[0]["host"], served[0]["port"]) == ("0.0.0.0", free_port)  # noqa: S104

    def test_leaves_their_number_to_uvicorn_where_it_is_said(
        self, served: list[dict[str, Any]], free_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WEB_CONCURRENCY", "1")
        run("serve", "--port", str(free_port))

        assert served[0]["workers"] is None

    def test_takes_an_ipv6_address(self, served: list[dict[str, Any]], free_port: int) -> None:
        result = run("serve", "--host", "::1", "--port", str(free_port))

        # A machine without IPv6 says so; it is not taken for a name.
        assert served or "Cannot assign requested address" in result.output

    def test_says_what_to_do_when_the_port_is_taken(
        self, served: list[dict[str, Any]], busy_port: int
    ) -> None:
        result = run("serve", "--port", str(busy_port))

        assert result.exit_code == 1
        assert result.stderr == (
            f"Cannot listen on 127.0.0.1:{busy_port}: Address already in use. Stop what is using "
            "the port, or choose another one with PORT or --port.\n"
        )
        assert served == []

    @pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
    def test_refuses_what_is_no_port(self, served: list[dict[str, Any]], port: str) -> None:
        result = run("serve", "--port", port)

        assert result.exit_code == 2
        assert "--port" in result.stderr
        assert served == []


class TestRunner:
    def test_opens_the_features_around_a_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        events: list[str] = []

        @asynccontextmanager
        async def lifespan(_: State) -> AsyncGenerator[State]:
            events.append("open")
            yield {"kettle": "full"}
            events.append("close")

        async def job(state: State) -> str:
            events.append("run")
            return f"the kettle is {state['kettle']}"

        # Only ours: what the others open is theirs to test.
        kettle = Feature(name="kettle", lifespan=lifespan)
        monkeypatch.setattr(cli, "enabled_features", lambda _: [kettle])

        assert Runner(SETTINGS).run(job) == "the kettle is full"
        assert events == ["open", "run", "close"]


@pytest.mark.usefixtures("bare_environment", "restored_logging")
class TestMain:
    def start(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str | int | None:
        """The exit code."""
        monkeypatch.setattr(sys, "argv", ["app.cli", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code

    def test_runs_the_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PORT", "8124")

        assert self.start(monkeypatch, "settings") == 0
        assert "PORT=8124\n" in capsys.readouterr().out

    def test_offers_the_commands_of_features(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.start(monkeypatch, "--help") == 0
        out = capsys.readouterr().out

        for command in ("serve", "settings", "routes", "openapi"):
            assert command in out

    def test_ends_with_what_is_wrong_in_the_configuration(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PORT", "hunter2")

        assert self.start(monkeypatch, "settings") == (
            "The configuration is not valid:\n"
            "  PORT: Input should be a valid integer, unable to parse string as an integer"
        )

    def test_ends_with_what_a_command_could_not_reach(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class NoPowerError(UnavailableError):
            code = "kettle.no_power"
            title = "No power"

        def refuse(_: Settings) -> list[Feature]:
            raise NoPowerError("The grid is down: call 555-0100.", retry_after_seconds=5)

        monkeypatch.setattr(cli, "enabled_features", refuse)

        assert self.start(monkeypatch, "routes") == "The grid is down: call 555-0100."
