"""Background tasks that somebody follows."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013_task_api"
# {% if false %}
down_revision: str | None = "0012_celery"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0013_task_api")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "user_task",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error_code", sa.String(length=100), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
            name="fk_user_task_user_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_user_task"),
    )
    op.create_index("ix_user_task_user_id_id", "user_task", ["user_id", "id"], unique=False)
    op.create_index("ix_user_task_expires_at", "user_task", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_user_task_expires_at", table_name="user_task")
    op.drop_index("ix_user_task_user_id_id", table_name="user_task")

    op.drop_table("user_task")
