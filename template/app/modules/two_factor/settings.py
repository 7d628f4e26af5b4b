from app.core.settings import SettingsGroup


class TwoFactorSettings(SettingsGroup):
    """Read from `TWO_FACTOR_*`."""
