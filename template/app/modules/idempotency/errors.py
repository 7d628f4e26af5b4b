from app.core.errors import ConflictError, InvalidError, MalformedError


class IdempotencyKeyMissingError(MalformedError):
    code = "idempotency.key_missing"
    title = "Idempotency key missing"

    def __init__(self) -> None:
        super().__init__(
            "Send an Idempotency-Key header: a new random text for each thing that is to be done, "
            "and the same one when a request is repeated."
        )


class IdempotencyKeyAmbiguousError(MalformedError):
    code = "idempotency.key_ambiguous"
    title = "Several idempotency keys"

    def __init__(self) -> None:
        super().__init__("Send one Idempotency-Key header.")


class IdempotencyKeyReusedError(InvalidError):
    code = "idempotency.key_reused"
    title = "Idempotency key used before"

    def __init__(self) -> None:
        super().__init__(
            "The Idempotency-Key belongs to a request that was another one. Take a new key, or "
            "repeat that request as it was, byte by byte."
        )


class RequestInProgressError(ConflictError):
    code = "idempotency.in_progress"
    title = "Request in progress"
    # Most requests are done by then.
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still being answered.")


class ResponseNotKeptError(ConflictError):
    code = "idempotency.response_not_kept"
    title = "Answer not kept"

    def __init__(self, status: int) -> None:
        super().__init__(
            "The first request with this Idempotency-Key was carried out, and nothing was done "
            "now. Its answer cannot be shown again; read what it made instead.",
            first_status=status,
        )


class ClaimLostError(ConflictError):
    code = "idempotency.claim_lost"
    title = "Overtaken by a repeat"

    def __init__(self) -> None:
        super().__init__(
            "The request took so long that a repeat of it was let in. It was undone; repeat it "
            "with the same Idempotency-Key to get the answer."
        )
