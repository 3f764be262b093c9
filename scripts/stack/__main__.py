"""`python3 -m scripts.stack STEP`: one step of the stack, or `up` and `down` for all of them."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

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
from scripts.stack.processes import run
from scripts.stack.report import StackError, fail, say, step
from scripts.stack.settings import ROOT, Stack, stack

POSTGRES_MAJOR_VERSION = 15
EVENTS = ROOT / "functions" / "ingest" / "events"


def start_emulator(this: Stack) -> None:
    """Have the emulator up, with a PostgreSQL image it can start."""
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
    """Deploy, and note the address for other programs."""
    terraform.set_variables(this)
    terraform.apply(this)
    (this.state / "gateway-url").write_text(sample.gateway(this))


def address(this: Stack) -> None:
    """Print where to find what."""
    deployed = terraform.outputs(this)
    api = str(deployed["api_id"])
    print(
        f"""
API             {this.gateway_url(api)}
the console     {this.browser_url(api)}/
its API         {this.browser_url(api)}/docs
a report        {this.browser_url(api)}/billing/reports/customer-123/2024-04.html
emulator        {this.url} ({this.emulator}, log in {emulator.log(this).relative_to(ROOT)})
next            make smoke | make logs | make invoke | make down
""",
        flush=True,
    )


def invoke(this: Stack) -> None:
    """Call the ingest function directly, as `awslocal lambda invoke` does. EVENT names a file."""
    event = EVENTS / f"{os.environ.get('EVENT') or 'post_sample_leads'}.json"
    if not event.exists():
        known = ", ".join(sorted(path.stem for path in EVENTS.glob("*.json")))
        raise StackError(
            f"There is no event {event.stem}.", f"make invoke EVENT=... one of {known}"
        )
    sent = this.state / "invoke-event.json"
    with open(os.open(sent, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        content = json.loads(event.read_bytes())
        header = keys.authorization(this)["Authorization"]
        json.dump(content | {"headers": content["headers"] | {"authorization": header}}, file)
    answer = this.state / "invoke.json"
    name = str(terraform.outputs(this)["ingest_function_name"])
    run(
        [
            *(this.venv / "bin" / "aws", "--endpoint-url", this.url, "--region", this.region),
            *("lambda", "invoke", "--function-name", name),
            *("--payload", f"fileb://{sent}", str(answer)),
        ],
        environment={
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_PAGER": "",
        },
        remedy="make logs PART=ingest",
    )
    said = json.loads(answer.read_text())
    print(json.dumps(said, indent=2), flush=True)
    if "statusCode" not in said:
        raise StackError("The function failed.", "make logs PART=ingest")


def replay_dead_letters(this: Stack) -> None:
    """Put the dead letters back on the queue, with the emulator's own boto3."""
    deployed = terraform.outputs(this)
    run(
        [
            *(this.venv / "bin" / "python", "-m", "scripts.replay_dead_letters"),
            *(str(deployed["dead_letters_url"]), str(deployed["queue_url"])),
        ],
        cwd=ROOT,
        environment={
            **os.environ,
            "AWS_ENDPOINT_URL": this.url,
            "AWS_DEFAULT_REGION": this.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        remedy="make logs PART=queue",
    )


def logs(this: Stack) -> None:
    """Print the logs of PART (gateway, ingest, queue, reports or migrate), of all unless set."""
    groups: dict[str, str] = terraform.outputs(this)["log_group_names"]
    part = os.environ.get("PART")
    if part and part not in groups:
        raise StackError(
            f"There is no part {part}.", f"make logs PART=... one of {', '.join(groups)}"
        )
    chosen = {groups[part]} if part else set(groups.values())
    for group in sorted(chosen):
        names = ", ".join(name for name in groups if groups[name] == group)
        print(f"--- {names} ({group})")
        for stream, line in aws.log_lines(this, group)[-200:]:
            print(f"{stream.rsplit('/', 1)[-1][:12]}  {line}")


def up(this: Stack) -> None:
    """Everything, from nothing or from where it stopped."""
    for title, work in (
        ("Preflight", preflight.check),
        ("Emulator", start_emulator),
        ("Image of the reporting service", image),
        ("Packages of the functions", package),
        ("terraform init", terraform.init),
        ("terraform apply", apply),
        ("Migrations", tasks.migrate),
        ("Admin key", keys.have_admin_key),
        ("Sample leads through the gateway", sample.send),
        ("Sample reports through the gateway", sample.show),
    ):
        with step(title):
            work(this)
    address(this)


def down(this: Stack) -> None:
    """Take everything away again; a dead or half-made stack too."""
    if emulator.is_up(this) and terraform.state_file(this).exists():
        with step("terraform destroy"):
            try:
                terraform.destroy(this)
            except StackError as error:
                say(f"{error.cause.splitlines()[0]} The emulator goes all the same.")
    with step("Emulator"):
        emulator.stop(this)
        terraform.drop_state(this)
        shutil.rmtree(this.state, ignore_errors=True)
    left_over(this)


def left_over(this: Stack) -> None:
    """Print that nothing is left; StackError when something is."""
    left = docker.containers(this) if docker.daemon_answers() else []
    if left or this.state.exists() or preflight.port_is_taken(this.port):
        raise StackError(
            f"Something is left: containers {left}, folder {this.state.exists()}, "
            f"port {preflight.port_is_taken(this.port)}.",
            "make down",
        )
    say("nothing is left: no container, no process, no state. Built images stay for the next time.")


def plan(this: Stack) -> None:
    """Show what apply would change."""
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
    "admin-key": keys.have_admin_key,
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

# What can be done without an emulator; everything else speaks to it.
WITHOUT_EMULATOR = {
    *("up", "down", "preflight", "emulator", "image", "package", "tf-init"),
    *("test-infra", "module-readmes"),
}


def perform(name: str, this: Stack) -> None:
    """One step; an emulator that is not up, or ends meanwhile, is the cause that is named."""
    if name not in WITHOUT_EMULATOR and not emulator.is_up(this):
        raise StackError(f"{this.emulator} is not up.", "make up, which starts it and goes on")
    try:
        STEPS[name](this)
    except StackError as error:
        if not emulator.read(this) or emulator.is_up(this):
            raise
        raise StackError(
            f"{this.emulator} ended meanwhile (its log: {emulator.log(this)}).\n{error.cause}",
            "make up starts it anew and goes on; make down takes the rest away",
        ) from error


def main(arguments: list[str]) -> int:
    """Run the steps named, in order."""
    os.chdir(Path(ROOT))
    if not arguments or any(name not in STEPS for name in arguments):
        print(f"usage: python3 -m scripts.stack {{{'|'.join(STEPS)}}} ...", file=sys.stderr)
        return 2
    try:
        for name in arguments:
            perform(name, stack())
    except StackError as error:
        return fail(error)
    except KeyboardInterrupt:
        return fail(StackError("Stopped.", f"make {arguments[-1]} goes on from here"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
