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
    bases, names = zip(*([*steps[number][1].split(), "AS", ""][::2][:2] for number in stages), strict=True)
    assert all("slim" in base or base in names[:place] for place, base in enumerate(bases))
    for name in ("serve", ""):  # what is run, not what is built on the way
        final = steps[stages[names.index(name)] :]
        ends = next((place for place, (word, _) in enumerate(final) if place and word == "FROM"), len(final))
        assert [rest for word, rest in final[:ends] if word in ("USER", "ENTRYPOINT")] == ["howgreen", '["howgreen"]']
    installs = [rest for word, rest in steps if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert all("--only-binary=:all:" in rest and "--constraint" in rest for rest in installs)
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


def test_the_container_and_the_unit_start_the_server_as_it_is_started():
    import shlex

    import click

    from howgreen.cli.root import howgreen

    lines = (ROOT / "packaging" / "howgreen.service").read_text(encoding="utf-8").splitlines()
    started = next(line.partition("=")[2] for line in lines if line.startswith("ExecStart="))
    asked = re.search(r'CMD (\["serve".*\])', (ROOT / "Containerfile").read_text(encoding="utf-8"))[1]
    for words in (shlex.split(started)[1:], yaml.safe_load(asked)):
        context = click.Context(howgreen)
        name, command, rest = howgreen.resolve_command(context, words)
        values, left, _ = command.make_parser(click.Context(command)).parse_args(args=list(rest))
        assert (name, left, "data" in values) == ("serve", [], True)


def test_the_unit_lets_the_server_write_in_its_own_folder_only():
    text = (ROOT / "packaging" / "howgreen.service").read_text(encoding="utf-8")
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    assert told["DynamicUser"] == told["NoNewPrivileges"] == "yes"
    assert told["ProtectSystem"] == "strict"
    assert f"--data /var/lib/{told['StateDirectory']} " in told["ExecStart"]
    assert told["SuccessExitStatus"] == "143"
    assert {"MemoryMax", "TasksMax"} <= set(told)
