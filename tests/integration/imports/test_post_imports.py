"""POST /imports and what can be asked of an import."""

import gzip
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.imports import imported_files
from common.imports.importing import import_rows
from common.problems import DatabaseUnavailable
from tests.support.api import action, lead, post, refusals, report
from tests.support.imports import DATA, GENERIC_HEADER, csv_of, generic_csv, generic_row

MIB = 1024 * 1024
ZERO = dict.fromkeys(
    ("created", "updated", "unchanged", "voided", "quarantined", "conflict", "invalid"), 0
)


def send(client: httpx.Client, content: bytes, mapping: Any = None, **query: Any) -> httpx.Response:
    if mapping is not None:
        query["mapping"] = json.dumps(mapping)
    return client.post("/imports", params=query, content=content)


def refused_csv(client: httpx.Client, answer: httpx.Response) -> str:
    found = client.get(f"/imports/{answer.json()['import_id']}/refused.csv").raise_for_status()
    assert found.headers["content-type"] == "text/csv; charset=utf-8"
    assert found.headers["content-disposition"] == 'attachment; filename="refused.csv"'
    return found.content.decode("utf-8-sig")


def test_import_is_answered_and_can_be_asked_for(acme: httpx.Client) -> None:
    content = generic_csv(generic_row("a"), generic_row("b"), generic_row("c", lead_type="Pigeon"))

    answer = send(acme, content, file_name="april.csv")

    assert answer.status_code == 201
    told = answer.json()
    assert told == acme.get(f"/imports/{told['import_id']}").raise_for_status().json()
    assert told["status"] == "finished"
    assert told["file_name"] == "april.csv"
    assert (told["rows"], told["rows_done"], told["actions_added"]) == (3, 3, 2)
    assert told["counts"] == ZERO | {"created": 2, "invalid": 1}
    assert told["refused"] == 1
    assert refused_csv(acme, answer).splitlines()[1].startswith("c,acme,abc,Pigeon,")
    assert report(acme, "acme", "2024-04")["totals"]["leads"] == 2


@pytest.mark.parametrize(
    ("name", "preset", "mapping", "leads"),
    [
        ("fb_lead_ads.csv", "meta_lead_ads", {"time_zone": "America/Chicago"}, 3),
        (
            "google_ads_webhook.json",
            "google_ads",
            {
                "constants": {
                    "lead_type": "Website Visit",
                    "created_at": "2024-04-01T10:00:00Z",
                    "timestamp": "2024-04-01T10:00:00Z",
                }
            },
            1,
        ),
        (
            "hubspot.csv",
            "hubspot",
            {
                "constants": {"lead_type": "Referral", "engagement_level": "Low"},
                "time_zone": "Europe/Paris",
            },
            3,
        ),
        (
            "salesforce.csv",
            "salesforce",
            {
                "constants": {"lead_type": "Webinar", "engagement_level": "Medium"},
                "time_zone": "America/New_York",
            },
            2,
        ),
    ],
)
def test_file_of_each_preset_is_imported(
    acme: httpx.Client, name: str, preset: str, mapping: dict[str, Any], leads: int
) -> None:
    given = {"customer_id": "acme", "product_id": "abc"}
    mapping = mapping | {"constants": given | mapping.get("constants", {})}

    answer = send(acme, (DATA / name).read_bytes(), mapping, preset=preset)

    assert answer.json()["counts"] == ZERO | {"created": leads}
    again = send(acme, (DATA / name).read_bytes(), mapping, preset=preset)
    assert again.json()["counts"] == ZERO | {"unchanged": leads}


def test_leads_as_they_are_posted_are_imported_from_lines(acme: httpx.Client) -> None:
    posted = [lead(f"lead-{number}", action(), action("Call")) for number in range(3)]
    content = "\n".join(json.dumps(each) for each in posted).encode()

    answer = send(acme, content)

    assert answer.json()["counts"] == ZERO | {"created": 3}
    assert set(post(acme, posted).json()["results"][0]) >= {"status"}
    assert post(acme, posted).json()["unchanged"] == 3


def test_dry_run_says_what_would_happen_and_stores_nothing(acme: httpx.Client) -> None:
    content = generic_csv(generic_row("a"), generic_row("b", engagement_level="Huge"))

    answer = send(acme, content, dry_run="true")

    assert answer.status_code == 200
    told = answer.json()
    assert told["dry_run"] is True
    assert told["counts"] == ZERO | {"created": 1, "invalid": 1}
    assert told["first_leads"][0]["lead_id"] == "a"
    assert [(row["row"], row["status"], row["errors"][0]["code"]) for row in told["refused"]] == [
        (2, "invalid", "unknown_engagement_level")
    ]
    assert acme.get("/leads").json()["data"] == []
    assert send(acme, content).json()["counts"] == told["counts"]


def test_refused_rows_mended_and_sent_again_are_imported(acme: httpx.Client) -> None:
    answer = send(acme, generic_csv(generic_row("a", engagement_level="Huge"), generic_row("b")))

    mended = refused_csv(acme, answer).replace("Huge", "High").encode()

    answer = send(acme, mended)
    assert answer.json()["counts"] == ZERO | {"created": 1}
    gone = acme.get(f"/imports/{answer.json()['import_id']}/refused.csv")
    assert (gone.status_code, gone.json()["detail"]) == (404, "this import has no refused rows")


def test_refused_rows_are_no_formulas_and_are_read_as_they_were(acme: httpx.Client) -> None:
    rows = [["=Nr", *GENERIC_HEADER[1:]], generic_row("x;=1", engagement_level="Huge")]
    mapping = {"columns": {"lead_id": "=Nr"}}
    refused = refused_csv(acme, send(acme, csv_of(rows), mapping))
    assert [line.split(",")[0] for line in refused.splitlines()] == ["'=Nr", "x;'=1"]

    answer = send(acme, refused.replace("Huge", "High").encode(), mapping)

    assert answer.json()["counts"] == ZERO | {"created": 1}
    assert [lead["lead_id"] for lead in acme.get("/leads").json()["data"]] == ["x;=1"]


def test_of_columns_with_one_name_the_first_is_read_also_when_mended(acme: httpx.Client) -> None:
    row = generic_row("first", engagement_level="Huge")
    refused = refused_csv(
        acme, send(acme, csv_of([[*GENERIC_HEADER, "lead_id"], [*row, "second"]]))
    )

    send(acme, refused.replace("Huge", "High").encode()).raise_for_status()

    assert [lead["lead_id"] for lead in acme.get("/leads").json()["data"]] == ["first"]


def test_form_with_a_file_is_told_to_send_the_file(acme: httpx.Client) -> None:
    answer = acme.post("/imports", files={"file": generic_csv(generic_row())})

    assert answer.status_code == 415
    assert "no form" in answer.json()["detail"]


def test_import_that_stopped_goes_on_with_the_same_file(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [generic_row(f"lead-{number}") for number in range(1_000)]
    content = generic_csv(*rows, generic_row("odd", lead_type="Pigeon"))

    def stopping(*arguments: Any) -> Any:
        yield next(import_rows(*arguments))
        raise DatabaseUnavailable("it was killed")

    with monkeypatch.context() as patched:
        patched.setattr(imported_files, "import_rows", stopping)
        assert send(acme, content).status_code == 503
    answer = send(acme, content)

    assert answer.status_code == 201
    assert answer.json()["counts"] == ZERO | {"created": 1_000, "invalid": 1}
    # From here on it is another import.
    again = send(acme, content).json()
    assert again["import_id"] != answer.json()["import_id"]
    assert again["counts"] == ZERO | {"unchanged": 1_000, "invalid": 1}


def test_file_that_takes_too_long_is_answered_with_how_far_it_is(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported_files, "MAX_SECONDS", 0.0)
    content = generic_csv(*(generic_row(f"lead-{number}") for number in range(1_500)))

    first, second = (send(acme, content) for _ in range(2))

    assert (first.status_code, first.json()["status"]) == (202, "unfinished")
    assert (first.json()["rows"], first.json()["rows_done"]) == (1_500, 1_000)
    assert (second.status_code, second.json()["counts"]["created"]) == (201, 1_500)
    assert second.json()["import_id"] == first.json()["import_id"]


@pytest.mark.parametrize(
    ("content", "mapping", "query", "status", "errors"),
    [
        (b"", None, {}, 400, []),
        (b"\0\1\2", None, {}, 400, []),
        (b'"' * 5 * MIB, None, {}, 413, []),
        (gzip.compress(bytes(64 * MIB)), None, {}, 400, []),
        (b"PK\3\4" + bytes(MIB), None, {}, 400, []),
        (b"a,b\n1,2\n", None, {}, 422, ["/columns/lead_id"]),
        (b"a\n" + b"x" * 2 * MIB, None, {}, 413, []),
        (b"x" * (6 * MIB + 1), None, {}, 413, []),
        (b",".join([b"a"] * 10_000) + b"\n1\n", None, {}, 413, []),
        (generic_csv(generic_row()), {"time_zone": "x"}, {}, 422, ["/time_zone"]),
        (generic_csv(generic_row()), {"preset": "x"}, {}, 422, ["/preset"]),
        (generic_csv(generic_row()), [], {}, 422, ["/mapping"]),
        (generic_csv(generic_row()), None, {"preset": "x"}, 422, ["/query/preset"]),
    ],
)
def test_file_or_mapping_that_is_wrong_as_a_whole_is_refused(
    acme: httpx.Client, content: bytes, mapping: Any, query: Any, status: int, errors: list[str]
) -> None:
    answer = send(acme, content, mapping, **query)

    assert answer.status_code == status
    assert [error["pointer"] for error in answer.json().get("errors", [])][:1] == errors


def test_file_of_six_mebibytes_is_taken(acme: httpx.Client) -> None:
    content = generic_csv(generic_row()).replace(b"\r\n", b"\r\n" + b"\n" * 5 * MIB, 1)

    assert send(acme, content).status_code == 201
    assert send(acme, content + b"\n" * MIB).status_code == 413


def test_unknown_import_is_not_found(acme: httpx.Client) -> None:
    assert acme.get(f"/imports/{uuid4()}").status_code == 404
    assert acme.get(f"/imports/{uuid4()}/refused.csv").status_code == 404


def test_erasing_a_user_takes_the_refused_rows_away(acme: httpx.Client) -> None:
    answer = send(acme, generic_csv(generic_row("a"), generic_row("b", lead_type="Pigeon")))

    erasure = {"user": "ann@people.test"}
    acme.post("/customers/acme/erasures", json=erasure).raise_for_status()

    gone = acme.get(f"/imports/{answer.json()['import_id']}/refused.csv")
    assert gone.status_code == 404
    assert "not kept any more" in gone.json()["detail"]


def test_semicolons_and_another_encoding_are_the_same_file(acme: httpx.Client) -> None:
    rows = [generic_row("é"), generic_row("ü")]
    header = generic_csv().decode().strip().split(",")
    send(acme, csv_of([header, *rows])).raise_for_status()

    for dialect in ({"delimiter": ";"}, {"delimiter": "\t", "encoding": "utf-16"}, {"quoting": 1}):
        answer = send(acme, csv_of([header, *rows], **dialect))
        assert answer.json()["counts"] == ZERO | {"unchanged": 2}
    assert refusals(post(acme, [lead("x", lead_type="Pigeon")])) != []
