"""Errors that the rules of the service raise, named for what went wrong rather than for HTTP.

A module derives its own errors from one of the categories below. Which status a category has is
decided at the edge, in `app.modules.common.problems`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class DomainError(Exception):
    """A rule was broken by the caller, or something the service needs is out of reach.

    `code` is the stable, machine-readable name of the error, `title` its short form for people;
    both appear in the API documentation. `extensions` are further members of the problem body and
    must be JSON values. `challenge` is the value of the `WWW-Authenticate` header, if there is one,
    and `retry_after_seconds` that of `Retry-After`; `headers` are further ones of the answer.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    challenge: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    retry_after_seconds: int | None = None

    def __init__(self, detail: str, **extensions: str | int) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions


class MalformedError(DomainError):
    """The request lacks what it must have before anybody looks at its content."""


class InvalidError(DomainError):
    """The request is well-formed, and it breaks a rule that its schema cannot express."""


class UnauthenticatedError(DomainError):
    """The caller did not prove who they are."""

    challenge = "Bearer"


class ForbiddenError(DomainError):
    """The caller is known and is not allowed to do this."""


class NotFoundError(DomainError):
    """The thing named by the caller does not exist, or they may not know that it does."""


class ConflictError(DomainError):
    """The request is valid and collides with the current state."""


class TooLargeError(DomainError):
    """What was sent has more bytes than are taken."""


class UnsupportedTypeError(DomainError):
    """What was sent is of a kind that is not taken, or not of the kind it is said to be."""


class ThrottledError(DomainError):
    """The caller has used up an allowance and may try again later."""

    retry_after_seconds: int

    def __init__(self, detail: str, *, retry_after_seconds: int, **extensions: str | int) -> None:
        super().__init__(detail, **extensions)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(DomainError):
    """Something the service depends on is out of reach; the same request may succeed later."""

    retry_after_seconds: int

    def __init__(self, detail: str, *, retry_after_seconds: int, **extensions: str | int) -> None:
        super().__init__(detail, **extensions)
        self.retry_after_seconds = retry_after_seconds


class BrokenUpstreamError(DomainError):
    """Another service, which this one asks, failed or gave an answer that cannot be used."""


class SlowUpstreamError(DomainError):
    """Another service, which this one asks, did not answer in time."""
