from typing import Annotated
from uuid import UUID

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import (
    MISSING,
    AfterValidator,
    Field,
    SecretStr,
)

from app.modules.common.schemas import (
    ONE_LINE,
    PersistentDeletion,
    RecordSchema,
    RequestSchema,
    Schema,
)

from .models import EMAIL_LENGTH, NAME_LENGTH, URL_LENGTH, USERNAME_LENGTH

# Words that a path, a tool or a person would take for something else than a user.
_RESERVED = frozenset(
    {"active", "admin", "administrator", "api", "db", "me", "null", "root", "self", "support"}
    | {"system", "undefined"}
)
# Domains such as `test` and `local`, to which no mail can be sent from outside.
_NO_MAIL = rf"[.@]({'|'.join(SPECIAL_USE_DOMAIN_NAMES).replace('.', '[.]')})$"
# Length decides how hard a password is to guess (NIST SP 800-63B); the upper bound only keeps
# hashing cheap. Spaces are part of a password, so nothing is stripped.
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 128


def _not_reserved(username: str) -> str:
    if username in _RESERVED:
        raise ValueError("is reserved; choose another one")
    return username


def canonical_email(email: str) -> str:
    """One spelling for each mailbox, so that the unique index sees duplicates.

    Raises `ValueError`. Providers treat the part before the @ alike in either case, whatever the
    standard allows.
    """
    try:
        parsed = validate_email(email, check_deliverability=False)
    except EmailNotValidError as exc:
        raise ValueError(str(exc)) from None
    return parsed.normalized.lower()


def _encodable(password: SecretStr) -> SecretStr:
    # JSON can carry half a surrogate pair, which has no bytes to hash.
    try:
        password.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid text") from None
    return password


def _long_enough(password: SecretStr) -> SecretStr:
    if not SHORTEST_PASSWORD <= len(password.get_secret_value()) <= LONGEST_PASSWORD:
        raise ValueError(f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return password


Name = Annotated[
    str,
    Field(
        min_length=2,
        max_length=NAME_LENGTH,
        examples=["Ada Lovelace"],
    ),
    ONE_LINE,
]
Username = Annotated[
    str,
    # A letter somewhere: a number alone could be taken for an id.
    Field(
        min_length=2,
        max_length=USERNAME_LENGTH,
        pattern=r"^[a-z0-9_]*[a-z][a-z0-9_]*$",
        examples=["ada"],
        json_schema_extra={"not": {"enum": sorted(_RESERVED)}},
    ),
    AfterValidator(_not_reserved),
]
Email = Annotated[
    str,
    Field(
        max_length=EMAIL_LENGTH,
        examples=["ada@example.com"],
        json_schema_extra={"format": "email", "not": {"pattern": _NO_MAIL}},
    ),
    AfterValidator(canonical_email),
]
KnownPassword = Annotated[SecretStr, Field(max_length=LONGEST_PASSWORD), AfterValidator(_encodable)]
"""One to compare with, whatever the rules were when it was chosen."""
Password = Annotated[
    SecretStr,
    Field(
        examples=["correct horse battery staple"],
        json_schema_extra={"minLength": SHORTEST_PASSWORD, "maxLength": LONGEST_PASSWORD},
    ),
    AfterValidator(_encodable),
    AfterValidator(_long_enough),
]
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
# No quotes and no brackets, so that a page which forgets to escape it still is not broken by it.
_REST = r"(:[0-9]{1,5})?(/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]*)?"
ImageUrl = Annotated[
    str,
    Field(
        max_length=URL_LENGTH,
        pattern=rf"^https://{_LABEL}(\.{_LABEL})+{_REST}$",
        examples=["https://example.com/ada.png"],
    ),
]


class UserBase(RequestSchema):
    name: Name
    username: Username
    email: Email


class UserCreate(UserBase):
    password: Password


class UserCreateInternal(UserBase):
    """What is stored: only the service builds it, never a request."""

    hashed_password: str | None
    is_superuser: bool = False
    email_verified: bool = False


class UserPublic(Schema):
    """What other users may see."""

    id: UUID
    name: str
    username: str
    profile_image_url: str | None


# Reading schemas carry no input rules: a row that an older rule let in must not break a list.
class UserRead(RecordSchema):
    """What users see of their own account."""

    name: str
    username: str
    email: str
    email_verified: bool
    profile_image_url: str | None
    is_superuser: bool


class UserAdminRead(UserRead, PersistentDeletion):
    """What a superuser sees."""

    is_active: bool


class UserUpdate(RequestSchema):
    """A field left out is left alone; only the image may be `null`."""

    name: Name | MISSING = MISSING
    username: Username | MISSING = MISSING
    email: Email | MISSING = MISSING
    profile_image_url: ImageUrl | MISSING | None = MISSING
    current_password: KnownPassword | MISSING = MISSING


class UserUpdateInternal(RequestSchema):
    """What is stored: only the service builds it. The database stamps `updated_at`."""

    name: Name | MISSING = MISSING
    username: Username | MISSING = MISSING
    email: Email | MISSING = MISSING
    email_verified: bool | MISSING = MISSING
    profile_image_url: str | MISSING | None = MISSING
    hashed_password: str | MISSING = MISSING
    is_active: bool | MISSING = MISSING
    is_superuser: bool | MISSING = MISSING


class UserAnonymize(RequestSchema):
    """Everything about a person, replaced; only the service builds it."""

    name: str = "Deleted user"
    username: str
    email: str
    email_verified: bool = False
    profile_image_url: None = None
    hashed_password: None = None
    is_active: bool = False
    is_superuser: bool = False

    @classmethod
    def of(cls, user_id: UUID) -> "UserAnonymize":
        # `.invalid` never receives mail (RFC 2606), and the id keeps both unique.
        return cls(username=f"deleted_{user_id.hex[-24:]}", email=f"{user_id.hex}@deleted.invalid")
