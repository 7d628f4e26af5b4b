from uuid import UUID

from app.core.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError


class UnknownProviderError(NotFoundError):
    """Also for one that is not configured."""

    code = "oauth.unknown_provider"
    title = "Unknown provider"

    def __init__(self) -> None:
        super().__init__("`GET /api/v1/oauth/providers` lists those you can log in with.")


class LinkedAccountNotFoundError(NotFoundError):
    code = "oauth.account_not_found"
    title = "Linked account not found"

    def __init__(self, account_id: UUID) -> None:
        super().__init__(f"You have no linked account with the id {account_id}.")


class LoginNotBegunError(ForbiddenError):
    code = "oauth.not_begun"
    title = "Login not begun here"

    def __init__(self) -> None:
        # The same for a wrong state, another browser, another provider, too late and a second time.
        super().__init__("This login was not begun in this browser, or it is over. Begin again.")


class LoginDeclinedError(ForbiddenError):
    code = "oauth.declined"
    title = "Declined at the provider"

    def __init__(self) -> None:
        super().__init__("The provider was not allowed to tell who you are. Begin again.")


class IdentityRefusedError(ForbiddenError):
    """What the provider sent does not prove who somebody is; `cause` says why, for the log."""

    code = "oauth.identity_refused"
    title = "Identity refused"

    def __init__(self, cause: str) -> None:
        super().__init__("The provider's answer does not prove who you are. Begin again.")
        self.cause = cause


class UnverifiedEmailError(ForbiddenError):
    code = "oauth.unverified_email"
    title = "Unverified e-mail address"

    def __init__(self) -> None:
        super().__init__(
            "The provider vouches for no e-mail address of yours. Verify it there, or log in "
            "another way and link the provider."
        )


class AccountClosedError(ForbiddenError):
    code = "oauth.account_closed"
    title = "Account closed"

    def __init__(self, user_id: UUID) -> None:
        super().__init__("Nobody can log in to this account.")
        self.user_id = user_id


class AccountExistsError(ConflictError):
    """Whoever registered the address first has not shown that it is theirs."""

    code = "oauth.account_exists"
    title = "Account exists"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(
            "There is an account that cannot be opened this way. Log in to it as before and link "
            "the provider."
        )
        self.user_id = user_id


class IdentityTakenError(ConflictError):
    code = "oauth.identity_taken"
    title = "Linked to another account"

    def __init__(self) -> None:
        super().__init__("Who you are at the provider is linked to another account here.")


class ProviderTakenError(ConflictError):
    code = "oauth.provider_taken"
    title = "Another one is linked"

    def __init__(self) -> None:
        super().__init__(
            "The account is linked to somebody else at this provider. Unlink it first."
        )


class LastCredentialError(ConflictError):
    code = "oauth.last_credential"
    title = "Last way to log in"

    def __init__(self) -> None:
        super().__init__("Nothing else opens your account. Set a password or link another one.")


class ProviderUnavailableError(UnavailableError):
    code = "oauth.provider_unavailable"
    title = "Provider unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The provider did not answer as it should. Try again in a moment.",
            retry_after_seconds=5,
        )
