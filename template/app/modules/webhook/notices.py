from app.infrastructure.security.notices import Notice

DISABLED = "webhook_endpoint_disabled"

ENDPOINT_DISABLED = Notice(
    event=DISABLED,
    subject="One of your webhook endpoints was disabled",
    text="A webhook endpoint of your account does not take what is sent to it, so nothing is sent "
    "any more. Its list of deliveries shows what went wrong. Enable it again when it is mended; "
    "what it has missed can be delivered again.",
)
