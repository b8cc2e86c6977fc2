"""Run by Alembic, on the connection passed by :mod:`howgreen.web.serve.database`."""

from alembic import context

from howgreen.web.serve.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter columns: the table is recreated
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
