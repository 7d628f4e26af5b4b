import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from fastapi import APIRouter

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.core.errors import DomainError, ThrottledError
from app.core.feature import Feature
from app.core.openapi import EdgeErrors
from app.modules.common.problems import raises
from tests.bootstrap.kettle import FEATURE, TooOftenError, list_recipes
from tests.support import FixedSettings

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = FixedSettings(environment="test")
    return create_app(settings, enabled_features(settings)).openapi()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def nodes(value: object) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def resolve(document: dict[str, Any], reference: str) -> object:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


class TestDocument:
    def test_is_openapi_3_1(self, document: dict[str, Any]) -> None:
        assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
        assert {"title", "version"} <= document["info"].keys()
        assert document["paths"]

    def test_has_only_references_that_lead_somewhere(self, document: dict[str, Any]) -> None:
        references = {node["$ref"] for node in nodes(document) if "$ref" in node}

        assert "#/components/schemas/Problem" in references
        for reference in references:
            assert isinstance(resolve(document, reference), dict)

    def test_has_no_schema_that_nothing_uses(self, document: dict[str, Any]) -> None:
        references = {node["$ref"] for node in nodes(document) if "$ref" in node}
        schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

        assert schemas <= references

    def test_has_schemas_in_order(self, document: dict[str, Any]) -> None:
        names = list(document["components"]["schemas"])

        assert names == sorted(names)
        assert not {"HTTPValidationError", "ValidationError"} & set(names)

    def test_is_made_once(self) -> None:
        app = create_app(FixedSettings(environment="test"), [])

        assert app.openapi() is app.openapi()

    def test_describes_the_problem(self, document: dict[str, Any]) -> None:
        problem = document["components"]["schemas"]["Problem"]

        assert problem["required"] == ["title", "status"]
        assert set(problem["properties"]) == {
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "request_id",
            "errors",
        }


class TestOperations:
    def test_have_ids_of_their_own(self, operations: dict[str, dict[str, Any]]) -> None:
        ids = [operation["operationId"] for operation in operations.values()]

        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in ids)

    def test_are_explained_and_tagged(self, operations: dict[str, dict[str, Any]]) -> None:
        for name, operation in operations.items():
            assert operation["tags"], name
            assert operation["summary"], name
            assert operation["description"], name

    def test_declare_their_path_parameters(self, operations: dict[str, dict[str, Any]]) -> None:
        for name, operation in operations.items():
            declared = {
                parameter["name"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "path" and parameter["required"] is True
            }
            assert declared == set(re.findall(r"{(\w+)}", name)), name

    def test_describe_every_response(self, operations: dict[str, dict[str, Any]]) -> None:
        for name, operation in operations.items():
            statuses = list(operation["responses"])
            assert statuses == sorted(statuses), name
            assert any(re.fullmatch(r"[23]\d\d", status) for status in statuses), name
            for status, response in operation["responses"].items():
                assert re.fullmatch(r"[2-5]\d\d", status), name
                assert response["description"], f"{name} {status}"

    def test_answer_errors_with_problems(self, operations: dict[str, dict[str, Any]]) -> None:
        for name, operation in operations.items():
            for status, response in operation["responses"].items():
                if status >= "4":
                    (media_type,) = response["content"]
                    assert media_type == "application/problem+json", f"{name} {status}"
                    schema = response["content"][media_type]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}

    def test_with_input_say_that_it_may_be_refused(
        self, operations: dict[str, dict[str, Any]]
    ) -> None:
        for name, operation in operations.items():
            if "requestBody" in operation or "parameters" in operation:
                assert operation["responses"]["422"]["content"] == PROBLEM, name

    def test_with_a_body_say_that_it_may_be_too_large(
        self, operations: dict[str, dict[str, Any]]
    ) -> None:
        for name, operation in operations.items():
            documented = operation["responses"].get("413", {}).get("content")
            assert documented == (PROBLEM if "requestBody" in operation else None), name

    def test_are_health_and_the_api(self, document: dict[str, Any]) -> None:
        outside = {path for path in document["paths"] if not path.startswith("/api/v1/")}

        assert outside >= {"/health/live", "/health/ready"}
        assert all(path.startswith(("/health/", "/.well-known/")) for path in outside)
        assert all(item.keys() <= METHODS for item in document["paths"].values())

    def test_give_examples_of_the_problems_they_raise(self, document: dict[str, Any]) -> None:
        response = document["paths"]["/health/ready"]["get"]["responses"]["503"]

        assert response == {
            "description": "Not ready",
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        "health.not_ready": {
                            "value": {
                                "type": "urn:problem:health.not_ready",
                                "title": "Not ready",
                                "status": 503,
                            }
                        }
                    },
                }
            },
        }


class TestSchemas:
    def test_what_only_the_service_builds_is_no_request(self, document: dict[str, Any]) -> None:
        """Else a caller could choose timestamps, owners and flags."""
        bodies = [node["requestBody"] for node in nodes(document["paths"]) if "requestBody" in node]
        taken = {node["$ref"].rsplit("/", 1)[-1] for node in nodes(bodies) if "$ref" in node}

        assert [name for name in taken if re.search("Internal$|Anonymize$|Delete$", name)] == []

    def test_requests_refuse_unknown_fields(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        json_bodies = [
            node["requestBody"]["content"]["application/json"]["schema"]
            for node in nodes(document["paths"])
            if "application/json" in node.get("requestBody", {}).get("content", {})
        ]
        names = {node["$ref"].rsplit("/", 1)[-1] for node in json_bodies if "$ref" in node}

        assert [it for it in names if schemas[it].get("additionalProperties") is not False] == []

    def test_no_answer_has_a_hash(self, document: dict[str, Any]) -> None:
        answers = [node["responses"] for node in nodes(document["paths"]) if "responses" in node]
        names = {node["$ref"].rsplit("/", 1)[-1] for node in nodes(answers) if "$ref" in node}
        schemas = document["components"]["schemas"]
        fields = {field for name in names for field in schemas[name].get("properties", {})}

        assert [field for field in fields if re.search("hash|password", field)] == []


class TooHotError(ThrottledError):
    code, title = "tea.too_hot", "Too hot"


class _Refusals(EdgeErrors):
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "Seconds"}

    def of(self, endpoint: object) -> Sequence[type[DomainError]]:
        return () if endpoint is list_recipes else (TooOftenError,)


class TestEdgeErrors:
    @pytest.fixture
    def paths(self) -> dict[str, Any]:
        offering = Feature(name="offering", extensions=(_Refusals(),))
        app = create_app(FixedSettings(environment="test"), [FEATURE, offering])
        paths: dict[str, Any] = app.openapi()["paths"]
        return paths

    def test_stand_beside_what_the_route_raises_itself(self) -> None:
        router = APIRouter(prefix="/tea")

        @router.get("", responses=raises(TooHotError))
        async def drink() -> None: ...

        feature = Feature(name="tea", routers=(router,), extensions=(_Refusals(),))
        document = create_app(FixedSettings(environment="test"), [feature]).openapi()
        entry = document["paths"]["/api/v1/tea"]["get"]["responses"]["429"]

        assert entry["description"] == "Too hot · Too often"
        examples = entry["content"]["application/problem+json"]["examples"]
        assert list(examples) == ["tea.too_hot", "kettle.too_often"]

    def test_are_documented_where_they_can_be_answered(self, paths: dict[str, Any]) -> None:
        entry = paths["/api/v1/recipes"]["post"]["responses"]["429"]

        assert entry["description"] == "Too often"
        assert list(entry["content"]["application/problem+json"]["examples"]) == [
            "kettle.too_often"
        ]
        assert entry["headers"] == {
            "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}
        }
        assert "429" not in paths["/api/v1/recipes"]["get"]["responses"]
