"""`make test-infra`: what can be said of the Terraform without any cloud."""

import os
import re
import shutil
import sys
from pathlib import Path

from scripts.stack import emulator, terraform
from scripts.stack.processes import run
from scripts.stack.report import StackError, say, step
from scripts.stack.settings import ROOT, Stack

MODULES = ROOT / "terraform" / "modules"
CHECKOV_LOCK = Path(__file__).parent / "checkov" / "requirements.txt"


def test_infra(stack: Stack) -> None:
    """Format, validity, every module's tests, checkov's rules, and the modules' READMEs."""
    with step("terraform fmt"):
        run(
            ["terraform", "fmt", "-check", "-recursive", ROOT / "terraform"],
            environment=terraform.environment(stack),
            remedy="terraform fmt -recursive terraform",
        )
    with step("terraform validate"):
        terraform.init(stack)
        terraform.terraform(stack, "validate", "-no-color", remedy="the lines above", quiet=True)
    for module in modules():
        with step(f"terraform test: {module.name}"):
            test_module(stack, module)
    with step("Our MiniStack extension"):
        emulator.install(stack)
        run(
            [
                stack.venv / "bin" / "python",
                ROOT / "tests" / "infra" / "check_ministack_extension.py",
            ],
            remedy="the lines above",
            quiet=True,
        )
    with step("checkov"):
        checkov(stack)
    with step("READMEs of the modules"):
        check_readmes()


def modules() -> list[Path]:
    """The modules' folders."""
    return sorted(file.parent for file in MODULES.glob("*/main.tf"))


def test_module(stack: Stack, module: Path) -> None:
    """A module's own tests, against a made-up provider."""
    environment = terraform.environment(stack)
    environment["TF_DATA_DIR"] = str(stack.state.parent / "terraform-test" / module.name)
    command = ["terraform", f"-chdir={module}"]
    init = [*command, "init", "-input=false", "-no-color", "-backend=false"]
    run(init, environment=environment, remedy="make preflight", quiet=True)
    # A lock in a module would bind whoever uses it to this platform.
    (module / ".terraform.lock.hcl").replace(stack.state / "unused.lock.hcl")
    run(init, environment=environment, remedy="make preflight", quiet=True)
    said = run(
        [*command, "test", "-no-color"],
        environment=environment,
        remedy=f"terraform -chdir={module.relative_to(ROOT)} test",
        quiet=True,
    )
    (module / ".terraform.lock.hcl").unlink()
    say(said.strip().splitlines()[-1])


def checkov(stack: Stack) -> None:
    """The rules, less the exceptions that terraform/.checkov.yaml explains."""
    venv = stack.state.parent / "checkov-venv"
    mark = venv / "installed-from.txt"
    if not mark.exists() or mark.read_text() != CHECKOV_LOCK.read_text():
        say("installing checkov into its own virtual environment")
        shutil.rmtree(venv, ignore_errors=True)
        remedy = "check the network, then make test-infra"
        run([sys.executable, "-m", "venv", venv], remedy=remedy, quiet=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
        run(
            [
                *pip,
                "--quiet",
                "--no-compile",
                "--require-hashes",
                "--requirement",
                str(CHECKOV_LOCK),
            ],
            remedy=remedy,
            quiet=True,
        )
        mark.write_text(CHECKOV_LOCK.read_text())
    run(
        [
            *(str(venv / "bin" / "checkov"), "--directory", str(ROOT / "terraform")),
            *("--config-file", str(ROOT / "terraform" / ".checkov.yaml")),
        ],
        environment={"PATH": os.environ["PATH"], "HOME": str(stack.state), "LANG": "C.UTF-8"},
        remedy="mend it, or explain the exception in terraform/.checkov.yaml",
        quiet=True,
    )


def check_readmes() -> None:
    """StackError unless every module's README is what `write_readmes` would write."""
    stale = [m.name for m in modules() if read(m / "README.md") != readme(m)]
    if stale:
        raise StackError(f"Out of date: README of {', '.join(stale)}.", "make module-readmes")


def write_readmes() -> None:
    """Write every module's README from its variables and outputs."""
    for module in modules():
        (module / "README.md").write_text(readme(module))
        say(f"terraform/modules/{module.name}/README.md")


def read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def readme(module: Path) -> str:
    """A module's README: the text before the tables is kept, the tables are made anew."""
    kept = read(module / "README.md").split("\n## Variables\n")[0].rstrip()
    variables = [
        f"| `{name}` | `{flat(body, 'type')}` | {default(body)} | {described(body)} |"
        for name, body in blocks(module / "variables.tf", "variable")
    ]
    outputs = [
        f"| `{name}` | {described(body)} |"
        for name, body in blocks(module / "outputs.tf", "output")
    ]
    return "\n".join(
        [
            kept or f"# {module.name}",
            "",
            "## Variables",
            "",
            "| name | type | default | what |",
            "|---|---|---|---|",
            *variables,
            "",
            "## Outputs",
            "",
            "| name | what |",
            "|---|---|",
            *outputs,
            "",
        ]
    )


def blocks(file: Path, kind: str) -> list[tuple[str, str]]:
    """The `variable` or `output` blocks of a file as terraform fmt writes it."""
    return re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}', file.read_text(), re.MULTILINE | re.DOTALL)


def flat(body: str, argument: str) -> str:
    """An argument's value on one line; empty when it is not there."""
    found = re.search(rf"^  {argument} += (.*?)(?=^  [a-z]|\Z)", body, re.MULTILINE | re.DOTALL)
    if not found:
        return ""
    value = re.sub(r"\s+=\s+", " = ", found[1].strip())
    value = re.sub(r"([({\[])\n\s*", r"\1 ", value)
    return re.sub(r"\s*\n\s*", ", ", value).replace(", })", " })").replace(", }", " }")


def default(body: str) -> str:
    value = flat(body, "default")
    return f"`{value}`" if value else "required"


def described(body: str) -> str:
    return flat(body, "description").strip('"').replace('\\"', '"')
