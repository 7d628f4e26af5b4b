from celery.app.task import Context
from uuid_utils.compat import uuid7

from app.core.extensions import Extensions
from app.infrastructure.celery.broker import (
    WAITS,
    Broker,
    CelerySetup,
    create_celery,
    observe_wait,
    publish,
)
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import TaskMessage
from tests.support import counted

from .kettle import boil
from .test_settings import URL


class TestWaits:
    def test_are_from_the_sender_to_the_worker_and_of_no_further_attempt(self) -> None:
        celery = create_celery(CelerySetup(CelerySettings(), Broker(url=URL)), Extensions([boil]))
        publish(celery, TaskMessage(id=uuid7(), name=boil.name, payload={}), queue=None)
        with celery.connection_for_read() as connection:
            queue = connection.SimpleQueue(celery.conf.task_default_queue)
            received = queue.get(block=False)
            queue.close()

        with counted(WAITS) as waits:
            observe_wait(Context(received.headers), boil.name)
            observe_wait(Context(received.headers, retries=1), boil.name)
            observe_wait(Context(received.headers, headers={"sent_at": 0}), "old")
            observe_wait(Context(received.headers, headers={"sent_at": 1e12}), "ahead")
            observe_wait(Context(headers=None), "of another sender")

        assert 0 < waits[boil.name,] < 60
        assert waits["old",] > 1e9
        assert waits["ahead",] == 0
        assert len(waits) == 3
