from locust import tag, task

from load.scenarios.account import LoggedInUser

CONTENT = b"A line of text.\n" * 1024


class Uploader(LoggedInUser):
    @tag("read")
    @task(3)
    def list_files(self) -> None:
        self.client.get("/api/v1/files")

    @tag("write")
    @task(1)
    def store_read_and_delete(self) -> None:
        """Leaves nothing behind in the storage."""
        stored = self.client.post(
            "/api/v1/files/raw?name=load.txt", data=CONTENT, name="/api/v1/files/raw"
        )
        if stored.ok:
            path = f"/api/v1/files/{stored.json()['id']}"
            self.client.get(f"{path}/content", name="/api/v1/files/{file_id}/content")
            self.client.delete(path, name="/api/v1/files/{file_id}")
