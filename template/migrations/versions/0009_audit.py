"""The audit log."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009_audit"
# {% if false %}
down_revision: str | None = "0008_api_keys"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0009_audit")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("is_warning", sa.Boolean(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_name_id", "audit_event", ["name", "id"], unique=False)
    op.create_index("ix_audit_event_actor_id_id", "audit_event", ["actor_id", "id"], unique=False)
    op.create_index("ix_audit_event_target_id_id", "audit_event", ["target_id", "id"], unique=False)
    op.create_index("ix_audit_event_address_id", "audit_event", ["address", "id"], unique=False)
    op.create_index(
        "ix_audit_event_request_id_id", "audit_event", ["request_id", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_audit_event_request_id_id", table_name="audit_event")
    op.drop_index("ix_audit_event_address_id", table_name="audit_event")
    op.drop_index("ix_audit_event_target_id_id", table_name="audit_event")
    op.drop_index("ix_audit_event_actor_id_id", table_name="audit_event")
    op.drop_index("ix_audit_event_name_id", table_name="audit_event")

    op.drop_table("audit_event")
