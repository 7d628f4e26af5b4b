from app.core.feature import Feature

from .settings import TwoFactorSettings


def feature(settings: TwoFactorSettings) -> Feature:  # noqa: ARG001
    return Feature(name="two_factor")
