from app.modules.admin.extension import AdminView
from app.modules.webhook.models import WebhookDelivery, WebhookEndpoint

VIEWS = (
    AdminView(
        model=WebhookEndpoint,
        name="Webhook",
        plural="Webhooks",
        icon="fa-solid fa-satellite-dish",
        columns=("url", "user_id", "is_enabled", "disabled_reason", "consecutive_failures"),
        details=("id", "description", "event_types", "created_at", "updated_at"),
        searched=("url", "description"),
    ),
    AdminView(
        model=WebhookDelivery,
        name="Delivery",
        plural="Deliveries",
        icon="fa-solid fa-paper-plane",
        columns=("event_type", "status", "attempts", "response_status", "error", "created_at"),
        details=("id", "endpoint_id", "event_id", "last_attempt_at", "next_attempt_at"),
        searched=("event_type", "status"),
    ),
)
