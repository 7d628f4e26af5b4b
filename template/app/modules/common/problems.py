"""RFC 9457 problem bodies, and the OpenAPI entries that announce them."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.core.errors import (
    BrokenUpstreamError,
    ConflictError,
    DomainError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    NotFoundError,
    SlowUpstreamError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedTypeError,
)

MEDIA_TYPE = "application/problem+json"

STATUS_BY_CATEGORY: dict[type[DomainError], HTTPStatus] = {
    MalformedError: HTTPStatus.BAD_REQUEST,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    BrokenUpstreamError: HTTPStatus.BAD_GATEWAY,
    SlowUpstreamError: HTTPStatus.GATEWAY_TIMEOUT,
}


class InvalidField(BaseModel):
    """What is wrong with one field; never the value that was sent."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """The body of every error answer (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", examples=["urn:problem:request.invalid"])
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    request_id: str | None = None
    errors: list[InvalidField] | None = None


def type_of(code: str) -> str:
    return f"urn:problem:{code}"


def status_of(error: type[DomainError]) -> HTTPStatus:
    """The status that answers `error`; a `TypeError` if it derives from no category."""
    for category, status in STATUS_BY_CATEGORY.items():
        if issubclass(error, category):
            return status
    raise TypeError(f"{error.__name__} derives from no error category")


def response_entry(description: str) -> dict[str, Any]:
    """An OpenAPI response whose body is a `Problem`."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def raises(*errors: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that can raise `errors`."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = status_of(error)
        entry = responses.setdefault(status, response_entry(""))
        entry["description"] = " · ".join(filter(None, [entry["description"], error.title]))
        entry["content"][MEDIA_TYPE].setdefault("examples", {})[error.code] = {
            "value": {"type": type_of(error.code), "title": error.title, "status": int(status)}
        }
    return responses
