"""What was handled of the events of streams."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017_events"
# {% if false %}
down_revision: str | None = "0016_webhooks"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0017_events")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "event_receipt",
        sa.Column("handler", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("handler", "source", "event_id", name="pk_event_receipt"),
    )
    op.create_index("ix_event_receipt_at", "event_receipt", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_event_receipt_at", table_name="event_receipt")
    op.drop_table("event_receipt")
