import pytest

from app.core.errors import (
    BrokenUpstreamError,
    ConflictError,
    DomainError,
    ForbiddenError,
    MalformedError,
    NotFoundError,
    SlowUpstreamError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)
from app.modules.common.problems import Problem, raises, response_entry, status_of, type_of


class BoilingError(ConflictError):
    code = "kettle.boiling"
    title = "Already boiling"


class EmptyError(ConflictError):
    code = "kettle.empty"
    title = "Empty"


class VeryEmptyError(EmptyError):
    pass


class MissingError(NotFoundError):
    code = "kettle.missing"
    title = "No kettle"


class TestStatusOf:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (MalformedError, 400),
            (UnauthenticatedError, 401),
            (ForbiddenError, 403),
            (NotFoundError, 404),
            (ConflictError, 409),
            (ThrottledError, 429),
            (UnavailableError, 503),
            (BrokenUpstreamError, 502),
            (SlowUpstreamError, 504),
            (VeryEmptyError, 409),
        ],
    )
    def test_is_that_of_the_category(self, error: type[DomainError], status: int) -> None:
        assert status_of(error) == status

    def test_needs_a_category(self) -> None:
        with pytest.raises(TypeError, match=r"^DomainError derives from no error category$"):
            status_of(DomainError)


class TestRaises:
    def test_documents_each_status_with_its_errors(self) -> None:
        schema = {"$ref": "#/components/schemas/Problem"}

        assert raises(BoilingError, MissingError, EmptyError) == {
            409: {
                "description": "Already boiling · Empty",
                "content": {
                    "application/problem+json": {
                        "schema": schema,
                        "examples": {
                            "kettle.boiling": {
                                "value": {
                                    "type": "urn:problem:kettle.boiling",
                                    "title": "Already boiling",
                                    "status": 409,
                                }
                            },
                            "kettle.empty": {
                                "value": {
                                    "type": "urn:problem:kettle.empty",
                                    "title": "Empty",
                                    "status": 409,
                                }
                            },
                        },
                    }
                },
            },
            404: {
                "description": "No kettle",
                "content": {
                    "application/problem+json": {
                        "schema": schema,
                        "examples": {
                            "kettle.missing": {
                                "value": {
                                    "type": "urn:problem:kettle.missing",
                                    "title": "No kettle",
                                    "status": 404,
                                }
                            }
                        },
                    }
                },
            },
        }

    def test_shares_nothing_between_calls(self) -> None:
        assert raises(BoilingError) == raises(BoilingError)
        assert raises(BoilingError)[409] is not raises(BoilingError)[409]
        assert response_entry("a") is not response_entry("a")


class TestProblem:
    def test_takes_further_members(self) -> None:
        problem = Problem.model_validate({"title": "Full", "status": 409, "litres": 2})

        assert problem.model_dump(exclude_none=True) == {
            "type": "about:blank",
            "title": "Full",
            "status": 409,
            "litres": 2,
        }

    def test_is_named_by_a_urn(self) -> None:
        assert type_of("kettle.boiling") == "urn:problem:kettle.boiling"
