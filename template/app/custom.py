"""Yours: what this service has beyond the template's features.

The template never changes this file, so switching its features on or off never conflicts with it.
"""

from app.core.feature import Feature
from app.core.settings import ServiceSettings


class CustomSettings(ServiceSettings):
    """Add a settings group of your own: `billing: BillingSettings = BillingSettings()`.

    Its fields are then read from `BILLING_*`.
    """


def custom_features(settings: CustomSettings) -> list[Feature]:  # noqa: ARG001 (yours to use)
    """Your features, in start-up order; they start after the template's and stop before them."""
    return []
