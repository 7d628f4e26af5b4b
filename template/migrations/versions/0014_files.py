"""Uploaded files, and what they leave in the storage."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014_files"
# {% if false %}
down_revision: str | None = "0013_task_api"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0014_files")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "file",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column("content_type", sa.String(length=127), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name="fk_file_owner_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_file"),
        sa.UniqueConstraint("key", name="uq_file_key"),
    )
    op.create_index("ix_file_owner_id_id", "file", ["owner_id", "id"], unique=False)
    op.create_table(
        "file_leftover",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("remove_after", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_file_leftover"),
    )
    op.create_index(
        "ix_file_leftover_remove_after", "file_leftover", ["remove_after"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_file_leftover_remove_after", table_name="file_leftover")
    op.drop_table("file_leftover")
    op.drop_index("ix_file_owner_id_id", table_name="file")
    op.drop_table("file")
