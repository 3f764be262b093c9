"""Whose action it is: spellings of one person, values that name nobody, and phone regions."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from common.identifiers import customer_id
from common.leads.schemas import remember_phone_region
from tests.support.api import Wire, action, lead, post, report, statuses

CALL = action("Call")
SPELLINGS: dict[str, list[Wire]] = {
    "composed and decomposed": [
        {"email": "jürgen@münchen.example"},
        {"email": "Ju\u0308rgen@Mu\u0308nchen.example"},
        {"email": "jürgen@xn--mnchen-3ya.example"},
        {"email": "\ufeffjürgen@münchen.example\u200b"},
    ],
    "phone": [
        {"phone": "(+49) 170 1234567"},
        {"phone": "tel:+49-170-1234567"},
        {"phone": "\u202a+49 170 1234567\u202c"},
        {"phone": "\uff0b49 170 1234567"},
        {"phone": "0049 170 1234567 ext. 2", "email": "n/a"},
    ],
    "external id": [{"external_id": "crm 7"}, {"external_id": "\ufeffcrm 7 "}],
}


def users_billed(client: httpx.Client) -> list[Any]:
    return [entry["user"] for entry in report(client, "acme", "2024-04")["by_user"]]


def warnings(answer: httpx.Response) -> list[str]:
    return [warning["code"] for warning in answer.json()["results"][0]["warnings"]]


@pytest.mark.parametrize("users", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings_of_one_person_are_one_user_everywhere(
    acme: httpx.Client, users: list[Wire]
) -> None:
    leads = [lead(f"lead-{place}", CALL, user=user) for place, user in enumerate(users)]
    post(acme, leads).raise_for_status()

    bill = report(acme, "acme", "2024-04")

    assert len(bill["by_user"]) == 1
    assert bill["totals"]["billed"] == "10.00"
    for user in users:
        named = next(value for value in user.values() if value != "n/a")
        found = acme.get(f"/leads?user={quote(named)}").json()["data"]
        assert len(found) == len(users), named
    named = next(iter(users[0].values()))
    erased = acme.post("/customers/acme/erasures", json={"user": named}).json()
    assert erased["leads"] == len(users)


@pytest.mark.parametrize(
    ("user", "codes"),
    [
        ({"email": "n/a"}, ["unusable_email", "missing_user"]),
        ({"email": ""}, ["unusable_email", "missing_user"]),
        ({"email": "a@b.example", "phone": "anonymous"}, ["unusable_phone"]),
        ({"email": "", "phone": "+49 170 1234567"}, ["unusable_email"]),
        ({"phone": "-", "external_id": "\u200b"}, ["unusable_phone", "unusable_external_id"]),
        ({"email": "none", "external_id": "crm-7"}, ["unusable_email"]),
    ],
)
def test_value_that_names_nobody_refuses_nothing_and_is_warned_of(
    acme: httpx.Client, user: Wire, codes: list[str]
) -> None:
    answer = post(acme, lead("lead-1", CALL, user=user))

    assert answer.status_code == 201
    assert warnings(answer)[: len(codes)] == codes
    stored = acme.get("/leads/lead-1").json()["user"]
    for name, value in user.items():
        if f"unusable_{name}" in codes:
            assert stored[name] == value


def test_people_without_a_usable_email_are_told_apart_by_phone(acme: httpx.Client) -> None:
    phones = ["+49 170 1234567", "+49 170 7654321", "+49 170 1111111"]
    leads = [lead(f"lead-{phone}", CALL, user={"email": "n/a", "phone": phone}) for phone in phones]
    post(acme, leads).raise_for_status()

    assert report(acme, "acme", "2024-04")["totals"]["billed"] == "30.00"
    assert sorted(users_billed(acme)) == ["+491701111111", "+491701234567", "+491707654321"]


def test_pages_of_leads_name_a_user_as_a_report_does(acme: httpx.Client) -> None:
    user = {"email": "n/a", "phone": "+49 170 1234567"}
    post(acme, [lead("named", CALL, user=user), lead("nobody", CALL, user=None)]).raise_for_status()

    leads = acme.get("/console/leads").text
    pages = [acme.get("/console/lead", params={"id": name}).text for name in ("named", "nobody")]

    shown = re.findall(r'<td class="user">(?:<a [^>]*>)?([^<]*)<', leads)
    assert sorted(shown) == ["+491701234567", "no user"]
    assert ">+491701234567</a>" in pages[0]
    assert "<dd>no user: " in pages[1]


def test_leads_whose_person_is_in_doubt_are_found(acme: httpx.Client) -> None:
    post(acme, lead("sure", CALL, user={"email": "a@b.example"})).raise_for_status()
    post(acme, lead("doubt", CALL, user={"email": "a@b.example", "phone": "x"})).raise_for_status()

    assert [warning["code"] for warning in report(acme, "acme", "2024-04")["warnings"]] == [
        "leads_in_doubt"
    ]
    page = acme.get("/console/leads", params={"in_doubt": "true"}).text

    assert ("doubt" in page, ">sure<" in page) == (True, False)


# --- phone regions


def pointers(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def set_region(client: httpx.Client, region: str | None) -> httpx.Response:
    body = {"name": "Acme", "email": "acme@partner.test", "phone_region": region}
    return client.put("/customers/acme", json=body)


def test_national_numbers_follow_the_customers_phone_region(acme: httpx.Client) -> None:
    set_region(acme, "DE").raise_for_status()
    users = [{"phone": "0170 1234567"}, {"phone": "+49 170 1234567"}, {"phone": "(0170) 1234-567"}]
    post(acme, [lead(f"lead-{n}", CALL, user=user) for n, user in enumerate(users)])

    assert users_billed(acme) == ["+491701234567"]
    found = acme.get("/leads", params={"user": "0170/1234567"}).json()["data"]
    assert len(found) == 3


def test_national_number_without_a_region_is_another_user(acme: httpx.Client) -> None:
    post(acme, [lead("a", CALL, user={"phone": "0170 1234567"})])
    post(acme, [lead("b", CALL, user={"phone": "+49 170 1234567"})])

    assert sorted(users_billed(acme)) == ["+491701234567", "01701234567"]


@pytest.mark.parametrize("remembered", [None, "DE", "FR"])
def test_region_that_a_process_remembers_wrongly_is_noticed(
    acme: httpx.Client, remembered: str | None
) -> None:
    set_region(acme, "GB").raise_for_status()
    remember_phone_region(customer_id("acme"), remembered)
    leads = [
        lead("national", CALL, user={"phone": "020 7946 0958"}),
        lead("national", CALL, action("Chat"), user={"phone": "(020) 7946 0958"}),
        lead("international", CALL, user={"phone": "+44 20 7946 0958"}),
    ]

    assert statuses(post(acme, leads)) == ["created", "updated", "created"]
    assert users_billed(acme) == ["+442079460958"]


def test_region_is_fixed_once_a_user_is_known_by_phone(acme: httpx.Client) -> None:
    both = {"email": "a@b.example", "phone": "0170 1234567"}
    post(acme, lead("by-email", CALL, user=both)).raise_for_status()
    assert set_region(acme, "DE").status_code == 200
    post(acme, lead("by-phone", CALL, user={"phone": "0170 1234567"})).raise_for_status()

    answer = set_region(acme, "FR")

    assert (answer.status_code, pointers(answer)) == (
        409,
        [("/phone_region", "phone_region_fixed")],
    )
    assert set_region(acme, "DE").status_code == 200
    assert set_region(acme, None).json()["phone_region"] == "DE"


def test_unknown_region_is_refused(acme: httpx.Client) -> None:
    answer = set_region(acme, "XX")

    assert (answer.status_code, pointers(answer)) == (422, [("/phone_region", "unknown_region")])


# --- action types and lead types


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Téléchargement", "Te\u0301le\u0301chargement"),
        ("Form Submission", "Form\u200b Submission"),
        ("Download", "\uff24\uff4f\uff57\uff4e\uff4c\uff4f\uff41\uff44"),
    ],
)
def test_action_types_that_read_alike_are_duplicates(
    acme: httpx.Client, one: str, other: str
) -> None:
    post(acme, lead("lead-1", action(one), action(other, "2024-04-02T10:00:00Z")))

    assert report(acme, "acme", "2024-04")["totals"]["savings"]["duplicate"] == "10.00"


@pytest.mark.parametrize("spelt", ["website visit", "Website  Visit", "\uff37ebsite Visit\u200b"])
def test_lead_type_matches_in_any_spelling(acme: httpx.Client, spelt: str) -> None:
    assert post(acme, lead("lead-1", CALL, lead_type=spelt)).status_code == 201
    again = post(acme, lead("lead-1", CALL, lead_type="Website Visit"))

    assert statuses(again) == ["unchanged"]
    assert acme.get("/leads/lead-1").json()["lead_type"] == "Website Visit"
    assert len(acme.get("/leads", params={"lead_type": spelt}).json()["data"]) == 1


def test_rate_card_names_a_lead_type_in_any_spelling(acme: httpx.Client) -> None:
    rates = [{"engagement_level": level, "amount": "1.00"} for level in ("High", "Medium", "Low")]
    rates.append({"engagement_level": "High", "amount": "3.00", "lead_type": "website  VISIT"})
    card = {"name": "Own", "customer_id": "acme", "valid_from": "2024-04", "rates": rates}
    cap = {"amount": "100.00", "scope": "user"}

    stored = acme.post("/rate-cards", json=card | {"cap": cap}).raise_for_status().json()

    assert {rate["lead_type"] for rate in stored["rates"]} == {None, "Website Visit"}
    post(acme, lead("lead-1", CALL)).raise_for_status()
    assert report(acme, "acme", "2024-04")["totals"]["billed"] == "3.00"


def test_refused_lead_type_lists_those_that_are_known(acme: httpx.Client) -> None:
    (error,) = post(acme, lead("lead-1", CALL, lead_type="Palm Reading")).json()["errors"]

    assert error["code"] == "unknown_lead_type"
    assert "Website Visit" in error["detail"]
    assert "Trade Show" in error["detail"]


@pytest.mark.parametrize("offset", ["+0200", "+02:00", "Z"])
def test_offset_is_taken_with_and_without_a_colon(acme: httpx.Client, offset: str) -> None:
    sent = lead("lead-1", action(timestamp=f"2024-04-01T10:00:00{offset}"))

    assert post(acme, sent).status_code == 201


def test_email_of_a_customer_is_unique_in_any_spelling(acme: httpx.Client) -> None:
    def put(customer: str, email: str) -> int:
        return acme.put(f"/customers/{customer}", json={"name": "B", "email": email}).status_code

    assert put("beta", "rechnung@münchen.example") == 201
    assert put("gamma", "Rechnung@xn--mnchen-3ya.example") == 409
    assert put("gamma", "rechnung@mu\u0308nchen.example\u200b") == 409
