from pydantic import SecretStr

from app.core.settings import SettingsGroup

_SHORTEST_PASSWORD = 16


class DocsSettings(SettingsGroup):
    """Who may read the API documentation (`DOCS_*`)."""

    enabled: bool | None = None
    """Unset: served, except where deployed."""
    username: str = "docs"
    password: SecretStr | None = None
    """Asks for HTTP Basic credentials; at least 16 characters where deployed."""

    def is_served(self, *, deployed: bool) -> bool:
        return not deployed if self.enabled is None else self.enabled

    def refusals(self) -> list[str]:
        password = self.password.get_secret_value() if self.password else ""
        if self.enabled and len(password) < _SHORTEST_PASSWORD:
            message = (
                "DOCS_ENABLED=true would publish the API documentation: set DOCS_PASSWORD (at "
                f"least {_SHORTEST_PASSWORD} characters) as well, or leave DOCS_ENABLED unset."
            )
            return [message]
        return []
