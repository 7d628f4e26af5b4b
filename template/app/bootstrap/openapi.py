from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.core.extensions import Extensions
from app.core.openapi import EdgeErrors, OpenAPIExtension
from app.core.routing import api_routes, load_routers
from app.modules.common.openapi import document_problems, operations
from app.modules.common.problems import Problem, raises, response_entry


def operation_id(route: APIRoute) -> str:
    """The function's name: stable, and what a generated client calls its method."""
    return route.name


def install_openapi(app: FastAPI, extensions: Extensions) -> None:
    """Document the problems that the edge answers for every route of a kind, and the extensions."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            load_routers(app)
            schema = generate()
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            components |= problem.pop("$defs")
            components["Problem"] = problem
            schema["components"]["schemas"] = dict(sorted(components.items()))
            for operation in operations(schema):
                _document(operation)
            for errors in extensions.of(EdgeErrors):
                _document_errors(app, schema, errors)
            for extension in extensions.of(OpenAPIExtension):
                extension.extend(schema, extensions)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented extension point


def _document(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "422" in responses:
        responses["422"] = response_entry("The request is not valid")
    if "requestBody" in operation:
        responses["400"] = response_entry("The body cannot be read")
        responses["413"] = response_entry("The body is too large")
    operation["responses"] = dict(sorted(responses.items()))


def _document_errors(app: FastAPI, schema: dict[str, Any], errors: EdgeErrors) -> None:
    headers = {
        name: {"description": text, "schema": {"type": "integer"}}
        for name, text in errors.headers.items()
    }
    for path, route in api_routes(app):
        documented = raises(*errors.of(route.endpoint))
        for method in route.methods or ():
            operation = schema["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                document_problems(operation, documented, headers=headers)
