from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response


class ProblemPresenter(ABC):
    """Shows errors in another form than `application/problem+json`.

    An entry of `Feature.extensions`, asked for every error answer: those of middleware and of
    unknown paths included.
    """

    @abstractmethod
    def present(
        self, request: Request, problem: Mapping[str, Any], headers: Mapping[str, str] | None
    ) -> Response | None:
        """The answer with the status of `problem` and these headers; `None` leaves it to others."""
