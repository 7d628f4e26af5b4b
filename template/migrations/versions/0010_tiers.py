"""Tiers, their rate limits, and who has which."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010_tiers"
# {% if false %}
down_revision: str | None = "0009_audit"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0010_tiers")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "tier",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tier"),
    )
    _create_unique_among_live("tier", "name")
    op.create_table(
        "rate_limit",
        sa.Column("tier_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tier_id"], ["tier.id"], name="fk_rate_limit_tier_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_rate_limit"),
    )
    _create_unique_among_live("rate_limit", "tier_id", "path")
    _create_unique_among_live("rate_limit", "tier_id", "name")
    op.create_table(
        "user_tier",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("tier_id", sa.Uuid(), nullable=False),
        sa.Column(
            "given_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_user_tier_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tier_id"], ["tier.id"], name="fk_user_tier_tier_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_tier"),
    )
    op.create_index("ix_user_tier_tier_id", "user_tier", ["tier_id"])


def downgrade() -> None:
    op.drop_table("user_tier")
    op.drop_table("rate_limit")
    op.drop_table("tier")


def _create_unique_among_live(table: str, *columns: str) -> None:
    op.create_index(
        f"uq_{table}_{'_'.join(columns)}",
        table,
        list(columns),
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
        sqlite_where=sa.text("deleted_at IS NULL"),
    )
