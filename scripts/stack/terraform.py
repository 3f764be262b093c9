"""Terraform in envs/local: where its provider comes from, its variables, its state."""

import json
import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

from scripts.stack.processes import run
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack

PROVIDER = "registry.terraform.io/hashicorp/aws"

# Where a filesystem mirror is looked for, besides TF_PLUGIN_MIRROR. Terraform looks into the
# first three by itself, but asks the registry too unless it is told not to.
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
    """The folder that holds the provider, or None: then it comes from the registry."""
    candidates = [stack.plugin_mirror] if stack.plugin_mirror else [Path(p) for p in MIRRORS]
    for candidate in candidates:
        folder = candidate.expanduser()
        if (folder / PROVIDER).is_dir():
            return folder
    return None


def environment(stack: Stack) -> dict[str, str]:
    """Terraform's environment: our own configuration, and no credentials of this shell's."""
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
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))}
    return kept | {
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_DATA_DIR": str(stack.state / "terraform"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CHECKPOINT_DISABLE": "1",
    }


def state_file(stack: Stack) -> Path:
    """The state, apart for each stack."""
    return stack.state / "terraform.tfstate"


def drop_state(stack: Stack) -> None:
    """Forget what is in an emulator that is gone."""
    for left in stack.state.glob("terraform.tfstate*"):
        left.unlink()
    for left in stack.state.glob("*.tfplan"):
        left.unlink()


def terraform(stack: Stack, *arguments: str, remedy: str, quiet: bool = False) -> str:
    """Run Terraform in envs/local."""
    return run(
        ["terraform", f"-chdir={stack.environment}", *arguments],
        environment=environment(stack),
        remedy=remedy,
        quiet=quiet,
    )


def change(stack: Stack, verb: str, remedy: str) -> None:
    """Apply or destroy: one line for each thing done, everything else in a log."""
    log = stack.state / f"terraform-{verb}.log"
    command = ["terraform", f"-chdir={stack.environment}", verb, "-input=false", "-auto-approve"]
    # The emulator is one process. Called ten times at once, as Terraform would, it can answer too
    # late, and a call made twice finds what the first one made.
    command += ["-no-color", "-compact-warnings", "-parallelism=4", *variables(stack)]
    with (
        log.open("w") as written,
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
            written.write(line)
            done = re.match(r"(\S+: \w+ complete(?: after \w+)?|\w+ complete!.*)", line)
            if done:
                say(done[1])
    if process.returncode != 0:
        errors = [part.strip() for part in log.read_text().split("\nError: ")[1:]]
        shown = [f"  - {error.splitlines()[0][:200]}" for error in errors[:3]]
        if len(errors) > len(shown):
            shown.append(f"  - and {len(errors) - len(shown)} more")
        cause = "\n".join(shown)
        raise StackError(f"terraform {verb} failed:\n{cause}\n  (all of it: {log})", remedy)


def init(stack: Stack) -> None:
    """The provider and the modules."""
    terraform(
        stack,
        "init",
        "-input=false",
        "-no-color",
        "-reconfigure",
        f"-backend-config=path={state_file(stack)}",
        remedy="make preflight, then make tf-init",
        quiet=True,
    )


def initialised(stack: Stack) -> None:
    """Have `init` done."""
    if not (stack.state / "terraform" / "modules" / "modules.json").exists():
        init(stack)


def plan(stack: Stack) -> None:
    """Show what `apply` would do."""
    initialised(stack)
    terraform(
        stack, "plan", "-input=false", *variables(stack), remedy="make tf-init, then make tf-plan"
    )


def apply(stack: Stack) -> None:
    """Make the emulator hold what envs/local says. Again and again without harm."""
    initialised(stack)
    change(stack, "apply", "make tf-apply goes on from here; make down starts over")


def destroy(stack: Stack) -> None:
    """Take everything out of the emulator again."""
    initialised(stack)
    change(stack, "destroy", "make down, which also stops the emulator and forgets the state")


def has_changes(stack: Stack) -> bool:
    """Whether a plan would change anything."""
    done = subprocess.run(
        [
            *("terraform", f"-chdir={stack.environment}", "plan", "-input=false", "-no-color"),
            *("-detailed-exitcode", *variables(stack)),
        ],
        env=environment(stack),
        check=False,
    )
    if done.returncode == 1:
        raise StackError("terraform plan failed.", "make tf-plan")
    return done.returncode == 2


def variables(stack: Stack) -> list[str]:
    """Terraform's variables, written by the steps before: one file, readable by its owner only."""
    file = stack.state / "variables.tfvars.json"
    if not file.exists():
        raise StackError("The image and the packages are not built yet.", "make image package")
    return [f"-var-file={file}"]


def set_variables(stack: Stack, **values: Any) -> None:
    """Note variables for Terraform. Secrets are made once and stay while the stack lives."""
    stack.state.mkdir(parents=True, exist_ok=True)
    file = stack.state / "variables.tfvars.json"
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for role in ("database", "function", "service"):
        known.setdefault(f"{role}_password", secrets.token_urlsafe(24))
    known.setdefault("user_hash_key", secrets.token_urlsafe(32))
    known |= {
        "emulator_url": stack.url,
        "region": stack.region,
        "name": stack.name,
        "reports_runtime": stack.reports_runtime,
        "architecture": stack.architecture,
        # MiniStack has no Application Auto Scaling.
        "autoscaling": stack.emulator == "localstack",
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(known | values, indent=2))


def outputs(stack: Stack) -> dict[str, Any]:
    """Terraform's outputs by name; StackError when nothing was applied."""
    initialised(stack)
    said = terraform(stack, "output", "-json", remedy="make up", quiet=True)
    found = {name: output["value"] for name, output in json.loads(said).items()}
    if "api_id" not in found:
        raise StackError("Nothing is deployed.", "make up")
    return found
