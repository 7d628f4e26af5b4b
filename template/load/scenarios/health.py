from locust import HttpUser, constant, tag, task


class Platform(HttpUser):
    """Asks as platforms do."""

    wait_time = constant(5)

    @tag("read")
    @task(3)
    def ask_whether_it_is_ready(self) -> None:
        self.client.get("/health/ready")

    @tag("read")
    @task(1)
    def ask_whether_it_is_alive(self) -> None:
        self.client.get("/health/live")
