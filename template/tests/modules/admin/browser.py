import re

from httpx2 import AsyncClient, Response

from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD

ROOT = "https://test/admin"
SESSION = "__Host-admin_session"
FORM_SECRET = "__Host-admin_form"
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class Browser:
    """Sends the forms of the pages it has seen, as a browser does."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.token = ""

    async def open(self, path: str, **query: str) -> Response:
        """Follows redirects within the panel."""
        response = await self.client.get(f"{ROOT}{path}", params=query, follow_redirects=True)
        self._remember(response)
        return response

    async def open_with(self, cookie: str, value: str) -> Response:
        """With this cookie and no other."""
        self.client.cookies.clear()
        headers = {"cookie": f"{cookie}={value}"}
        return await self.client.get(f"{ROOT}/", headers=headers)

    async def send(self, path: str, **fields: str) -> Response:
        data = {"csrf": self.token, **fields}
        response = await self.client.post(f"{ROOT}{path}", data=data)
        self._remember(response)
        return response

    async def delete(self, path: str, **query: str) -> Response:
        headers = {"x-form-token": self.token}
        return await self.client.delete(f"{ROOT}{path}", params=query, headers=headers)

    async def log_in(self, user: User, password: str = PASSWORD) -> Response:
        await self.open("/login")
        return await self.send("/login", username=user.username, password=password)

    def _remember(self, response: Response) -> None:
        if (found := _TOKEN.search(response.text)) is not None:
            self.token = found[1]
