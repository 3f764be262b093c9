"""ETag and If-None-Match."""

import httpx
import pytest

from tests.support.closing import USER, closed

APRIL = "/billing/reports/acme/2024-04"


@pytest.fixture
def final_april(april_and_may: httpx.Client) -> httpx.Client:
    closed(april_and_may, "2024-04")
    return april_and_may


def asked(client: httpx.Client, path: str, tag: str) -> httpx.Response:
    return client.get(path, headers={"if-none-match": tag})


@pytest.mark.parametrize("path", [APRIL, f"{APRIL}/lines", "/customers/acme", "/rate-cards"])
def test_what_is_known_is_not_sent_again(final_april: httpx.Client, path: str) -> None:
    first = final_april.get(path)
    tag = first.headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = asked(final_april, path, known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "private, no-store"
        assert "content-type" not in answer.headers
    assert asked(final_april, path, '"other"').json() == first.json()
    assert final_april.head(path).headers["etag"] == tag


def test_an_erased_user_is_not_taken_for_known(final_april: httpx.Client) -> None:
    path = f"{APRIL}/lines"
    before = final_april.get(path).headers["etag"]
    (email,) = USER.values()
    final_april.post("/customers/acme/erasures", json={"user": email}).raise_for_status()

    answer = asked(final_april, path, before)

    assert answer.status_code == 200
    assert email not in answer.text


def test_another_page_has_another_tag(final_april: httpx.Client) -> None:
    whole = final_april.get(APRIL).headers["etag"]

    assert asked(final_april, f"{APRIL}?limit=1", whole).status_code == 200


@pytest.mark.parametrize("path", ["/customers/nobody", f"{APRIL}.csv"])
def test_refusals_and_files_have_no_tag(final_april: httpx.Client, path: str) -> None:
    assert "etag" not in final_april.get(path).headers
    assert asked(final_april, path, "*").status_code != 304
