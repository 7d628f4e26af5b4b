from app.core.feature import Feature

from .settings import RateLimitSettings


def feature(settings: RateLimitSettings) -> Feature:  # noqa: ARG001
    return Feature(name="rate_limit")
