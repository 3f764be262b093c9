"""Run Terraform in envs/local, with its provider, its variables and its state."""

import json
import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

from scripts.stack.processes import run, write_private
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack

PROVIDER = "registry.terraform.io/hashicorp/aws"

# The folders that may hold a mirror of the provider, unless TF_PLUGIN_MIRROR is set. Terraform
# itself searches the first four, but asks the registry too unless its configuration forbids it.
MIRRORS = (
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "/usr/local/share/terraform/mirror",
    "/opt/terraform/plugins",
    "/opt/terraform/providers",
    "/opt/terraform-plugins",
    "/opt/tf-plugins",
    "/opt/providers",
)


def find_mirror(stack: Stack) -> Path | None:
    """The folder that holds the provider, or None if Terraform must ask the registry."""
    candidates = [stack.plugin_mirror] if stack.plugin_mirror else [Path(p) for p in MIRRORS]
    for candidate in candidates:
        folder = candidate.expanduser()
        if (folder / PROVIDER).is_dir():
            return folder
    return None


def environment(stack: Stack) -> dict[str, str]:
    """Terraform's environment: its own configuration, and no credentials from this shell."""
    stack.state.mkdir(parents=True, exist_ok=True)
    configuration = stack.state / "terraform.rc"
    mirror = find_mirror(stack)
    if mirror:
        configuration.write_text(
            "provider_installation {\n"
            f'  filesystem_mirror {{\n    path    = "{mirror}"\n'
            f'    include = ["{PROVIDER}"]\n  }}\n'
            f'  direct {{\n    exclude = ["{PROVIDER}"]\n  }}\n}}\n'
        )
    else:
        cache = stack.state.parent / "terraform-plugins"
        cache.mkdir(exist_ok=True)
        configuration.write_text(f'plugin_cache_dir = "{cache}"\n')
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))
    }
    return inherited | {
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_DATA_DIR": str(stack.state / "terraform"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CHECKPOINT_DISABLE": "1",
    }


def state_file(stack: Stack) -> Path:
    """The state of this stack."""
    return stack.state / "terraform.tfstate"


def drop_state(stack: Stack) -> None:
    """Delete the state, after the emulator with the deployment has ended."""
    for file in stack.state.glob("terraform.tfstate*"):
        file.unlink()


def terraform(stack: Stack, *arguments: str, remedy: str, quiet: bool = False) -> str:
    """Run Terraform in envs/local."""
    return run(
        ["terraform", f"-chdir={stack.environment}", *arguments],
        environment=environment(stack),
        remedy=remedy,
        quiet=quiet,
    )


def change(stack: Stack, verb: str, remedy: str) -> None:
    """Apply or destroy. Prints a line for each resource; the log has the whole output."""
    log = stack.state / f"terraform-{verb}.log"
    command = ["terraform", f"-chdir={stack.environment}", verb, "-input=false", "-auto-approve"]
    # The emulator is one process. With ten calls at once, Terraform's default, it can answer too
    # late; then Terraform repeats the call and fails on the resource of the first call.
    command += ["-no-color", "-compact-warnings", "-parallelism=4", *variables(stack)]
    with (
        log.open("w") as log_file,
        subprocess.Popen(
            command,
            env=environment(stack),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            log_file.write(line)
            progress = re.match(r"(\S+: \w+ complete(?: after \w+)?|\w+ complete!.*)", line)
            if progress:
                say(progress[1])
    if process.returncode != 0:
        errors = [part.strip() for part in log.read_text().split("\nError: ")[1:]]
        shown = [f"  - {error.splitlines()[0][:200]}" for error in errors[:3]]
        if len(errors) > len(shown):
            shown.append(f"  - and {len(errors) - len(shown)} more")
        cause = "\n".join(shown)
        raise StackError(f"terraform {verb} failed:\n{cause}\n  (whole output: {log})", remedy)


def init(stack: Stack) -> None:
    """Install the provider and the modules."""
    arguments = ["-input=false", "-no-color", "-reconfigure"]
    arguments += [f"-backend-config=path={state_file(stack)}"]
    terraform(stack, "init", *arguments, remedy="make preflight, then make tf-init", quiet=True)


def require_init(stack: Stack) -> None:
    """Run `init` unless it has run before."""
    if not (stack.state / "terraform" / "modules" / "modules.json").exists():
        init(stack)


def plan(stack: Stack) -> None:
    """Show the changes that `apply` would make."""
    require_init(stack)
    remedy = "make tf-init, then make tf-plan"
    terraform(stack, "plan", "-input=false", *variables(stack), remedy=remedy)


def apply(stack: Stack) -> None:
    """Deploy envs/local into the emulator. Safe to repeat."""
    require_init(stack)
    change(stack, "apply", "make tf-apply, which continues from here; or make down to start again")


def destroy(stack: Stack) -> None:
    """Remove the deployment from the emulator."""
    require_init(stack)
    change(stack, "destroy", "make down, which also stops the emulator and deletes the state")


def has_changes(stack: Stack) -> bool:
    """Whether a plan would change anything."""
    plan = subprocess.run(
        [
            *("terraform", f"-chdir={stack.environment}", "plan", "-input=false", "-no-color"),
            *("-detailed-exitcode", *variables(stack)),
        ],
        env=environment(stack),
        check=False,
    )
    if plan.returncode == 1:
        raise StackError("terraform plan failed.", "make tf-plan")
    return plan.returncode == 2


def variables(stack: Stack) -> list[str]:
    """The option with the file of variables that the steps before wrote."""
    file = stack.state / "variables.tfvars.json"
    if not file.exists():
        raise StackError("The image and the packages are not built yet.", "make image package")
    return [f"-var-file={file}"]


def set_variables(stack: Stack, **values: Any) -> None:
    """Write variables for Terraform to a file that only this account can read.

    Secrets are created once and stay the same while the stack exists.
    """
    stack.state.mkdir(parents=True, exist_ok=True)
    file = stack.state / "variables.tfvars.json"
    variables: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for role in ("database", "function", "service"):
        variables.setdefault(f"{role}_password", secrets.token_urlsafe(24))
    variables.setdefault("user_hash_key", secrets.token_urlsafe(32))
    variables |= {
        "emulator_url": stack.url,
        "region": stack.region,
        "name": stack.name,
        "reports_runtime": stack.reports_runtime,
        "architecture": stack.architecture,
        # MiniStack has no Application Auto Scaling.
        "autoscaling": stack.emulator == "localstack",
        # LocalStack refuses keys of the kind ECC_NIST_EDWARDS25519.
        "signatures": stack.emulator == "ministack",
    }
    write_private(file, json.dumps(variables | values, indent=2))


def outputs(stack: Stack) -> dict[str, Any]:
    """Terraform's outputs by name. Raises StackError if nothing is deployed."""
    require_init(stack)
    printed = terraform(stack, "output", "-json", remedy="make up", quiet=True)
    values = {name: output["value"] for name, output in json.loads(printed).items()}
    if "api_id" not in values:
        raise StackError("Nothing is deployed.", "make up")
    return values
