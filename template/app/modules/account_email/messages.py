"""What the mails say."""

from datetime import datetime

from app.infrastructure.email.templates import ActionEmail, Button, EmailTemplates
from app.infrastructure.security.events import SecurityEvent
from app.infrastructure.security.notices import Notice
from app.modules.user.models import User

from .settings import AccountEmailSettings

_MINUTE, _HOUR = 60, 3600


class Messages:
    def __init__(self, templates: EmailTemplates, settings: AccountEmailSettings) -> None:
        self._templates = templates
        self._settings = settings

    @property
    def _title(self) -> str:
        return self._templates.title

    def verification(self, user: User, token: str) -> ActionEmail:
        return ActionEmail(
            to=user.email,
            name=_name(user),
            subject="Confirm your e-mail address",
            paragraphs=(
                f"You have registered at {self._title} with this address.",
                "Confirm it, so that you can get back in if you forget your password.",
            ),
            button=self._button("Confirm address", "/verify-email", token),
            note=f"The link works once, for {_span(self._settings.verification_ttl_seconds)}. "
            "If you did not register, ignore this mail.",
        )

    def reset(self, user: User, token: str) -> ActionEmail:
        return ActionEmail(
            to=user.email,
            name=_name(user),
            subject="Set a new password",
            paragraphs=(
                f"Somebody, hopefully you, has asked for a new password at {self._title}.",
                f"Your username is {user.username}.",
            ),
            button=self._button("Set a new password", "/reset-password", token),
            note=f"The link works once, for {_span(self._settings.reset_ttl_seconds)}. If you did "
            "not ask for it, ignore this mail: your password stays as it is.",
        )

    def change(self, user: User, email: str, token: str) -> ActionEmail:
        return ActionEmail(
            to=email,
            name="",
            subject="Confirm your new e-mail address",
            paragraphs=(
                f"You want to use this address for the account {user.username} at {self._title}.",
            ),
            button=self._button("Use this address", "/change-email", token),
            note=f"The link works once, for {_span(self._settings.change_ttl_seconds)}. If it was "
            "not you, ignore this mail: nothing changes.",
        )

    def taken(self, email: str) -> ActionEmail:
        """In place of `change`, to the owner of the address, who may be the same person."""
        return ActionEmail(
            to=email,
            name="",
            subject="You have an account already",
            paragraphs=(
                f"Somebody wanted to use this address for another account at {self._title}.",
                "It belongs to your account, so nothing has changed.",
            ),
            note="If it was you: log in with this address, or ask for a new password. If it was "
            "not you, ignore this mail.",
        )

    def change_requested(self, user: User) -> ActionEmail:
        """To the present address."""
        return ActionEmail(
            to=user.email,
            name=_name(user),
            subject="Your e-mail address is about to change",
            paragraphs=(
                f"A new e-mail address was given for your account at {self._title}.",
                "It takes the place of this one as soon as it is confirmed.",
            ),
            note="If it was not you, somebody knows your password: change it now. That calls the "
            "change off as well.",
        )

    def changed(self, user: User) -> ActionEmail:
        """To the address that goes, from which nothing can be done about it any more."""
        return ActionEmail(
            to=user.email,
            name=_name(user),
            subject="Your e-mail address was changed",
            paragraphs=(
                f"Your account at {self._title} has another e-mail address now.",
                "This one does not belong to it any more.",
            ),
            note=f"If it was not you, tell whoever runs {self._title} at once.",
        )

    def notice(self, notice: Notice, event: SecurityEvent, user: User) -> ActionEmail:
        origin = f" from {event.address}" if event.address else ""
        return ActionEmail(
            to=user.email,
            name=_name(user),
            subject=notice.subject,
            paragraphs=(
                notice.text,
                f"It was at {self._title}, on {_moment(event.at)}{origin}.",
            ),
            note="If it was not you, somebody else may be in your account: ask for a new password "
            "at once. That ends all logins.",
        )

    def _button(self, label: str, page: str, token: str) -> Button:
        # What follows the # is not sent to any server: no log has it, and no Referer. Tokens need
        # no quoting.
        return Button(label=label, url=f"{self._templates.link(page)}#token={token}")


def _name(user: User) -> str:
    # Strangers choose their names: one that advertises something must not go to people who have
    # nothing to do with it.
    return user.name if user.email_verified else ""


def _span(seconds: int) -> str:
    """Rounded down: a promise is kept."""
    unit, number = ("minute", seconds // _MINUTE)
    if seconds >= _HOUR:
        unit, number = ("hour", seconds // _HOUR)
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%B %Y} at {at:%H:%M} UTC"
