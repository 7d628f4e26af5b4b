from collections.abc import Generator
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr, TypeAdapter, ValidationError
from redis import ConnectionError as RedisConnectionError
from redis import RedisError
from redis.asyncio import Redis

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.feature import feature
from app.infrastructure.redis.settings import RedisSettings, RedisUrl
from app.modules.health import feature as health
from tests.fixtures.redis import RedisServer
from tests.servers import free_port
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio


def client_of(clients: RedisClients) -> Redis:
    client = clients.of()
    assert client is not None
    return client


class TestClients:
    async def test_speak_to_the_server(self, redis_clients: RedisClients) -> None:
        client = client_of(redis_clients)

        await client.set(redis_clients.key("greeting", "ada"), "hello", ex=60)

        assert await client.get(redis_clients.key("greeting", "ada")) == b"hello"

    def test_begin_their_keys_with_the_prefix(self) -> None:
        clients = RedisClients(RedisSettings(prefix="shop"))

        assert clients.key("basket", "7") == "shop:basket:7"

    def test_are_one_for_each_server(self) -> None:
        clients = RedisClients(RedisSettings(url=SecretStr("redis://one:6379/0")))

        other = clients.of(SecretStr("redis://two:6379/0"))

        assert clients.of() is clients.of()
        assert other is clients.of(SecretStr("redis://two:6379/0"))
        assert other is not clients.of()

    def test_are_none_where_no_server_is_named(self) -> None:
        assert RedisClients(RedisSettings()).of() is None

    async def test_fail_within_the_timeout_where_nobody_answers(self, tmp_path: Path) -> None:
        settings = RedisSettings(url=SecretStr(f"unix://{tmp_path}/none"), timeout_seconds=0.1)
        clients = RedisClients(settings)

        with pytest.raises(RedisError):
            await client_of(clients).ping()
        await clients.aclose()

    async def test_come_back_with_the_server(self, redis_server: RedisServer) -> None:
        clients = RedisClients(RedisSettings(url=SecretStr(redis_server.url)))
        client = client_of(clients)
        await client.ping()

        redis_server.stop()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        redis_server.start()

        assert await client.ping()
        await clients.aclose()

    async def test_do_not_notice_a_restart_between_two_commands(
        self, redis_server: RedisServer
    ) -> None:
        clients = RedisClients(RedisSettings(url=SecretStr(redis_server.url)))
        client = client_of(clients)
        await client.ping()

        redis_server.stop()
        redis_server.start()

        assert await client.ping()
        await clients.aclose()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of one that issued the server's, which lies beside it."""
    folder = tmp_path_factory.mktemp("tls")
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(folder / "authority.pem")
    issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    return folder / "authority.pem"


@pytest.fixture(scope="module")
def tls_url(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server that speaks TLS on a port of its own beside the plain one."""
    port = free_port()
    certificate = str(authority.parent / "server.pem")
    server = RedisServer(
        tmp_path_factory.mktemp("redis-tls"),
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", certificate, "--tls-key-file", certificate),
        *("--tls-ca-cert-file", str(authority)),
    )
    yield f"rediss://127.0.0.1:{port}/0"
    server.stop()


class TestTls:
    async def test_trusts_the_named_authority(self, tls_url: str, authority: Path) -> None:
        settings = RedisSettings(url=SecretStr(tls_url), tls_ca_file=authority)
        clients = RedisClients(settings)

        assert await client_of(clients).ping()
        await clients.aclose()

    async def test_refuses_a_stranger(self, tls_url: str) -> None:
        clients = RedisClients(RedisSettings(url=SecretStr(tls_url)))

        with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await client_of(clients).ping()
        await clients.aclose()

    async def test_takes_anybody_when_told_to(self, tls_url: str) -> None:
        clients = RedisClients(RedisSettings(url=SecretStr(tls_url), tls_verify=False))

        assert await client_of(clients).ping()
        await clients.aclose()


class TestReadiness:
    async def test_says_that_redis_is_missing_and_that_the_service_answers(
        self, redis_server: RedisServer
    ) -> None:
        redis = feature(RedisSettings(url=SecretStr(redis_server.url)))
        async with serving(
            FixedSettings(environment="test"), [redis, health.feature([redis])]
        ) as client:
            answers = []
            for change in (None, redis_server.stop, redis_server.start):
                if change is not None:
                    change()
                response = await client.get("http://test/health/ready")
                answers.append((response.status_code, response.json()))

        assert answers == [
            (200, {"status": "ok", "failing": {}}),
            (200, {"status": "degraded", "failing": {"redis": "ConnectionError"}}),
            (200, {"status": "ok", "failing": {}}),
        ]


class TestSettings:
    @pytest.mark.parametrize(
        "url", ["redis://h", "rediss://:secret@h:6380/1", "unix:///run/redis.sock?db=0"]
    )
    def test_understand_the_addresses_that_platforms_give(self, url: str) -> None:
        assert TypeAdapter(RedisUrl).validate_python(url).get_secret_value() == url

    def test_leave_a_second_address_alone(self) -> None:
        given = {"url": "rediss://h:1", "tls_url": "rediss://h:2"}

        assert RedisSettings.model_validate(given) == RedisSettings(url=SecretStr("rediss://h:1"))

    def test_refuse_others_without_showing_them(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            RedisSettings(url=SecretStr("http://:hunter2@h"))

        assert "must begin with redis://, rediss:// or unix://" in str(refusal.value)
        assert "hunter2" not in str(refusal.value)

    def test_refuse_the_memory_of_a_process_where_deployed(self) -> None:
        refusals = RedisSettings().refusals()

        assert [refusal.split(",")[0] for refusal in refusals] == [
            "REDIS_URL must name a Redis server"
        ]
        assert RedisSettings(url=SecretStr("redis://h")).refusals() == []
