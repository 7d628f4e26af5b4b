from app.core.settings import Environment, SettingsGroup


class ProfilingSettings(SettingsGroup):
    """Read from `PROFILING_*`."""

    enabled: bool | None = None
    """Unset: in development alone."""

    def is_on(self, environment: Environment) -> bool:
        if self.enabled is None:
            return environment is Environment.DEVELOPMENT
        return self.enabled

    def refusals(self) -> list[str]:
        if not self.enabled:
            return []
        return ["PROFILING_ENABLED=true shows our code to strangers, at their wish: unset it."]
