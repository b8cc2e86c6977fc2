"""The command line, called in this very process."""

from __future__ import annotations

import pytest

from howgreen import cli


def call(*arguments: object) -> int:
    """Run a command; its exit code."""
    with pytest.raises(SystemExit) as done:
        cli.main([str(argument) for argument in arguments])
    return int(done.value.code or 0)
