"""The console's sessions, and keys by the console and by command."""

import re
import time
from html import unescape
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest

import scripts.manage
from common.access.authentication import authenticator
from common.access.tokens import Token
from common.enums import Role
from common.settings import settings
from services.reports.http.sessions import Session
from tests.console.filled import fill
from tests.integration.access.conftest import As
from tests.support.routes import ROLES_OF_ROUTES

PAGE = {"accept": "text/html"}


def sign_in(client: httpx.Client, key: str, next_page: str = "") -> httpx.Response:
    return client.post(
        "/console/sign-in",
        content=urlencode({"key": key, "next": next_page}),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )


def test_console_signs_in_with_a_key_and_out_again(admin: httpx.Client, client_as: As) -> None:
    key = admin.headers["authorization"].removeprefix("Bearer ")
    browser = client_as("", key="")

    sent_away = browser.get("/console/leads?limit=1", headers=PAGE)
    wrong = sign_in(browser, "lbk_wrong")
    signed_in = sign_in(browser, key, "console/leads")
    shown = browser.get("/console/leads", headers=PAGE)
    cookie = signed_in.headers["set-cookie"]

    assert sent_away.status_code == 303
    assert "console/sign-in?next=console%2Fleads" in sent_away.headers["location"]
    assert wrong.status_code == 401
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "../console/leads")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert key.split("_", 2)[2] not in cookie
    assert (shown.status_code, "the admin" in shown.text) == (200, True)
    browser.post("/console/sign-out")
    assert browser.get("/console/leads", headers=PAGE).status_code == 303


@pytest.mark.parametrize("customer", [None, "customer-123"], ids=["of all", "of one customer"])
def test_pages_offer_a_viewer_nothing_that_is_refused(
    admin: httpx.Client, client_as: As, customer: str | None
) -> None:
    fill(admin, leads=40)
    viewer = client_as("viewer", customer)
    waiting, seen = [str(viewer.base_url)], set()

    while waiting:
        address = waiting.pop()
        parts = urlsplit(address)
        kind = parts.path if parts.path.startswith("/console/") else parts.path.rpartition(".")[2]
        if (kind, *parse_qs(parts.query)) in seen:
            continue
        seen.add((kind, *parse_qs(parts.query)))
        page = viewer.get(address, headers=PAGE)

        assert page.status_code == 200, address
        if page.headers["content-type"].startswith("text/html") and kind != "/docs":
            found = re.findall(r'<a [^>]*href="([^"#]+)', page.text)
            waiting += [urljoin(address, unescape(link)) for link in found]
            for target in re.findall(r'<form [^>]*action="([^"]+)" method="post"', page.text):
                roles = ROLES_OF_ROUTES["POST", urlsplit(urljoin(address, target)).path]
                assert not roles or Role.VIEWER in roles, (address, target)

    assert {"/console/lead", "/console/quarantine", "/console/rate-card", "/console/run"} <= {
        kind for kind, *_ in seen
    }
    assert any(kind == "/console/dispute" for kind, *_ in seen) == (customer is None)


def test_session_that_has_ended_says_so(
    admin: httpx.Client, client_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = client_as("", key="")
    sign_in(browser, admin.headers["authorization"].removeprefix("Bearer "))
    later = time.time() + settings().session_idle_minutes * 60 + 1
    monkeypatch.setattr("services.reports.http.sessions.time.time", lambda: later)

    sent_away = browser.get("/console/leads?user=ann", headers=PAGE)
    shown = browser.get(sent_away.headers["location"].removeprefix(".."), headers=PAGE)
    refused = browser.post("/console/product", data={"id": "abc", "name": "ABC"}, headers=PAGE)

    assert "Your session has ended." in shown.text
    assert 'name="next" value="console/leads?user=ann"' in shown.text
    assert (refused.status_code, "Nothing was saved." in refused.text) == (401, True)
    assert "session has ended" not in client_as("", key="").get("/console/sign-in").text


def test_page_of_another_site_cannot_post_in_a_signed_in_browser(
    admin: httpx.Client, client_as: As
) -> None:
    browser = client_as("", key="")
    sign_in(browser, admin.headers["authorization"].removeprefix("Bearer "))
    form = {"seen": "", "id": "abc", "name": "ABC"}

    for origin in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert browser.post("/console/product", data=form, headers=origin).status_code == 403
    own = {"sec-fetch-site": "same-origin"}
    assert browser.post("/console/product", data=form, headers=own).status_code != 403


def test_session_cookie_is_secure_off_this_machine(admin: httpx.Client) -> None:
    key = admin.headers["authorization"].removeprefix("Bearer ")
    admin.headers["host"] = "billing.example"

    assert "Secure" in sign_in(admin, key).headers["set-cookie"]


def test_session_ends_with_its_key(admin: httpx.Client, client_as: As) -> None:
    made = admin.post("/keys", json={"name": "ann", "role": "viewer"}).json()
    browser = client_as("", key="")
    sign_in(browser, made["key"])
    assert browser.get("/console/reports").status_code == 200

    admin.post(f"/keys/{made['key_id']}/revoke").raise_for_status()
    time.sleep(1.1)

    assert browser.get("/billing/reports").status_code == 401


def test_session_that_is_idle_too_old_or_tampered_with_is_none() -> None:
    now = 1_700_000_000
    idle = settings().session_idle_minutes * 60
    text_of = Session("0123456789ab", now, now).text()

    assert Session.read(text_of, now + idle) is not None
    assert Session.read(text_of, now + idle + 1) is None
    twelve_hours = 12 * 3600
    kept_alive = Session("0123456789ab", now - twelve_hours, now).text()
    assert Session.read(kept_alive, now) is not None
    assert Session.read(kept_alive, now + 1) is None
    assert Session.read(text_of.replace("0123456789ab", "ba9876543210"), now) is None
    assert Session.read(text_of[:-1] + ("0" if text_of[-1] != "0" else "1"), now) is None


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "\\\\evil"])
def test_signing_in_leads_to_no_other_site(admin: httpx.Client, elsewhere: str) -> None:
    key = admin.headers["authorization"].removeprefix("Bearer ")

    target = sign_in(admin, key, elsewhere).headers["location"]

    assert urljoin("http://ours.test/console/sign-in", target).startswith("http://ours.test/")


@pytest.mark.parametrize("over", ["the database", "the API"])
def test_keys_are_made_listed_rotated_and_ended_by_command(
    admin: httpx.Client,
    client_as: As,
    over: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api = ["--api", str(admin.base_url)] if over == "the API" else []
    monkeypatch.setenv("API_KEY", admin.headers["authorization"].removeprefix("Bearer "))

    def said(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["manage", *api, *arguments])
        scripts.manage.main()
        return capsys.readouterr().out

    def key_in(text: str) -> Token:
        found = re.search(r"^lbk_.*$", text, re.MULTILINE)
        token = found and Token.parse(found[0])
        assert token is not None, text
        return token

    made = key_in(said("key-create", "--name", "feed", "--role", "viewer"))
    listed = said("key-list")
    rotated = key_in(said("key-rotate", made.key_id, "--overlap-hours", "1"))
    ended = said("key-revoke", made.key_id)

    assert f"{made.key_id}  viewer  all customers  feed" in listed
    assert made.text not in listed
    assert ("(expiry: " if api else "(ended ") in ended
    assert client_as("", key=made.text).get("/leads").status_code == 401
    assert client_as("", key=rotated.text).get("/leads").status_code == 200


def test_keys_are_made_and_ended_in_the_console_and_the_audit_shows_it(
    admin: httpx.Client, client_as: As
) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}

    def changed(content: str) -> httpx.Response:
        return admin.post("/console/keys", content=content, headers=form, follow_redirects=True)

    made = changed("do=create&name=feed&role=viewer&customer_id=")
    found = re.search(r"lbk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", made.text)
    assert found is not None

    works = client_as("", key=found[0]).get("/leads").status_code
    rotated = changed(f"do=rotate&key_id={found[1]}")
    another = re.search(r"lbk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", rotated.text)
    revoked = changed(f"do=revoke&key_id={found[1]}")

    assert works == 200
    assert made.request.method == "GET"  # to load the page again makes no second key
    assert ">ended</span>" not in made.text
    assert ">ended</span>" in revoked.text
    assert another is not None
    assert client_as("", key=another[0]).get("/leads").status_code == 200
    assert found[0] not in admin.get("/console/keys").text
    assert "ended" in admin.get("/console/audit").text
    assert client_as("viewer").get("/console/keys").status_code == 403


def test_pages_of_a_session_are_paid_from_the_budget_of_its_key(
    admin: httpx.Client, client_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = client_as("", key="")
    sign_in(browser, admin.headers["authorization"].removeprefix("Bearer "))
    monkeypatch.setenv("RATE_LIMIT_UNITS_PER_MINUTE", "2")
    authenticator.cache_clear()

    answers = [browser.get("/console/leads", headers=PAGE).status_code for _ in range(5)]

    assert answers[:2] == [200, 200]
    assert 429 in answers[2:]
