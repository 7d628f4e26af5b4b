import traceback
from collections.abc import AsyncGenerator

import pytest
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from tests.bootstrap.kettle import SECRET, problem, serving_kettle

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    async with serving_kettle() as client:
        yield client


class TestInvalidRequest:
    async def test_names_each_field_and_what_is_wrong(self, client: AsyncClient) -> None:
        response = await client.post(
            "recipes", json={"name": "far too long", "password": SECRET, "extra": SECRET}
        )

        assert problem(response) == {
            "type": "urn:problem:request.invalid",
            "title": "The request is not valid",
            "status": 422,
            "errors": [
                {
                    "loc": ["body", "name"],
                    "msg": "String should have at most 5 characters",
                    "type": "string_too_long",
                },
                {
                    "loc": ["body", "password"],
                    "msg": "Value should have at least 20 items after validation, not 15",
                    "type": "too_short",
                },
                {
                    "loc": ["body", "extra"],
                    "msg": "Extra inputs are not permitted",
                    "type": "extra_forbidden",
                },
            ],
        }
        assert SECRET not in response.text

    @pytest.mark.parametrize(
        "content",
        [
            b'{"password": "hunter2-hunter2"}',
            b'{"name": "hunter2-hunter2", "password": null}',
            b'{"name": {"hunter2-hunter2": 1}, "password": ["hunter2-hunter2"]}',
            b'["hunter2-hunter2"]',
            b'"hunter2-hunter2"',
            b'{"password": "hunter2-hunter2"',
            b"hunter2-hunter2",
            b"",
            b"null",
            b'{"name": "\\ud800", "password": "hunter2-hunter2"}',
            b'{"\\ud800": "hunter2-hunter2"}',
        ],
    )
    async def test_echoes_nothing_that_was_sent(self, client: AsyncClient, content: bytes) -> None:
        response = await client.post(
            "recipes", content=content, headers={"content-type": "application/json"}
        )

        body = problem(response)
        assert body["status"] == 422
        assert all(error.keys() == {"loc", "msg", "type"} for error in body["errors"])
        assert "hunter2" not in response.text

    async def test_echoes_no_query_parameter(self, client: AsyncClient) -> None:
        response = await client.post("numbers", params={"unit": SECRET}, json=[1])

        assert [error["loc"] for error in problem(response)["errors"]] == [["query", "unit"]]
        assert SECRET not in response.text

    @pytest.mark.parametrize("content", [b'{"name": "\xff"}', b"[" * 100_000])
    async def test_answers_400_to_a_body_that_cannot_be_read(
        self, client: AsyncClient, content: bytes
    ) -> None:
        response = await client.post(
            "recipes", content=content, headers={"content-type": "application/json"}
        )

        assert problem(response) == {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "There was an error parsing the body",
        }


class TestDefect:
    @pytest.mark.parametrize("path", ["errors/defect", "middleware-defect"])
    async def test_is_answered_without_its_text(self, client: AsyncClient, path: str) -> None:
        with capture_logs():
            response = await client.get(path)

        assert problem(response) == {
            "type": "urn:problem:internal",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "The error was logged; quote the request id when you report it.",
        }
        assert "hunter2" not in response.text
        assert "ZeroDivision" not in response.text

    async def test_is_logged_once_with_its_traceback(self, client: AsyncClient) -> None:
        with capture_logs() as lines:
            await client.get("errors/defect")

        (line,) = [line for line in lines if line["log_level"] == "error"]
        assert line["event"] == "unhandled error"
        assert "ZeroDivisionError: hunter2-hunter2 divided by zero" in "".join(
            traceback.format_exception(line["exc_info"])
        )


class TestExpectedError:
    @pytest.mark.parametrize("name", ["boiling", "http-detail"])
    async def test_is_not_logged_as_an_error(self, client: AsyncClient, name: str) -> None:
        with capture_logs() as lines:
            await client.get(f"errors/{name}")

        assert [line["log_level"] for line in lines] == ["info"]
