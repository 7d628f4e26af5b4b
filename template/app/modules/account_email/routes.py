from http import HTTPStatus

from fastapi import BackgroundTasks

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.problems import raises
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.errors import EmailTakenError, WeakPasswordError

from .dependencies import AccountEmailServiceDep
from .errors import InvalidEmailTokenError
from .models import Purpose
from .schemas import EmailConfirmation, MailRequest, MailRequested, PasswordReset

router = PrefixRouter(
    prefix="/account",
    tags=["account"],
    responses=raises(DatabaseBusyError, DatabaseUnreachableError),
)
_MAILED = raises(TooManyAttemptsError)
_CONFIRMED = (InvalidEmailTokenError, TooManyAttemptsError)


@router.post("/verify-email", status_code=HTTPStatus.NO_CONTENT, responses=raises(*_CONFIRMED))
async def verify_email(emails: AccountEmailServiceDep, data: EmailConfirmation) -> None:
    """Confirm the address of an account, with the token from the mailed link."""
    await emails.verify(data.token)


@router.post("/verify-email/resend", status_code=HTTPStatus.ACCEPTED, responses=_MAILED)
async def resend_verification(
    emails: AccountEmailServiceDep, background: BackgroundTasks, data: MailRequest
) -> MailRequested:
    """Have the link mailed again, to an address that is not confirmed; former ones are void."""
    await emails.admit(Purpose.VERIFY, data.email)
    background.add_task(emails.mail_verification, data.email)
    return MailRequested()


@router.post("/password-reset", status_code=HTTPStatus.ACCEPTED, responses=_MAILED)
async def request_password_reset(
    emails: AccountEmailServiceDep, background: BackgroundTasks, data: MailRequest
) -> MailRequested:
    """Have a link mailed that sets a new password; former ones are void."""
    await emails.admit(Purpose.RESET, data.email)
    background.add_task(emails.mail_reset, data.email)
    return MailRequested()


@router.post(
    "/password-reset/confirm",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_CONFIRMED, WeakPasswordError),
)
async def reset_password(emails: AccountEmailServiceDep, data: PasswordReset) -> None:
    """Set a new password, with the token from the mailed link. All logins of the account end."""
    await emails.reset_password(data.token, data.new_password)


@router.post(
    "/change-email/confirm",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_CONFIRMED, EmailTakenError),
)
async def confirm_email_change(emails: AccountEmailServiceDep, data: EmailConfirmation) -> None:
    """Let the new address take the place of the old one, with the token from the mailed link."""
    await emails.change_email(data.token)
