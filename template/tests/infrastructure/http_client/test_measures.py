import pytest

from app.core.late import Late
from app.infrastructure.http_client.clients import HttpClients
from app.infrastructure.http_client.errors import UpstreamFailedError
from app.infrastructure.http_client.measures import UpstreamMeasures
from tests.support import shown

from .servers import LocalServer, reply

pytestmark = pytest.mark.anyio


class TestMeasures:
    async def test_show_each_upstream(self, clients: HttpClients, server: LocalServer) -> None:
        kettle = clients.upstream("kettle", server.url)
        clients.upstream("teapot", server.url)
        await kettle.send("GET", "today")
        server.answers(reply(400))
        with pytest.raises(UpstreamFailedError):
            await kettle.send("GET", "today")

        late = Late(lambda: clients)
        late()
        numbers = shown(UpstreamMeasures(), http_clients=late)
        assert numbers == {
            ("upstream_requests", "kettle"): 2,
            ("upstream_requests", "teapot"): 0,
            ("upstream_retries", "kettle"): 0,
            ("upstream_retries", "teapot"): 0,
            ("upstream_failures", "kettle"): 1,
            ("upstream_failures", "teapot"): 0,
            ("upstream_circuit_openings", "kettle"): 0,
            ("upstream_circuit_openings", "teapot"): 0,
            ("upstream_circuit_open", "kettle"): False,
            ("upstream_circuit_open", "teapot"): False,
        }

    def test_are_none_before_the_first_request(self) -> None:
        def make() -> HttpClients:
            raise AssertionError("measuring makes clients")

        assert shown(UpstreamMeasures(), http_clients=Late(make)) == {}
