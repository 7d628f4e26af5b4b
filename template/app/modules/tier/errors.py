from uuid import UUID

from app.core.errors import ConflictError, InvalidError, NotFoundError


class TierNotFoundError(NotFoundError):
    code = "tier.not_found"
    title = "Tier not found"

    def __init__(self, tier_id: UUID) -> None:
        super().__init__(f"No tier has the id {tier_id}.")


class UnknownTierError(ConflictError):
    """Of a tier that the body names: the account that the path names is there."""

    code = "tier.unknown"
    title = "Unknown tier"

    def __init__(self, tier_id: UUID) -> None:
        super().__init__(f"No tier has the id {tier_id}.")


class TierNameTakenError(ConflictError):
    code = "tier.name_taken"
    title = "Tier name already taken"

    def __init__(self) -> None:
        super().__init__("A tier with this name already exists.")


class TierInUseError(ConflictError):
    code = "tier.in_use"
    title = "Tier in use"

    def __init__(self) -> None:
        super().__init__("Somebody has this tier. Give everybody who does another one first.")


class DefaultTierError(ConflictError):
    code = "tier.is_default"
    title = "Default tier"

    def __init__(self) -> None:
        super().__init__(
            "Everybody without a tier of their own has this one, by its name: it can be neither "
            "renamed nor deleted unless TIER_DEFAULT names another."
        )


class RateLimitNotFoundError(NotFoundError):
    code = "tier.rate_limit_not_found"
    title = "Rate limit not found"

    def __init__(self, rate_limit_id: UUID) -> None:
        super().__init__(f"This tier has no rate limit with the id {rate_limit_id}.")


class RateLimitPathTakenError(ConflictError):
    code = "tier.rate_limit_path_taken"
    title = "Route already limited"

    def __init__(self) -> None:
        super().__init__("This tier already has a rate limit for this path; change that one.")


class RateLimitNameTakenError(ConflictError):
    code = "tier.rate_limit_name_taken"
    title = "Rate limit name already taken"

    def __init__(self) -> None:
        super().__init__("This tier already has a rate limit with this name.")


class UnknownRouteError(InvalidError):
    code = "tier.unknown_route"
    title = "Unknown route"

    def __init__(self) -> None:
        super().__init__(
            "No route has this path. Write it as the API's description does, from its beginning "
            "and with the names of parameters in braces, such as /api/v1/users/{user_id}; * stands "
            "for all routes without a rate limit of their own."
        )
