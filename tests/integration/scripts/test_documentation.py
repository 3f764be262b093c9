"""README.md and docs/, read as a newcomer does: every command, route, table and link is there."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine

from common import problems
from common.database.base import Base
from services.reports.app import app

PROJECT = Path(__file__).resolve().parents[3]
DOCS = PROJECT / "docs"
DECISIONS = DOCS / "decisions"
# The pages that lead through the API, in the order in which they are read.
WALKTHROUGH = [
    PROJECT / "README.md",
    *(DOCS / name for name in ("api.md", "closing.md", "keys.md", "verification.md")),
]
PAGES = [
    PROJECT / "README.md",
    PROJECT / "SECURITY.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "CHANGELOG.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted((PROJECT / "clients").glob("*/README.md")),
    *sorted((PROJECT / "terraform").glob("*/*/README.md")),
]
MADE_OF = "".join(
    (PROJECT / part).read_text(encoding="utf-8") for part in ("Makefile", "scripts/stack/stack.mk")
)


def test_every_module_that_a_page_runs_exists() -> None:
    modules = {
        module
        for page in PAGES
        for module in re.findall(r"python3? -m ([\w.]+)", page.read_text(encoding="utf-8"))
    }

    assert "services.reports.cli" in modules
    assert [module for module in sorted(modules) if find_spec(module) is None] == []


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows_of(name: str, title: str) -> str:
    """The rows of the page's table with this heading."""
    return text_of(name).split(title, 1)[1].split("\n\n", 1)[0]


def curl_commands() -> Iterator[tuple[str, str, dict[str, str], bytes | None]]:
    """Method, path, headers and body of each curl command of the walkthrough, in its order."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in WALKTHROUGH)
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        words = shlex.split(block.replace("\\\n", ""), comments=True)
        for start in (at for at, word in enumerate(words, 1) if word == "curl"):
            method, path, headers, body = "GET", "", {}, None
            rest = iter(words[start:])
            for word in rest:
                match word:
                    case "-X":
                        method = next(rest)
                    case "-H":
                        name, _, value = next(rest).partition(": ")
                        headers[name] = value
                    case "-d":
                        data = next(rest)
                        file = PROJECT / data.removeprefix("@")
                        body = file.read_bytes() if data.startswith("@") else data.encode()
                    case _ if word.startswith("localhost:8080/"):
                        path = word.removeprefix("localhost:8080")
                    case _:
                        break  # the next command of the block
            yield method, path, headers, body


def test_every_curl_of_the_walkthrough_works_in_its_order(gateway: httpx.Client) -> None:
    answers: dict[str, int] = {}
    dispute = ""
    for method, path, headers, body in curl_commands():
        answer = gateway.request(
            method,
            path.replace("{dispute_id}", dispute),
            headers={name: value for name, value in headers.items() if "$" not in name + value},
            content=body,
        )
        answers[f"{method} {path}"] = answer.status_code
        assert answer.is_success, (method, path, answer.text)
        dispute = answer.json().get("dispute_id", dispute)

    assert len(answers) > 10
    credited = gateway.get("/billing/reports/acme/2024-05").json()
    assert (credited["credits"]["total"], credited["due"]) == ("-2.00", "-2.00")


def test_no_other_page_has_a_curl_that_no_test_runs() -> None:
    others = [page for page in PAGES if page not in WALKTHROUGH]

    assert [page.name for page in others if "localhost:8080/" in page.read_text()] == []


def test_page_of_the_api_lists_the_routes_there_are() -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    shapes = {re.sub(r"{\w+}", "{}", route) for route in described}

    listed = set()
    for row in re.findall(r"^\| (`.*?) \|", rows_of("api.md", "| route | what |"), re.MULTILINE):
        method = path = ""
        for route in re.findall(r"`([^`]+)`", row):
            method, _, named = route.rpartition(" ") if " " in route else (method, "", route)
            named = re.sub(r"{\w+}", "{}", named)
            if named.startswith("…"):  # goes on from the route before, or from what it ends on
                goings_on = (before + named[1:] for before in (path, path.rpartition("/")[0]))
                named = next(
                    candidate for candidate in goings_on if f"{method} {candidate}" in shapes
                )
            path = named
            listed.add(f"{method} {path}")

    assert listed == shapes | {"GET /docs", "GET /openapi.json", "GET /metrics"}


def test_page_of_the_database_names_every_table_and_draws_no_other() -> None:
    rows = rows_of("database.md", "| table | what | belongs to |")
    named = set()
    for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE):
        named |= set(re.findall(r"`(\w+)`", row))
    relations = re.findall(r"^    (\w+) \S+--\S+ (\w+) : ", text_of("database.md"), re.MULTILINE)
    drawn = {table for relation in relations for table in relation}

    assert named == set(Base.metadata.tables)
    assert len(drawn) >= 13
    assert drawn <= named


def test_example_of_the_types_is_the_one_that_is_compiled() -> None:
    folder = PROJECT / "clients" / "typescript"
    shown = re.findall(r"^```ts\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)

    assert (folder / "example.ts").read_text().partition("\n")[2] == shown[0]


def test_readme_stays_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) < 250


def test_page_of_errors_lists_every_kind_of_problem() -> None:
    listed = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \| ", text_of("errors.md"), re.MULTILINE)

    kinds: list[type[problems.Problem]] = [problems.Problem, *problems.Problem.__subclasses__()]
    kinds += problems.DatabaseUnavailable.__subclasses__()
    assert set(listed) == {(str(int(kind.status)), kind.code) for kind in kinds}


def test_every_record_of_a_decision_is_numbered_dated_and_in_the_index() -> None:
    records = sorted(DECISIONS.glob("[0-9]*.md"))
    heads = [
        re.match(
            r"# (\d{4})\. (.+)\n\n- \*\*Status\*\*: (Proposed|Accepted|Superseded)\b.*\n"
            r"- \*\*Date\*\*: (\d{4}-\d\d-\d\d)\n\n## Context\n",
            record.read_text(encoding="utf-8"),
        )
        for record in records
    ]

    rows = "".join(
        f"| [{head[1]}]({record.name}) | {head[2]} | {head[3]} | {head[4]} |\n"
        for record, head in zip(records, heads, strict=True)
        if head is not None
    )
    assert [record.name[:4] for record in records] == [
        f"{number:04}" for number in range(1, len(records) + 1)
    ]
    assert text_of("decisions/index.md").endswith("|---|---|---|---|\n" + rows)
    assert rows.count("\n") == len(list(DECISIONS.glob("*.md"))) - 1


def test_every_section_of_the_rules_that_is_cited_is_there() -> None:
    headings = re.findall(r"^#+ (?:\d+\. )?(.*)$", text_of("billing-rules.md"), re.MULTILINE)
    sections = {heading.split(",")[0].split(" (")[0] for heading in headings}
    cited = []
    for folder in ("alembic", "common", "functions", "scripts", "services", "tests"):
        for file in sorted((PROJECT / folder).rglob("*")):
            if file.suffix in {".py", ".sql"}:
                # A citation may go on behind the sign of a comment in the next line.
                text = re.sub(r"\s*\n\s*(?:#|--)?\s*", " ", file.read_text(encoding="utf-8"))
                cited += re.findall(r"docs/billing-rules\.md(?:, ([A-Z][\w ]*))?", text)

    assert len(cited) >= 15
    assert set(cited) <= sections


def test_map_of_the_code_names_every_module() -> None:
    rows = re.findall(
        r"^\| `((?:common|functions|services)/[\w/]*)` \| .* \| ((?:`\w+` ?)+) \|$",
        text_of("architecture.md"),
        re.MULTILINE,
    )
    drawn = {path.rstrip("/"): set(re.findall(r"\w+", modules)) for path, modules in rows}

    there: dict[str, set[str]] = {}
    for root in ("common", "functions", "services"):
        for file in (PROJECT / root).rglob("*.py"):
            if not file.name.startswith("__"):
                folder = str(file.parent.relative_to(PROJECT))
                there.setdefault(folder, set()).add(file.stem)
    assert drawn == there


def test_pictures_of_the_architecture_name_modules_that_are_there() -> None:
    named = re.findall(
        r"[\"`]((?:common|functions|services)/[\w/]+)(?:\.py)?(?:`|\"|<br>)",
        text_of("architecture.md"),
    )

    assert len(named) > 30
    for path in named:
        assert (PROJECT / path).is_dir() or (PROJECT / f"{path}.py").is_file(), path


def test_page_of_commands_lists_every_command() -> None:
    listed = re.findall(r"`make ([a-z0-9-]+)`", text_of("commands.md"))

    assert set(listed) == set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", MADE_OF, re.MULTILINE))


def test_every_make_command_of_the_docs_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", MADE_OF, re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        routes = re.findall(
            r"(?:^|`)(?:\S+=\S* )?make ([a-z0-9-]+)((?: [A-Z_]+=)*)", text, re.MULTILINE
        )
        for target, variables in routes:
            assert target in targets, (page.name, target)
            for variable in variables.replace("=", "").split():
                assert re.search(rf"\b{variable}\b", MADE_OF), (page.name, target, variable)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text):
        path, _, anchor = "".join(target).partition("#")
        if path.startswith("http"):
            continue
        led_to = page.parent / path if path else page
        assert led_to.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", led_to.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {
                re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
            assert anchor in anchors, target


def test_statements_of_the_runbooks_can_be_run(database_url: str) -> None:
    statements = [
        statement
        for page in (PROJECT / "docs" / "runbooks").glob("*.md")
        for statement in re.findall(r"^```sql\n(.*?)^```", page.read_text(), re.M | re.S)
    ]

    assert len(statements) >= 8
    engine = create_engine(database_url)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()
