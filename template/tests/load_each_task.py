"""Does every task of every scenario once, for `test_load.py`; prints the routes and failures."""

import json
import sys
from inspect import isfunction

from locust import User
from locust.env import Environment

from load import locustfile


def main(host: str) -> None:
    classes = [
        value
        for value in vars(locustfile).values()
        if isinstance(value, type) and issubclass(value, User) and not value.abstract
    ]
    environment = Environment(user_classes=classes, host=host)
    # It keeps the statistics.
    environment.create_local_runner()
    for class_ in classes:
        class_.host = host
        user = class_(environment)
        user.on_start()
        for task in dict.fromkeys(user.tasks):
            assert isfunction(task)
            task(user)
    routes = sorted({f"{method} {name}" for name, method in environment.stats.entries})
    failures = [str(it.to_dict()) for it in environment.stats.errors.values()]
    sys.stdout.write(json.dumps({"routes": routes, "failures": failures}))


if __name__ == "__main__":
    main(sys.argv[1])
