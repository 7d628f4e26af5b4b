from uuid import UUID

from app.core.errors import ConflictError, ForbiddenError, NotFoundError


class ApiKeyNotFoundError(NotFoundError):
    """Also for somebody else's key, and for one that was revoked."""

    code = "api_key.not_found"
    title = "API key not found"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"There is no key with the id {key_id}.")


class ScopeNotHeldError(ForbiddenError):
    code = "api_key.scope_not_held"
    title = "Scope not held"

    def __init__(self) -> None:
        # The same for one that does not exist.
        super().__init__("The scopes ask for more than this account may do.")


class ExpiryOutOfRangeError(ForbiddenError):
    code = "api_key.expiry_out_of_range"
    title = "Expiry out of range"

    def __init__(self, longest_ttl_days: int) -> None:
        limit = f" and at most {longest_ttl_days} days away" if longest_ttl_days else ""
        super().__init__(f"`expires_at` must be in the future{limit}.")


class TooManyApiKeysError(ConflictError):
    code = "api_key.too_many"
    title = "Too many API keys"

    def __init__(self, most: int) -> None:
        super().__init__(f"An account has at most {most} keys: revoke one first.")


class ApiKeyOverError(ConflictError):
    code = "api_key.over"
    title = "API key over"

    def __init__(self) -> None:
        super().__init__("This key has expired or was rotated before: generate a new one.")
