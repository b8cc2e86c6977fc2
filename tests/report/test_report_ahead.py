"""What a report needs is loaded ahead, and then not again."""

from __future__ import annotations

import threading

import jinja2

from howgreen import report
from howgreen.report import _templates
from howgreen.report._language import language


def test_a_template_that_was_compiled_ahead_is_not_compiled_again(monkeypatch):
    report.load_ahead("de")
    for thread in threading.enumerate():
        if thread.name == "load ahead":
            thread.join()
    compiled: list[object] = []
    monkeypatch.setattr(jinja2.Environment, "compile", lambda *inputs, **_: compiled.append(inputs))
    made = _templates.environment(language("de"))
    for name in ("template.html", "base.html", "sections/answer.html", "sections/_macros.html", "sections/cite.html"):
        made.get_template(name)
    assert compiled == []


def test_a_template_that_changed_is_compiled_anew():
    made = _templates.environment(language("en"))
    made.loader = jinja2.DictLoader({"one.html": "before"})
    assert made.get_template("one.html").render() == "before"
    other = _templates.environment(language("en"))
    other.loader = jinja2.DictLoader({"one.html": "after"})
    assert other.get_template("one.html").render() == "after"
