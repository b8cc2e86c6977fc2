"""Web pages: one on localhost for interpreting a sample, and a public server."""
