"""Settings of the documentation site; ``make docs`` builds it, without a network and with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

import reference
from sphinx.application import Sphinx

import howgreen

project = "howgreen"
author = "The howgreen contributors"
project_copyright = "the howgreen contributors, Apache-2.0"
version = release = howgreen.__version__
language = "en"
smartquotes = False  # they would turn --area into a dash

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["tutorials", "_ext", "reference/tables", "reference/commands", "examples/sg_execution_times.rst"]
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions, which Sphinx cannot store between builds

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_disable_syntax = ["myst_line_comment"]  # a wrapped "85 % of the land" may begin a line with its %
myst_heading_anchors = 3
copybutton_prompt_text = "$ "

# The API pages are written from howgreen.__all__ itself, so that no public name can be forgotten.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries = False

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "examples",
    "filename_pattern": r"/\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),
    "download_all_examples": False,
    "min_reported_time": 0,
    "show_memory": False,
    "show_signature": False,
    "thumbnail_size": (400, 280),
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "howgreen"
# Pages without a section of their own need no side bar.
html_sidebars = {name: [] for name in ("index", "start", "meaning", "accuracy", "faq", "gallery")}
html_static_path = ["_static"]
html_css_files = ["howgreen.css"]
html_show_sourcelink = False
html_copy_source = False
html_favicon = "_static/leaf.svg"
html_theme_options = {
    "logo": {"text": "howgreen", "image_light": "_static/leaf.svg", "image_dark": "_static/leaf.svg", "alt_text": ""},
    "header_links_before_dropdown": 5,
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_nav_level": 2,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "use_edit_page_button": False,
}
html_context = {"default_mode": "auto"}


def keep_colons(_app: Sphinx, what: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Keep napoleon from reading ``words: more words`` of a field's docstring as its type."""
    if what in ("attribute", "property", "data"):
        lines.insert(0, "\\")  # an escaped line end: it shows nothing


def setup(app: Sphinx) -> None:
    """Write the pages that come from the code before Sphinx looks for pages."""
    reference.write_api(HERE / "reference" / "api")
    reference.write_tables(HERE / "reference" / "tables")
    reference.write_commands(HERE / "reference" / "commands")
    reference.write_project(HERE / "reference" / "project")
    reference.write_schemas(HERE / "reference" / "schemas")
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before napoleon
