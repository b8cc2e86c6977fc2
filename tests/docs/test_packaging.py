"""What is handed to strangers: the package's description, the container and the conda recipe agree with the project."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"osmium": "pyosmium", "matplotlib": "matplotlib-base", "deflate": "python-deflate", "dask": "dask-core"}


def described() -> str:
    sys.path.insert(0, str(ROOT))
    try:
        from hatch_build import alone
    finally:
        sys.path.remove(str(ROOT))
    return alone((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_description_leads_to_no_file_that_an_index_has_not():
    text = described()
    assert "![" not in text
    assert re.findall(r"\]\((?!https?:)", text) == []
    assert "what the number means" in " ".join(text.casefold().split())  # the words of a link stay
    assert "make demo" in text


def test_a_python_that_is_promised_is_named_in_the_classifiers():
    promised = PROJECT["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {promised}" in PROJECT["classifiers"]
    assert all(word.startswith(("Development", "Environment", "Intended", "Natural", "Operating", "Programming", "Topic", "Typing"))
               for word in PROJECT["classifiers"])  # fmt: skip


def test_no_address_is_made_up():
    assert "urls" not in PROJECT


def test_every_dependency_of_the_plain_install_has_its_pin():
    pins = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    needed = {re.match(r"[\w-]+", line)[0].lower() for line in PROJECT["dependencies"]}
    assert needed <= pins


def test_the_container_is_small_non_root_and_of_wheels_only():
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    assert {word for word, _ in steps} <= {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    stages = [number for number, (word, _) in enumerate(steps) if word == "FROM"]
    assert all("slim" in steps[number][1] for number in stages)
    final = steps[stages[-1] :]
    assert [rest for word, rest in final if word == "USER"] == ["howgreen"]
    assert any("--only-binary=:all:" in rest and "--constraint" in rest for word, rest in final if word == "RUN")
    for word, rest in steps:
        if word == "COPY" and not rest.startswith("--from"):
            assert all((ROOT / name).exists() for name in rest.split()[:-1])


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    text = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    recipe = yaml.safe_load(text)
    needed = {re.sub(r"\[.*\]", "", line) for line in PROJECT["dependencies"]}
    expected = set()
    for line in needed:
        name, bound = re.match(r"([\w-]+)(.*)", line).groups()
        expected.add(f"{CONDA_NAMES.get(name, name)} {bound}")
    told = set(recipe["requirements"]["run"])
    assert told == expected | {f"python {PROJECT['requires-python']}"}, "packaging/conda/recipe.yaml, requirements: run"
    assert recipe["context"]["version"] == PROJECT["version"]
