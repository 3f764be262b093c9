"""What is broken, and the tests that cover it, the quickest first.

Invariant: each test named here passes on the tree as it is; a run begins with that.
"""

_ACCESS = "tests/integration/access"
_AUTHENTICATION = f"{_ACCESS}/test_authentication.py"
_MONEY = ("tests/spec/test_rules_of_lines_and_totals.py", "tests/spec/test_rules_of_prices.py")
_INGESTION = (
    "tests/spec/test_rules_of_leads.py",
    "tests/integration/leads",
    "tests/integration/voiding",
)
_READING = ("tests/integration/http/test_entering_a_route.py", *_INGESTION)
_CLOSING = (
    "tests/spec/test_rules_of_closing.py",
    "tests/integration/closing/test_closing.py",
    "tests/integration/closing/test_verification.py",
    "tests/integration/disputes",
    "tests/integration/invoicing",
)

# By kind, the tests of each file; a Terraform module has its own.
TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "rules": {
        "common/rating/sql/rate_month.sql": (
            "tests/spec/test_rules_of_duplicates_and_caps.py",
            "tests/spec/test_rules_of_prices.py",
            "tests/spec/test_rules_of_closing.py",
            "tests/integration/rating/test_standing_totals.py",
            "tests/property/test_rating.py",
        ),
        "common/rating/sql/rate_flat_card_month.sql": (
            "tests/property/test_rating.py",
            "tests/spec/test_rules_of_closing.py",
        ),
        "alembic/sql/rate_card_in_force.sql": (
            "tests/integration/rating/test_rate_cards.py",
            "tests/integration/rating/test_rate_card_versions.py",
            "tests/integration/closing/test_edges_of_closing.py",
            "tests/spec/test_rules_of_prices.py",
        ),
        "alembic/sql/line_outcome.sql": (
            "tests/spec/test_rules_of_duplicates_and_caps.py",
            "tests/integration/closing/test_edges_of_closing.py",
        ),
        "common/normalization.py": (
            "tests/unit/test_normalization.py",
            "tests/spec/test_rules_of_users_and_periods.py",
            "tests/spec/test_rules_of_leads.py",
        ),
        "common/identifiers.py": (
            "tests/unit/test_normalization.py",
            "tests/spec/test_rules_of_users_and_periods.py",
            "tests/integration/leads/test_who_is_who.py",
        ),
    },
    "money": {
        "common/money.py": _MONEY,
        "common/billing_period.py": (
            "tests/unit/test_billing_period.py",
            "tests/unit/test_statement.py",
            "tests/spec/test_rules_of_users_and_periods.py",
            *_MONEY,
        ),
        "common/rating/line.py": (
            "tests/unit/test_line.py",
            "tests/unit/test_words_of_a_bill.py",
            *_MONEY,
            "tests/spec/test_rules_of_duplicates_and_caps.py",
            "tests/integration/reports/test_report_page.py",
        ),
    },
    "access": {
        "common/access/authentication.py": (_AUTHENTICATION, f"{_ACCESS}/test_api_keys.py"),
        "common/access/api_keys.py": (
            f"{_ACCESS}/test_api_keys.py",
            f"{_ACCESS}/test_audit_log.py",
        ),
        "common/access/tokens.py": (_AUTHENTICATION, f"{_ACCESS}/test_api_keys.py"),
        "common/this_machine.py": (
            "tests/unit/test_this_machine.py",
            f"{_ACCESS}/test_open_access.py",
        ),
        "common/database/grants.py": (f"{_ACCESS}/test_database_roles.py",),
        "services/reports/http/authorization.py": (_AUTHENTICATION, f"{_ACCESS}/test_tenancy.py"),
        "services/reports/http/security.py": (
            "tests/unit/test_security.py",
            f"{_ACCESS}/test_sessions.py",
            f"{_ACCESS}/test_open_access.py",
            "tests/integration/http/test_addresses_and_bodies.py",
        ),
        "services/reports/http/sessions.py": (f"{_ACCESS}/test_sessions.py",),
        "alembic/sql/keys.sql": (
            f"{_ACCESS}/test_api_keys.py",
            f"{_ACCESS}/test_database_roles.py",
        ),
        "alembic/sql/functions.sql": (
            "tests/integration/access/test_people.py",
            "tests/spec/test_rules_of_users_and_periods.py",
            f"{_ACCESS}/test_tenancy.py",
        ),
    },
    "ingestion": {
        "common/leads/sql/ingest_leads.sql": _INGESTION,
        "common/leads/parsing.py": _INGESTION,
        "common/json_reader.py": _READING,
    },
    "closing": {
        "common/closing/sql/close_month.sql": _CLOSING,
        "common/closing/sql/closing_conditions.sql": _CLOSING,
        "common/closing/close_period.py": _CLOSING,
        "alembic/sql/hashes.sql": (
            "tests/integration/closing/test_verification.py",
            "tests/integration/closing/test_offline_verification.py",
            "tests/integration/invoicing",
        ),
    },
    "Terraform": {
        f"terraform/modules/{module}/main.tf": ()
        for module in ("database", "lambda", "network", "queue")
    },
}

# Mutants that change nothing anybody can see: the line and what it became, and why.
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "while len(self._seen) > _MAX_CACHED:",
        "while len(self._seen) >= _MAX_CACHED:",
    ): "one key fewer of 10,000 is cached",
    (
        "if now - session.seen > _RENEWED_AFTER_SECONDS:",
        "if now - session.seen >= _RENEWED_AFTER_SECONDS:",
    ): "a session is renewed a second earlier",
    (
        "if when > latest:",
        "if when >= latest:",
    ): "asked only of a time that is not within its bounds",
    (
        "if len(members) < len(pairs):",
        "if len(members) <= len(pairs):",
    ): "looks for repeated members where there are none",
    (
        "last_day = self.start.toordinal() - 1",
        "last_day = self.start.toordinal() - 2",
    ): "another day of the month before",
}
