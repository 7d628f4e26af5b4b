from locust import HttpUser, between, tag, task


class Visitor(HttpUser):
    wait_time = between(1, 5)

    @tag("read")
    @task(5)
    def look_at_the_home_page(self) -> None:
        self.client.get("/")

    @tag("read")
    @task(1)
    def look_at_the_form(self) -> None:
        self.client.get("/feedback")
