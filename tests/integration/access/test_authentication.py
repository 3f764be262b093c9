"""Who is let in, and to what: keys, roles, the cache of keys."""

import re
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from common.access import authentication
from common.access.authentication import (
    ApiKeyCache,
    CachedKey,
    Principal,
    authenticator,
)
from common.access.tokens import Token
from common.enums import Role
from common.problems import DatabaseUnavailable, TooManyRequests, Unauthenticated
from common.settings import settings
from services.reports.app import app
from services.reports.http.authorization import RULES
from tests.integration.access.conftest import As
from tests.support.api import (
    JSON,
    post,
)
from tests.support.routes import ROLES_OF_ROUTES
from tests.support.statements import sent_statements

# --- who is let in


JSON_ALONE = {"accept": "application/json"}
ROUTES = {
    (method, str(route.path))
    for route in iter_route_contexts(app.routes)
    if hasattr(route.original_route, "dependant")
    for method in route.methods or ()
}


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    described = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    plain = {(method, re.sub(r":\w+}", "}", path)) for method, path in RULES}

    assert ROUTES | {("POST", "/leads")} == set(RULES)
    assert described <= plain


def test_rule_of_each_route_is_the_one_that_was_meant() -> None:
    assert {route: rule.roles for route, rule in RULES.items()} == ROLES_OF_ROUTES


def test_route_without_a_rule_answers_nobody(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(RULES, ("GET", "/customers"))

    assert admin.get("/customers").status_code == 403


def _address(path: str) -> str:
    """An address of a route with ids that nothing has."""
    return re.sub(r"{[^}]*}", "x", re.sub(r"{[^}]*:uuid}", str(uuid4()), path))


def test_without_a_key_nothing_is_answered_but_health_and_sign_in(client_as: As) -> None:
    stranger = client_as("", key="")

    for (method, path), roles in ROLES_OF_ROUTES.items():
        answer = stranger.request(method, _address(path), headers=JSON_ALONE)
        if roles:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        else:
            assert answer.status_code != 401, (method, path)


@pytest.mark.parametrize("role", list(Role))
def test_role_opens_what_its_rules_say_and_nothing_else(client_as: As, role: Role) -> None:
    client = client_as(role.value)

    for (method, path), roles in ROLES_OF_ROUTES.items():
        if roles and role not in roles:
            answer = client.request(method, _address(path))
            assert answer.status_code == 403, (method, path)


NO_KEYS = [
    "",
    "Bearer",
    "Bearer nonsense",
    "Bearer lbk_000000000000_" + "A" * 43,
    "Basic bGJrOmxiaw==",
    "Bearer lbk_000000000000_" + "A" * 5000,
]


def test_what_is_no_key_is_401(client_as: As) -> None:
    stranger = client_as("", key="")

    for method, path in (("GET", "/customers"), ("POST", "/leads")):
        for authorization in NO_KEYS:
            headers = {"authorization": authorization}
            answer = stranger.request(method, path, headers=headers, content=b"[]")
            assert answer.status_code == 401, (path, authorization[:30])


def test_key_with_another_secret_is_401(admin: httpx.Client, client_as: As) -> None:
    known = admin.headers["authorization"].removeprefix("Bearer ")
    guess = known[:-1] + ("A" if known[-1] != "A" else "B")

    assert client_as("", key=guess).get("/customers").status_code == 401
    assert post(client_as("", key=guess), []).status_code == 401


def test_refusal_says_nothing_of_the_key(client_as: As) -> None:
    key = Token.new().text

    answer = client_as("", key=key).get("/customers")

    assert key not in answer.text
    assert key.split("_")[1] not in answer.text


def test_documentation_is_open_and_holds_no_data(client_as: As) -> None:
    stranger = client_as("", key="")

    assert stranger.get("/docs").status_code == 200
    assert stranger.get("/openapi.json").status_code == 200
    assert stranger.get("/static/console.css").status_code == 200


def test_open_access_is_for_this_machine_by_one_of_its_own_names(
    gateway: httpx.Client,
) -> None:
    for host in ("evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example:8080"):
        rebound = gateway.get("/customers", headers={"host": host})
        posted = gateway.post("/leads", content=b"[]", headers=JSON | {"host": host})

        assert (rebound.status_code, posted.status_code) == (401, 401), host
    assert gateway.get("/customers").status_code == 200
    assert gateway.get("/customers", headers={"host": "a.localhost:80"}).status_code == 200
    with pytest.raises(Unauthenticated):
        authenticator().authenticate(None, "192.0.2.7", "localhost")


@pytest.mark.parametrize("name", ["AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4"])
def test_what_is_deployed_refuses_to_start_open(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "set by AWS")
    settings.cache_clear()

    with pytest.raises(ValueError, match="never for what is deployed"):
        settings()
    settings.cache_clear()


# --- the cache of keys, by the clock


TOKEN = Token.new()
HOLDER = Principal(TOKEN.key_id, "a test", Role.INGEST)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_known_key_costs_no_look_until_its_time_is_over() -> None:
    looks: list[str] = []

    def find(key_id: str) -> CachedKey:
        looks.append(key_id)
        return CachedKey(HOLDER, TOKEN.hash, None)

    clock = Clock()
    ring = ApiKeyCache(find, 30, clock)

    for clock.now in (0.0, 10.0, 29.9, 30.0):
        assert ring.authenticate(TOKEN) == HOLDER

    assert len(looks) == 2


def test_unknown_keys_cost_few_looks_and_known_ones_go_on() -> None:
    looks: list[str] = []

    def find(key_id: str) -> CachedKey | None:
        looks.append(key_id)
        return CachedKey(HOLDER, TOKEN.hash, None) if key_id == TOKEN.key_id else None

    def outcome(token: Token) -> type[Exception]:
        with pytest.raises((Unauthenticated, TooManyRequests)) as refused:
            ring.authenticate(token)
        return refused.type

    clock = Clock()
    ring = ApiKeyCache(find, 1, clock)
    ring.authenticate(TOKEN)
    again = Token.new()
    assert [outcome(again) for _ in range(50)] == [Unauthenticated] * 50
    assert len(looks) == 2

    refusals = [outcome(Token.new()) for _ in range(200)]
    assert (refusals[0], refusals[-1]) == (Unauthenticated, TooManyRequests)
    assert len(looks) == 1 + 40
    clock.now = 2.0
    assert ring.authenticate(TOKEN) == HOLDER  # it was seen: it is looked for in any case

    clock.now = 10.0
    assert outcome(again) is Unauthenticated
    assert looks.count(again.key_id) == 2


def test_key_is_trusted_on_while_the_database_is_away_for_an_hour() -> None:
    found: list[CachedKey | None] = [CachedKey(HOLDER, TOKEN.hash, None)]

    def find(_key_id: str) -> CachedKey | None:
        if not found:
            raise DatabaseUnavailable("away")
        return found[0]

    clock = Clock()
    ring = ApiKeyCache(find, 30, clock)
    ring.authenticate(TOKEN)
    found.clear()

    clock.now = 3599.0
    assert ring.authenticate(TOKEN) == HOLDER
    with pytest.raises(Unauthenticated):
        ring.authenticate(Token(TOKEN.key_id, TOKEN.text + "x"))
    with pytest.raises(DatabaseUnavailable):
        ring.authenticate(Token.new())
    clock.now = 3601.0
    with pytest.raises(DatabaseUnavailable):
        ring.authenticate(TOKEN)


def test_unknown_ids_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_MAX_UNKNOWN", 10)
    looks: list[str] = []
    clock = Clock()
    ring = ApiKeyCache(looks.append, 30, clock)

    for clock.now in range(0, 400, 2):
        with pytest.raises(Unauthenticated):
            ring.authenticate(Token.new())

    assert len(looks) == 200
    assert len(ring._unknown) == 10
    assert len(ring._seen) == 0


def test_unknown_id_costs_what_a_known_one_with_another_secret_does(
    admin: httpx.Client,
) -> None:
    known = admin.headers["authorization"].removeprefix("Bearer ")
    other_secret = known[:-1] + ("A" if known[-1] != "A" else "B")

    def asked(key: str) -> tuple[list[str], str]:
        authenticator.cache_clear()
        headers = {"authorization": f"Bearer {key}"}
        with sent_statements() as sent:
            answers = [admin.get("/customers", headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401] * 3
        return [re.sub(r"^/\*.*?\*/", "", one) for one in sent], answers[0].json()["detail"]

    of_unknown, of_known = asked(Token.new().text), asked(other_secret)

    assert of_unknown == of_known
    assert len(of_known[0]) == 1
