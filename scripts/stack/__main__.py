"""Run one step of the stack, or all with `up` and `down`: `python3 -m scripts.stack STEP`."""

import json
import os
import shutil
import sys
from collections.abc import Callable

from scripts.stack import (
    aws,
    checks,
    docker,
    emulator,
    images,
    keys,
    packages,
    preflight,
    sample,
    smoke,
    tasks,
    terraform,
)
from scripts.stack.processes import run, write_private
from scripts.stack.report import StackError, fail, say, step
from scripts.stack.settings import ROOT, Stack, stack

POSTGRES_MAJOR_VERSION = 15
EVENTS = ROOT / "functions" / "ingest" / "events"


def start_emulator(this: Stack) -> None:
    """Start the emulator, with a PostgreSQL image that it can run."""
    if this.emulator == "ministack" and not this.postgres_image and not emulator.is_up(this):
        image = images.postgres_image(POSTGRES_MAJOR_VERSION)
        if image:
            os.environ["POSTGRES_IMAGE"] = image
            this = stack()
    emulator.start(this)


def image(this: Stack) -> None:
    """Build the reporting service's image."""
    terraform.set_variables(this, reports_image=images.build_reports(this))


def package(this: Stack) -> None:
    """Build the functions' zips."""
    terraform.set_variables(
        this,
        ingest_package=str(packages.build(this, packages.INGEST)),
        reports_package=str(packages.build(this, packages.REPORTS)),
        lambda_runtime=f"python{emulator.functions_python(this)}",
        postgres_major_version=POSTGRES_MAJOR_VERSION,
    )


def apply(this: Stack) -> None:
    """Deploy, and write the API's URL to a file for other programs."""
    terraform.set_variables(this)
    terraform.apply(this)
    (this.state / "gateway-url").write_text(sample.gateway(this))


def address(this: Stack) -> None:
    """Print the addresses of the API, the console and the emulator."""
    deployed = terraform.outputs(this)
    api = str(deployed["api_id"])
    print(
        f"""
API             {this.gateway_url(api)}
console         {this.browser_url(api)}/
API reference   {this.browser_url(api)}/docs
a report        {this.browser_url(api)}/billing/reports/customer-123/2024-04.html
emulator        {this.url} ({this.emulator}, log in {emulator.log(this).relative_to(ROOT)})
next            make smoke | make logs | make invoke | make down
""",
        flush=True,
    )


def invoke(this: Stack) -> None:
    """Call the ingest function directly with the event of the file that EVENT names."""
    event = EVENTS / f"{os.environ.get('EVENT') or 'post_sample_leads'}.json"
    if not event.exists():
        known = ", ".join(sorted(path.stem for path in EVENTS.glob("*.json")))
        raise StackError(
            f"There is no event {event.stem}.", f"make invoke EVENT=NAME, with one of {known}"
        )
    payload = this.state / "invoke-event.json"
    content = json.loads(event.read_bytes())
    content["headers"]["authorization"] = keys.authorization(this)["Authorization"]
    write_private(payload, json.dumps(content))
    answer = this.state / "invoke.json"
    name = str(terraform.outputs(this)["ingest_function_name"])
    run(
        [
            *(this.venv / "bin" / "aws", "lambda", "invoke", "--function-name", name),
            *("--payload", f"fileb://{payload}", answer),
        ],
        environment=os.environ | emulator.client_environment(this) | {"AWS_PAGER": ""},
        remedy="make logs PART=ingest",
    )
    response = json.loads(answer.read_text())
    print(json.dumps(response, indent=2), flush=True)
    if "statusCode" not in response:
        raise StackError("The function failed.", "make logs PART=ingest")


def replay_dead_letters(this: Stack) -> None:
    """Move the dead letters back to the queue, with boto3 from the emulator's environment."""
    deployed = terraform.outputs(this)
    run(
        [
            *(this.venv / "bin" / "python", "-m", "scripts.replay_dead_letters"),
            *(str(deployed["dead_letters_url"]), str(deployed["queue_url"])),
        ],
        cwd=ROOT,
        environment=os.environ | emulator.client_environment(this),
        remedy="make logs PART=queue",
    )


def logs(this: Stack) -> None:
    """Print the logs of PART (such as gateway, ingest, queue, reports), or of all parts."""
    groups: dict[str, str] = terraform.outputs(this)["log_group_names"]
    part = os.environ.get("PART")
    if part and part not in groups:
        raise StackError(
            f"There is no part {part}.", f"make logs PART=NAME, with one of {', '.join(groups)}"
        )
    for group in sorted({groups[part]} if part else set(groups.values())):
        names = ", ".join(name for name in groups if groups[name] == group)
        print(f"--- {names} ({group})")
        for stream, line in aws.log_lines(this, group)[-200:]:
            print(f"{stream.rsplit('/', 1)[-1][:12]}  {line}")


def up(this: Stack) -> None:
    """Run every step. Steps that are done already are quick."""
    for title, work in (
        ("Preflight", preflight.check),
        ("Emulator", start_emulator),
        ("Image of the reporting service", image),
        ("Packages of the functions", package),
        ("terraform init", terraform.init),
        ("terraform apply", apply),
        ("Migrations", tasks.migrate),
        ("Admin key", keys.create_admin_key),
        ("Sample leads through the gateway", sample.send),
        ("Sample reports through the gateway", sample.show),
    ):
        with step(title):
            work(this)
    address(this)


def down(this: Stack) -> None:
    """Remove the whole stack, even if it is incomplete or its emulator has ended."""
    if emulator.is_up(this) and terraform.state_file(this).exists():
        with step("terraform destroy"):
            try:
                terraform.destroy(this)
            except StackError as error:
                say(f"{error.cause.splitlines()[0]} Stopping the emulator removes the deployment.")
    with step("Emulator"):
        emulator.stop(this)
        shutil.rmtree(this.state, ignore_errors=True)
    require_nothing_left(this)


def require_nothing_left(this: Stack) -> None:
    """Raises StackError if a container, a file or a process of the stack is left."""
    containers = docker.containers(this) if docker.daemon_answers() else []
    port_is_taken = preflight.port_is_taken(this.port)
    if containers or this.state.exists() or port_is_taken:
        raise StackError(
            f"The stack is not removed: containers {containers}, "
            f"folder exists: {this.state.exists()}, port is taken: {port_is_taken}.",
            "make down",
        )
    say("the stack is removed: no container, no process, no state; only built images are kept")


def plan(this: Stack) -> None:
    """Show the changes that apply would make."""
    terraform.set_variables(this)
    terraform.plan(this)


STEPS: dict[str, Callable[[Stack], None]] = {
    "up": up,
    "down": down,
    "preflight": preflight.check,
    "emulator": start_emulator,
    "image": image,
    "package": package,
    "tf-init": terraform.init,
    "tf-plan": plan,
    "tf-apply": apply,
    "tf-destroy": terraform.destroy,
    "migrate": tasks.migrate,
    "admin-key": keys.create_admin_key,
    "close-due": tasks.close_due,
    "sample": sample.send,
    "sample-report": sample.show,
    "address": address,
    "smoke": smoke.check,
    "invoke": invoke,
    "replay-dlq": replay_dead_letters,
    "logs": logs,
    "test-infra": checks.test_infra,
    "module-readmes": lambda _: checks.write_readmes(),
}

# The steps that need no running emulator.
WITHOUT_EMULATOR = {
    *("up", "down", "preflight", "emulator", "image", "package", "tf-init"),
    *("test-infra", "module-readmes"),
}


def perform(name: str, this: Stack) -> None:
    """Run one step. If the emulator is not up or ends during the step, the error says so."""
    if name not in WITHOUT_EMULATOR and not emulator.is_up(this):
        raise StackError(f"{this.emulator} is not up.", "make up, which starts it and continues")
    try:
        STEPS[name](this)
    except StackError as error:
        if not emulator.read(this) or emulator.is_up(this):
            raise
        raise StackError(
            f"{this.emulator} ended during this step (log: {emulator.log(this)}).\n{error.cause}",
            "make up, which restarts it and continues; or make down, which removes the stack",
        ) from error


def main(arguments: list[str]) -> int:
    """Run the named steps in order."""
    os.chdir(ROOT)
    if not arguments or any(name not in STEPS for name in arguments):
        print(f"usage: python3 -m scripts.stack {{{'|'.join(STEPS)}}} ...", file=sys.stderr)
        return 2
    try:
        for name in arguments:
            perform(name, stack())
    except StackError as error:
        return fail(error)
    except KeyboardInterrupt:
        return fail(StackError("Stopped.", f"make {arguments[-1]}, which continues from here"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
