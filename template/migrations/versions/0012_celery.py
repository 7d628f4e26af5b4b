"""Background tasks: what was done, what has failed, what is scheduled."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012_celery"
# {% if false %}
down_revision: str | None = "0011_idempotency"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0012_celery")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "task_execution",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_task_execution"),
    )
    op.create_index("ix_task_execution_at", "task_execution", ["at"], unique=False)
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("error", sa.String(length=100), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
    )
    op.create_index("ix_dead_letter_failed_at", "dead_letter", ["failed_at"], unique=False)
    op.create_table(
        "scheduled_run",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_scheduled_run"),
    )


def downgrade() -> None:
    op.drop_table("scheduled_run")
    op.drop_index("ix_dead_letter_failed_at", table_name="dead_letter")

    op.drop_table("dead_letter")
    op.drop_index("ix_task_execution_at", table_name="task_execution")

    op.drop_table("task_execution")
