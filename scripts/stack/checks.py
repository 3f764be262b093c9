"""Check the Terraform code without a cloud (`make test-infra`)."""

import os
import re
from pathlib import Path

from scripts.stack import emulator, terraform
from scripts.stack.processes import install_locked, run
from scripts.stack.report import StackError, say, step
from scripts.stack.settings import ROOT, Stack

MODULES = ROOT / "terraform" / "modules"
CHECKOV_LOCK = Path(__file__).parent / "checkov" / "requirements.txt"


def test_infra(stack: Stack) -> None:
    """Check format, validity, each module's tests, checkov's rules and the modules' READMEs."""
    with step("terraform fmt"):
        run(
            ["terraform", "fmt", "-check", "-recursive", ROOT / "terraform"],
            environment=terraform.environment(stack),
            remedy="terraform fmt -recursive terraform",
        )
    with step("terraform validate"):
        terraform.init(stack)
        remedy = "fix what the lines above name"
        terraform.terraform(stack, "validate", "-no-color", remedy=remedy, quiet=True)
    for module in modules():
        with step(f"terraform test: {module.name}"):
            test_module(stack, module)
    with step("The MiniStack extension"):
        emulator.install(stack)
        extension_tests = ROOT / "tests" / "infra" / "check_ministack_extension.py"
        run([stack.venv / "bin" / "python", extension_tests], remedy=remedy, quiet=True)
    with step("checkov"):
        checkov(stack)
    with step("READMEs of the modules"):
        check_readmes()


def modules() -> list[Path]:
    """The folders of the modules."""
    return sorted(file.parent for file in MODULES.glob("*/main.tf"))


def test_module(stack: Stack, module: Path) -> None:
    """Run a module's own tests, with a mock provider."""
    environment = terraform.environment(stack)
    environment["TF_DATA_DIR"] = str(stack.state.parent / "terraform-test" / module.name)
    command = ["terraform", f"-chdir={module}"]
    init = [*command, "init", "-input=false", "-no-color", "-backend=false"]
    run(init, environment=environment, remedy="make preflight", quiet=True)
    # The lock names this platform only, so a module must not keep it.
    (module / ".terraform.lock.hcl").replace(stack.state / "unused.lock.hcl")
    run(init, environment=environment, remedy="make preflight", quiet=True)
    output = run(
        [*command, "test", "-no-color"],
        environment=environment,
        remedy=f"terraform -chdir={module.relative_to(ROOT)} test",
        quiet=True,
    )
    (module / ".terraform.lock.hcl").unlink()
    say(output.strip().splitlines()[-1])


def checkov(stack: Stack) -> None:
    """Check the rules of checkov, except those that terraform/.checkov.yaml leaves out."""
    venv = stack.state.parent / "checkov-venv"
    install_locked("checkov", venv, CHECKOV_LOCK, remedy="check the network, then make test-infra")
    run(
        [
            *(str(venv / "bin" / "checkov"), "--directory", str(ROOT / "terraform")),
            *("--config-file", str(ROOT / "terraform" / ".checkov.yaml")),
        ],
        environment={"PATH": os.environ["PATH"], "HOME": str(stack.state), "LANG": "C.UTF-8"},
        remedy="fix it, or explain the exception in terraform/.checkov.yaml",
        quiet=True,
    )


def check_readmes() -> None:
    """Raises StackError unless every README equals what `write_readmes` would write."""
    stale = [module.name for module in modules() if read(module / "README.md") != readme(module)]
    if stale:
        raise StackError(f"README out of date: {', '.join(stale)}.", "make module-readmes")


def write_readmes() -> None:
    """Write the tables of every module's README from its variables and outputs."""
    for module in modules():
        (module / "README.md").write_text(readme(module))
        say(f"terraform/modules/{module.name}/README.md")


def read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def readme(module: Path) -> str:
    """A module's README: its introduction as it is, and new tables."""
    introduction = read(module / "README.md").split("\n## Variables\n")[0].rstrip()
    variables = [
        f"| `{name}` | `{flat(body, 'type')}` | {default(body)} | {description(body)} |"
        for name, body in blocks(module / "variables.tf", "variable")
    ]
    outputs = [
        f"| `{name}` | {description(body)} |"
        for name, body in blocks(module / "outputs.tf", "output")
    ]
    lines = [introduction or f"# {module.name}", "", "## Variables", ""]
    lines += ["| name | type | default | meaning |", "|---|---|---|---|", *variables, ""]
    lines += ["## Outputs", "", "| name | meaning |", "|---|---|", *outputs, ""]
    return "\n".join(lines)


def blocks(file: Path, kind: str) -> list[tuple[str, str]]:
    """The `variable` or `output` blocks of a formatted file: names and bodies."""
    return re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}', file.read_text(), re.MULTILINE | re.DOTALL)


def flat(body: str, argument: str) -> str:
    """The value of an argument on one line; empty if the block lacks it."""
    match = re.search(rf"^  {argument} += (.*?)(?=^  [a-z]|\Z)", body, re.MULTILINE | re.DOTALL)
    if not match:
        return ""
    value = re.sub(r"\s+=\s+", " = ", match[1].strip())
    value = re.sub(r"([({\[])\n\s*", r"\1 ", value)
    return re.sub(r"\s*\n\s*", ", ", value).replace(", })", " })").replace(", }", " }")


def default(body: str) -> str:
    value = flat(body, "default")
    return f"`{value}`" if value else "required"


def description(body: str) -> str:
    return flat(body, "description").strip('"').replace('\\"', '"')
