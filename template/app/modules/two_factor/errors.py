from app.core.errors import ConflictError, ForbiddenError, UnauthenticatedError
from app.modules.auth.errors import HaltedLoginError


class TwoFactorRequiredError(HaltedLoginError):
    """The first half of a login went well; `challenge` stands for it in the second."""

    code = "two_factor.required"
    title = "Second factor required"

    def __init__(self, challenge: str, *, grant: str, expires_in: int) -> None:
        super().__init__(
            f"Send the `challenge` with a code to `POST /api/v1/auth/{grant}/two-factor`.",
            challenge=challenge,
            expires_in=expires_in,
        )


class TwoFactorRefusedError(UnauthenticatedError):
    code = "two_factor.refused"
    title = "Second factor refused"

    def __init__(self) -> None:
        # The same whether the code or the challenge is wrong, used up or too old.
        super().__init__("The code does not count. Try the next one, or begin the login again.")


class ConfirmationRequiredError(ForbiddenError):
    """Somebody who is logged in has given the password again; the code is missing."""

    code = "two_factor.confirmation_required"
    title = "Second factor required"

    def __init__(self, challenge: str, *, expires_in: int) -> None:
        super().__init__(
            "Send the `challenge` with a code to `POST /api/v1/two-factor/confirm`.",
            challenge=challenge,
            expires_in=expires_in,
        )


class WrongCodeError(ForbiddenError):
    code = "two_factor.wrong_code"
    title = "Wrong code"

    def __init__(self) -> None:
        super().__init__("The code does not count: each works once, and not for long.")


class StepUpRequiredError(ForbiddenError):
    code = "two_factor.step_up_required"
    title = "Recent login with a second factor required"

    def __init__(self) -> None:
        super().__init__(
            "This takes a second factor (`POST /api/v1/two-factor/enrol`) and a recent login with "
            "it: `POST /api/v1/auth/confirm`, or log in again."
        )


class EnrolmentRequiredError(ForbiddenError):
    code = "two_factor.enrolment_required"
    title = "Second factor not set up"

    def __init__(self) -> None:
        super().__init__("Set up a second factor first: `POST /api/v1/two-factor/enrol`.")


class AlreadyActiveError(ConflictError):
    code = "two_factor.already_active"
    title = "Second factor already active"

    def __init__(self) -> None:
        super().__init__("You have one. Switch it off before you set up another one.")


class NotActiveError(ConflictError):
    code = "two_factor.not_active"
    title = "Second factor not active"

    def __init__(self) -> None:
        super().__init__("Set one up first: `POST /api/v1/two-factor/enrol`, then `/activate`.")
