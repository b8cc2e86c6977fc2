"""Run by Alembic, on the connection that :mod:`howgreen.web.serve.database` hands over."""

from alembic import context

from howgreen.web.serve.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters no column: the table is made anew
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
