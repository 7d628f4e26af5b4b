from random import randrange

from locust import tag, task

from load.scenarios.account import LoggedInUser


class Reader(LoggedInUser):
    """Reads far more than it writes."""

    # Most of the load is on what the service is about.
    weight = 3

    def on_start(self) -> None:
        super().on_start()
        self._book_ids: list[str] = []
        self.add_book()

    @tag("read")
    @task(10)
    def list_books(self) -> None:
        self.client.get("/api/v1/books")

    @tag("read")
    @task(3)
    def scroll_books(self) -> None:
        self.client.get("/api/v1/books/scroll")

    @tag("read")
    @task(10)
    def read_book(self) -> None:
        if self._book_ids:
            book_id = self._book_ids[randrange(len(self._book_ids))]
            self.client.get(f"/api/v1/books/{book_id}", name="/api/v1/books/{book_id}")

    @tag("write")
    @task(2)
    def add_book(self) -> None:
        # An ISBN is taken once; that of another process would be refused.
        body = {"title": "Emma", "author": "Jane Austen", "isbn": f"978{randrange(10**10):010}"}
        response = self.client.post("/api/v1/books", json=body)
        if response.ok:
            self._book_ids.append(response.json()["id"])

    @tag("write")
    @task(1)
    def update_book(self) -> None:
        if self._book_ids:
            self.client.patch(
                f"/api/v1/books/{self._book_ids[-1]}",
                json={"published_in": 1815},
                name="/api/v1/books/{book_id}",
            )

    @tag("write")
    @task(1)
    def delete_book(self) -> None:
        if len(self._book_ids) > 1:
            self.client.delete(
                f"/api/v1/books/{self._book_ids.pop()}", name="/api/v1/books/{book_id}"
            )
