import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from httpx2 import AsyncClient, Response
from starlette.types import Receive, Scope, Send

from app.core.errors import UnavailableError
from app.infrastructure.rate_limit.limits import RateLimit
from app.infrastructure.rate_limit.settings import RateLimitSettings
from app.infrastructure.redis.settings import RedisSettings
from tests.support import client_of

from .sample import ADA, BOB, CUSTOMERS, ORIGIN, FixedSource, sample_app, serving_sample

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncGenerator[AsyncClient]:
    async with serving_sample() as client:
        yield client


async def statuses(client: AsyncClient, path: str, count: int, **headers: str) -> list[int]:
    return [(await client.get(path, headers=headers)).status_code for _ in range(count)]


def told(response: Response) -> Sequence[str | None]:
    names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after")
    return [response.headers.get(name) for name in names]


class TestHeaders:
    async def test_say_what_is_left_on_every_answer(self, client: AsyncClient) -> None:
        found = await client.get("orders/1")
        invalid = await client.get("orders/one")

        assert (found.status_code, invalid.status_code) == (200, 422)
        assert told(found) == ["2", "1", "3600", None]
        assert told(invalid)[:2] == ["2", "0"]

    async def test_say_when_to_come_back(self, client: AsyncClient) -> None:
        await statuses(client, "orders/1", 2)
        refused = await client.get("orders/1")

        assert refused.status_code == 429
        assert told(refused)[:2] == ["2", "0"]
        assert told(refused)[2] == told(refused)[3]
        assert 3500 < int(refused.headers["retry-after"]) <= 3601

    async def test_can_be_read_by_browser_applications(self, client: AsyncClient) -> None:
        await statuses(client, "orders/1", 2)
        for status in (200, 429):
            path = "mine" if status == 200 else "orders/1"
            response = await client.get(path, headers={"origin": ORIGIN})

            exposed = response.headers["access-control-expose-headers"]
            assert response.status_code == status
            assert {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(
                exposed.split(", ")
            )

    async def test_name_the_limit_that_is_used_up_first(self, client: AsyncClient) -> None:
        response = await client.get("report")

        assert told(response) == ["2", "1", "3600", None]


class TestRefusal:
    async def test_is_a_problem(self, client: AsyncClient) -> None:
        await statuses(client, "orders/1", 2)
        response = await client.get("orders/1")

        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        del body["request_id"]
        assert body == {
            "type": "urn:problem:rate_limit.exceeded",
            "title": "Too many requests",
            "status": 429,
            "detail": "Wait before you send more requests of this kind.",
            "instance": "/api/v1/orders/1",
        }

    async def test_comes_before_the_body_is_read(self, client: AsyncClient) -> None:
        sent = 0

        async def body() -> AsyncGenerator[bytes]:
            nonlocal sent
            for _ in range(100):
                sent += 1
                yield b"[1]" * 10

        answers = [await client.post("orders", content=b"not JSON") for _ in range(2)]
        refused = await client.post("orders", content=body())

        # What cannot be read counts too.
        assert [it.status_code for it in answers] == [422, 422]
        assert (refused.status_code, sent) == (429, 0)


class TestWhoIsCounted:
    async def test_is_the_principal(self, client: AsyncClient) -> None:
        assert await statuses(client, "mine", 4, authorization=ADA) == [200, 200, 200, 429]
        assert await statuses(client, "mine", 1, authorization=BOB) == [200]

    async def test_is_the_address_of_a_stranger(self, client: AsyncClient) -> None:
        await statuses(client, "mine", 4, authorization=ADA)

        assert await statuses(client, "mine", 3) == [200, 200, 429]

    async def test_is_the_address_behind_made_up_credentials(self, client: AsyncClient) -> None:
        answers = [
            (await client.get("mine", headers={"authorization": f"made-up-{n}"})).status_code
            for n in range(4)
        ]

        assert answers == [200, 200, 429, 429]

    @pytest.mark.parametrize(
        "name", ["x-forwarded-for", "x-real-ip", "forwarded", "x-api-key", "cookie", "user-agent"]
    )
    async def test_is_nothing_that_the_client_can_vary(
        self, client: AsyncClient, name: str
    ) -> None:
        answers = [
            (await client.get("orders/1", headers={name: f"203.0.113.{n}"})).status_code
            for n in range(3)
        ]

        assert answers == [200, 200, 429]

    async def test_is_the_address_where_a_route_asks_for_nobody(self, client: AsyncClient) -> None:
        """There nobody checks what was sent, so it must not open another account either."""
        assert await statuses(client, "orders/1", 3, authorization=ADA) == [200, 200, 429]


class TestWhatIsCounted:
    async def test_is_the_route_and_not_its_paths(self, client: AsyncClient) -> None:
        answers = [(await client.get(f"orders/{n}?page={n}")).status_code for n in range(3)]

        assert answers == [200, 200, 429]
        assert await statuses(client, "mine", 1) == [200]

    async def test_is_each_method_for_itself(self, client: AsyncClient) -> None:
        await statuses(client, "orders/1", 3)

        assert (await client.post("orders", json=[1, 2])).json() == 3

    async def test_includes_a_route_that_begins_with_a_parameter(self, client: AsyncClient) -> None:
        answers = [(await client.get(f"{n}/pages")).status_code for n in range(3)]

        assert answers == [200, 200, 429]

    async def test_includes_what_no_route_answers(self, client: AsyncClient) -> None:
        """Together, so that looking for paths ends soon."""
        answers = [
            (await client.request(method, path)).status_code
            for method, path in (("GET", "nothing/1"), ("PUT", "mine"), ("GET", "nothing/2"))
        ]

        assert answers == [404, 405, 429]

    async def test_is_nothing_outside_of_the_api(self, client: AsyncClient) -> None:
        for path in ("/health/live", "/health/ready", "/nothing"):
            responses = [await client.get(f"http://test{path}") for _ in range(5)]

            assert {it.status_code for it in responses} == {404 if path == "/nothing" else 200}
            assert all(told(it) == [None] * 4 for it in responses)

    async def test_is_nothing_on_an_unlimited_route(self, client: AsyncClient) -> None:
        responses = [await client.get("free") for _ in range(5)]

        assert [it.status_code for it in responses] == [200] * 5
        assert told(responses[-1]) == [None] * 4

    async def test_is_nothing_when_switched_off(self) -> None:
        async with serving_sample(enabled=False) as client:
            responses = [await client.get("report") for _ in range(5)]

        assert [it.status_code for it in responses] == [200] * 5
        assert told(responses[-1]) == [None] * 4

    async def test_is_the_route_behind_a_prefix_of_the_proxy(self) -> None:
        app = sample_app(RedisSettings(), RateLimitSettings(anonymous="2/hour"))

        async def behind_prefix(scope: Scope, receive: Receive, send: Send) -> None:
            scope.update(root_path="/shop", path=f"/shop{scope['path']}")
            await app(scope, receive, send)

        async with (
            app.router.lifespan_context(app) as state,
            client_of(behind_prefix, state or {}) as client,
        ):
            answers = [(await client.get(f"orders/{n}")).status_code for n in range(3)]

        assert answers == [200, 200, 429]


class TestSources:
    async def test_decide_before_the_route_and_the_settings(self) -> None:
        source = FixedSource([RateLimit(1, 3600)])
        async with serving_sample(None, source) as client:
            mine = await statuses(client, "mine", 2, authorization=ADA)
            report = await statuses(client, "report", 2)

        assert (mine, report) == ([200, 429], [200, 429])
        assert source.asked[0] == (CUSTOMERS[ADA], "GET /api/v1/mine")
        assert source.asked[-1] == (None, "GET /api/v1/report")

    async def test_are_asked_in_turn(self) -> None:
        silent, second = FixedSource(None), FixedSource([RateLimit(1, 3600)])
        async with serving_sample(None, silent, second, FixedSource([])) as client:
            answers = await statuses(client, "mine", 2)

        assert answers == [200, 429]
        assert len(silent.asked) == 2

    async def test_may_lift_the_limit(self) -> None:
        async with serving_sample(None, FixedSource([])) as client:
            assert await statuses(client, "report", 5) == [200] * 5

    async def test_are_left_out_while_they_cannot_answer(self) -> None:
        failing = FixedSource([], UnavailableError("No.", retry_after_seconds=1))
        async with serving_sample(None, failing) as client:
            assert await statuses(client, "mine", 3) == [200, 200, 429]

    async def test_know_the_template(self) -> None:
        source = FixedSource(None)
        async with serving_sample(None, source) as client:
            await client.get("orders/7")
            await client.get("nothing")

        assert source.asked == [(None, "GET /api/v1/orders/{order_id}")]

    async def test_cannot_change_a_sensitive_route(self) -> None:
        source = FixedSource([])
        async with serving_sample(None, source) as client:
            answers = [(await client.post("code")).status_code for _ in range(3)]

        assert answers == [200, 200, 429]
        assert source.asked == []


class TestRedis:
    async def test_counts_exactly_at_the_same_moment(
        self, real_redis_settings: RedisSettings
    ) -> None:
        async with serving_sample(real_redis_settings, anonymous="7/hour") as client:
            responses = await asyncio.gather(*(client.get("orders/1") for _ in range(20)))
        counted = [it.headers["ratelimit-remaining"] for it in responses if it.is_success]

        assert sorted(it.status_code for it in responses) == [200] * 7 + [429] * 13
        assert sorted(counted) == ["0", "1", "2", "3", "4", "5", "6"]

    async def test_is_shared_by_all_instances_of_the_service(
        self, real_redis_settings: RedisSettings
    ) -> None:
        async with (
            serving_sample(real_redis_settings) as one,
            serving_sample(real_redis_settings) as other,
        ):
            answers = [*await statuses(one, "mine", 1), *await statuses(other, "mine", 2)]

        assert answers == [200, 200, 429]

    async def test_may_be_another_than_the_others_use(
        self, real_redis_settings: RedisSettings
    ) -> None:
        elsewhere = RedisSettings(prefix=real_redis_settings.prefix)
        async with (
            serving_sample(real_redis_settings) as one,
            serving_sample(elsewhere, redis_url=real_redis_settings.url) as other,
        ):
            answers = [*await statuses(one, "mine", 2), *await statuses(other, "mine", 1)]

        assert answers == [200, 200, 429]
