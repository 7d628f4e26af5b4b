import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.bootstrap.settings import Settings
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from app.modules.websocket.fanout import Fanout
from tests.fixtures.redis import RedisServer
from tests.servers import free_port

from .conftest import House, until
from .talk import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.person(name="Ada")


def connection_to(clients: RedisClients) -> Redis:
    client = clients.of()
    assert client is not None
    return client


class TestTwoProcesses:
    async def test_hear_each_other_once(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        await house.open("one", redis_clients)
        other = await house.open("two", redis_clients)
        async with ada.talk("one") as talk, ada.talk("two") as there:
            await talk.join(ada.room)
            await there.join(ada.room)
            await other.send_to_user(ada.user.id, "hello")
            heard = [(await it.hear())["data"] for it in (talk, there)]
            again = [await it.ask(type="ping") for it in (talk, there)]

        assert heard == ["hello", "hello"]
        assert [it["type"] for it in again] == ["pong", "pong"]

    async def test_end_a_login_together(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        await house.open("one", redis_clients)
        # The one that is told of events.
        await house.open("two", redis_clients)
        async with ada.talk("one") as talk:
            await ada.http.post("auth/logout")

            assert await talk.closing() == 4401

    async def test_review_everybody_together(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        await house.open("one", redis_clients)
        other = await house.open("two", redis_clients)
        async with ada.talk("one") as talk:
            await talk.join("tea:1")
            house.tea.banned.add("Ada")
            await other.review(None)

            assert (await talk.hear())["type"] == "unsubscribed"

    async def test_survive_what_they_do_not_understand(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        rooms = await house.open("one", redis_clients)
        other = await house.open("two", redis_clients)
        async with ada.talk("one") as talk:
            await talk.join(ada.room)
            channel = redis_clients.key("websocket", "reviews")
            with capture_logs() as lines:
                await connection_to(redis_clients).publish(channel, b"another\nrelease")
                await other.send_to_user(ada.user.id, "hello")
                await talk.hear()

        assert rooms is not other
        assert [it["log_level"] for it in lines if "not understood" in it["event"]] == ["error"]


@asynccontextmanager
async def heard_by(clients: RedisClients) -> AsyncGenerator[list[str]]:
    """What one process hears."""
    heard: list[str] = []
    fanout = Fanout(clients)
    await fanout.listen(lambda _, text: heard.append(text), lambda _: heard.append("review"))
    yield heard
    await fanout.aclose()


class TestTwoServers:
    """The other one is a process of its own, started as in production."""

    @pytest.fixture
    async def elsewhere(
        self, settings: Settings, database_url: str, real_redis_settings: RedisSettings
    ) -> AsyncGenerator[str]:
        assert real_redis_settings.url is not None
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "REDIS_URL": real_redis_settings.url.get_secret_value(),
            "REDIS_PREFIX": real_redis_settings.prefix,
            "SECRET_KEY": settings.secret.key.get_secret_value(),
        }
        command = (sys.executable, "-m", "app.cli", "serve", "--port", str(port))
        server = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield f"127.0.0.1:{port}"
        server.terminate()
        await server.wait()

    async def test_on_one_redis_reach_each_others_clients(
        self, ada: Person, house: House, redis_clients: RedisClients, elsewhere: str
    ) -> None:
        rooms = await house.open("here", redis_clients)
        async with ada.talk(address=elsewhere) as talk:
            await talk.join(ada.room)
            await rooms.send_to_user(ada.user.id, "from here")
            heard = await talk.hear()
            await ada.http.post("auth/logout")
            code = await talk.closing()

        assert (heard["data"], code) == ("from here", 4401)


class TestOutage:
    async def test_leaves_each_process_to_itself_and_ends_by_itself(
        self, ada: Person, house: House, redis_server: RedisServer
    ) -> None:
        clients = RedisClients(RedisSettings(url=SecretStr(redis_server.url)))
        rooms = await house.open("one", clients)
        other = await house.open("two", clients)
        with capture_logs() as lines:
            async with ada.talk("one") as talk:
                await talk.join("tea:1")
                redis_server.stop()
                await rooms.send("tea:1", {"cups": 1})
                await other.send("tea:1", {"cups": 2})
                during = await talk.hear()
                redis_server.start()

                # Until it has subscribed again, messages are lost; then none is.
                cups = 3
                while True:
                    await other.send("tea:1", {"cups": cups})
                    try:
                        async with asyncio.timeout(0.2):
                            after = await talk.hear()
                    except TimeoutError:
                        cups += 1
                        assert cups < 100
                    else:
                        break

        assert (during["data"], after["data"]["cups"] > 2) == ({"cups": 1}, True)
        words = [it["event"] for it in lines if it.get("purpose") == "websocket rooms"]
        # Each of the two says it once.
        assert words.count("redis is out of reach") <= 2
        await house.stack.aclose()
        await clients.aclose()

    async def test_at_the_start_keeps_nobody_waiting(self, redis_server: RedisServer) -> None:
        settings = RedisSettings(url=SecretStr(redis_server.url), timeout_seconds=0.2)
        clients = RedisClients(settings)
        redis_server.stop()
        async with heard_by(clients) as heard:
            assert heard == []
            redis_server.start()
            # Everybody is looked at: nobody knows what was missed.
            await until(lambda: "review" in heard)
        await clients.aclose()


class TestWithoutRedis:
    async def test_is_no_fanout(self) -> None:
        async with heard_by(RedisClients(RedisSettings())) as heard:
            await Fanout(RedisClients(RedisSettings())).publish("tea:1", "{}")

        assert heard == []
