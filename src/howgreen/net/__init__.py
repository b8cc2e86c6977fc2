"""All network access: one way each to send requests, wait, download and cache."""
