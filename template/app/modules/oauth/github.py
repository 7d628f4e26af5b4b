from typing import ClassVar

from .asking import Asking
from .errors import IdentityRefusedError
from .providers import Attempt, Client, Identity, Provider, identity


class GitHub(Provider):
    """An OAuth app of GitHub or of GitHub Enterprise, which know no ID tokens."""

    scope: ClassVar[str] = "user:email"

    def __init__(self, client: Client, asking: Asking, *, url: str, api_url: str) -> None:
        super().__init__(client, asking)
        self._url = url.rstrip("/")
        self._api_url = api_url.rstrip("/")

    async def authorization_url(self, attempt: Attempt) -> str:
        return self._location(f"{self._url}/login/oauth/authorize", attempt)

    async def check_issuer(self, issuer: str | None) -> None:
        if issuer is not None and not issuer.startswith(f"{self._url}/"):
            raise IdentityRefusedError("issuer")

    async def identify(self, code: str, attempt: Attempt) -> Identity:
        endpoint = f"{self._url}/login/oauth/access_token"
        token = (await self._exchange(endpoint, code, attempt))["access_token"]
        user_url = f"{self._api_url}/user"
        user = await self.asking.get(user_url, token=token)
        # The address in the profile is whatever its owner typed; only these are checked.
        emails = await self.asking.get(f"{user_url}/emails?per_page=100", token=token)
        if not isinstance(user, dict) or not isinstance(emails, list):
            raise self.asking.failed(user_url, "another shape")
        number = user.get("id")
        if not isinstance(number, int) or isinstance(number, bool):
            raise IdentityRefusedError("subject")
        verified = (
            item.get("email")
            for item in emails
            if isinstance(item, dict)
            and item.get("primary") is True
            and item.get("verified") is True
        )
        return identity(str(number), user.get("name") or user.get("login"), next(verified, None))
