"""Logins with other providers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005_oauth"
# {% if false %}
down_revision: str | None = "0004_email"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0005_oauth")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "oauth_account",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
            name="fk_oauth_account_user_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_account"),
    )
    op.create_index(
        "uq_oauth_account_provider_subject", "oauth_account", ["provider", "subject"], unique=True
    )
    op.create_index(
        "uq_oauth_account_user_id_provider", "oauth_account", ["user_id", "provider"], unique=True
    )

    op.create_table(
        "oauth_login",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("redirect_uri", sa.String(length=2048), nullable=False),
        sa.Column("next_path", sa.String(length=500), nullable=True),
        sa.Column("grant_name", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["login_session.id"],
            name="fk_oauth_login_session_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_oauth_login_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_login"),
        sa.UniqueConstraint("state_hash", name="uq_oauth_login_state_hash"),
    )
    op.create_index("ix_oauth_login_expires_at", "oauth_login", ["expires_at"], unique=False)
    op.create_index("ix_oauth_login_session_id", "oauth_login", ["session_id"], unique=False)
    op.create_index("ix_oauth_login_user_id", "oauth_login", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_oauth_login_user_id", table_name="oauth_login")
    op.drop_index("ix_oauth_login_session_id", table_name="oauth_login")
    op.drop_index("ix_oauth_login_expires_at", table_name="oauth_login")
    op.drop_table("oauth_login")
    op.drop_index("uq_oauth_account_user_id_provider", table_name="oauth_account")
    op.drop_index("uq_oauth_account_provider_subject", table_name="oauth_account")
    op.drop_table("oauth_account")
