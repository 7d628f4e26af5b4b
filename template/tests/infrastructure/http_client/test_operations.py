import pytest
from httpx2 import ReadTimeout

from app.infrastructure.http_client.errors import UpstreamFailedError
from app.infrastructure.http_client.settings import HttpClientSettings
from tests.fixtures.operations import Diary
from tests.infrastructure.http_client.conftest import clients_with, loopback
from tests.infrastructure.http_client.servers import LocalServer, hang, reply

pytestmark = pytest.mark.anyio


class TestOperations:
    async def test_are_requests_which_say_what_they_are_part_of(
        self, server: LocalServer, diary: Diary
    ) -> None:
        async with clients_with(operations=diary.operations) as clients:
            await clients.pooled.get(f"{server.url}/7?key=hunter2")

        assert diary.notes == [("GET", None)]
        assert diary.attributes == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": server.port,
        }
        (received,) = server.received
        assert received.headers["traceparent"] == "GET"

    async def test_that_strangers_address_tell_them_nothing(
        self, server: LocalServer, diary: Diary
    ) -> None:
        settings = loopback(server)
        async with clients_with(settings, operations=diary.operations) as clients:
            await clients.guarded.post(server.url, b"{}")

        assert diary.notes == [("POST", None)]
        (received,) = server.received
        assert "traceparent" not in received.headers

    async def test_fail_by_status_and_by_error(self, server: LocalServer, diary: Diary) -> None:
        settings = HttpClientSettings(deadline_seconds=0.1)
        async with clients_with(settings, operations=diary.operations) as clients:
            server.answers(reply(404), hang)
            await clients.pooled.get(server.url)
            with pytest.raises(ReadTimeout):
                await clients.pooled.get(server.url)

        assert [error for _, error in diary.notes] == ["404", "ReadTimeout"]

    async def test_are_the_single_attempts(self, server: LocalServer, diary: Diary) -> None:
        server.answers(reply(503))
        settings = HttpClientSettings(backoff_seconds=0.001, attempts=2)
        async with clients_with(settings, operations=diary.operations) as clients:
            with pytest.raises(UpstreamFailedError):
                await clients.upstream("weather", server.url).get("", model=str)

        assert [error for _, error in diary.notes] == ["503", "503"]
