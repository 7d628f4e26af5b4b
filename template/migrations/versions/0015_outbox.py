"""The outbox: background tasks that the broker has not taken yet."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015_outbox"
# {% if false %}
down_revision: str | None = "0014_files"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0015_outbox")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_stored_at_id", "outbox", ["stored_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_outbox_stored_at_id", table_name="outbox")

    op.drop_table("outbox")
