from uuid import uuid4

from locust import HttpUser, between, tag, task
from locust.clients import ResponseContextManager
from locust.exception import StopUser
from requests import Response


class LoggedInUser(HttpUser):
    """Registers an account of its own and logs in; other scenarios build on it."""

    abstract = True
    wait_time = between(1, 3)

    def on_start(self) -> None:
        # Not a counter: each process, and each run, would begin with the same one.
        name = f"load_{uuid4().hex[:12]}"
        account = {
            "name": "Load Test",
            "username": name,
            "email": f"{name}@example.com",
            "password": uuid4().hex,
        }
        self._succeeds(self.client.post("/api/v1/users", json=account))
        form = {"username": name, "password": account["password"]}
        self._keep(self.client.post("/api/v1/auth/token", data=form))

    @tag("write")
    @task(1)
    def refresh_tokens(self) -> None:
        """Often enough that no access token runs out."""
        body = {"refresh_token": self._refresh_token}
        self._keep(self.client.post("/api/v1/auth/refresh", json=body))

    def _keep(self, response: Response | ResponseContextManager) -> None:
        tokens = self._succeeds(response).json()
        self.client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self._refresh_token = tokens["refresh_token"]

    def _succeeds(
        self, response: Response | ResponseContextManager
    ) -> Response | ResponseContextManager:
        """Whoever cannot log in could only fail from then on; the failure itself is counted."""
        if not response.ok:
            raise StopUser
        return response


class AccountHolder(LoggedInUser):
    @tag("read")
    @task(8)
    def read_account(self) -> None:
        self.client.get("/api/v1/users/me")

    @tag("read")
    @task(2)
    def list_sessions(self) -> None:
        self.client.get("/api/v1/auth/sessions")

    @tag("write")
    @task(1)
    def rename(self) -> None:
        self.client.patch("/api/v1/users/me", json={"name": f"Load Test {uuid4().hex[:6]}"})
