"""The tokens of mailed links."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004_email"
# {% if false %}
down_revision: str | None = "0003_sessions"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0004_email")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "email_token",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_email_token_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_email_token"),
        sa.UniqueConstraint("token_hash", name="uq_email_token_token_hash"),
        sa.UniqueConstraint("user_id", "purpose", name="uq_email_token_user_id_purpose"),
    )
    op.create_index("ix_email_token_expires_at", "email_token", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_email_token_expires_at", table_name="email_token")

    op.drop_table("email_token")
