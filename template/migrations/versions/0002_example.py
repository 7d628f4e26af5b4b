"""The example's books."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002_example"
# {% if false %}
down_revision: str | None = "0001_auth"
# {% endif %}
# {% set before = migration_order[: migration_order.index("0002_example")] %}
# {% print 'down_revision: str | None = ' ~ ((before | last | tojson) if before else 'None') ~ '\n' %}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "book",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("author", sa.String(length=120), nullable=False),
        sa.Column("isbn", sa.String(length=13), nullable=False),
        sa.Column("published_in", sa.Integer(), nullable=True),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name="fk_book_owner_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_book"),
    )
    op.create_index("ix_book_owner_id_id", "book", ["owner_id", "id"], unique=False)
    op.create_index(
        "uq_book_owner_id_isbn",
        "book",
        ["owner_id", "isbn"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
        sqlite_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_book_owner_id_isbn",
        table_name="book",
        postgresql_where=sa.text("deleted_at IS NULL"),
        sqlite_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_index("ix_book_owner_id_id", table_name="book")

    op.drop_table("book")
