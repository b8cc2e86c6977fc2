from __future__ import annotations

from pathlib import Path

import pytest

from howgreen.core.errors import OutputError
from howgreen.report import check_out


def test_a_folder_that_another_process_exchanges_while_it_is_looked_at_is_no_error(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()

    def gone(_):
        raise FileNotFoundError(2, "No such file or directory", str(out))

    monkeypatch.setattr(Path, "is_mount", gone)
    check_out(out)


def test_what_is_not_ours_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(OutputError, match=r"letter\.txt"):
        check_out(tmp_path)
