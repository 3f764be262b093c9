"""When two spellings are one person, one action type or one lead type."""

# ruff: noqa: RUF001 - the look-alikes are what is tested

import unicodedata
from unittest import mock

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import normalization
from common.normalization import (
    email_key,
    external_id_key,
    folded_label,
    phone_key,
    reads_as_phone,
    visible_text,
)

_SHOWS_NOTHING = (
    "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202c\u2066\u2069\u00ad\ufe0f\x07"
)
_WORDS = st.text(alphabet="aBcäÖßéñøÅжЯλΣ中あ한", min_size=1, max_size=12)
# Numbers of countries with and without a national prefix: (country code, prefix, number, region).
_NUMBERS = st.sampled_from(
    [
        ("49", "0", "1701234567", "DE"),
        ("49", "0", "301234567", "DE"),
        ("44", "0", "2079460958", "GB"),
        ("33", "0", "612345678", "FR"),
        ("1", "1", "2015550123", "US"),
        ("41", "0", "781234567", "CH"),
        ("34", "", "612345678", "ES"),
        ("91", "0", "8123456789", "IN"),
    ]
)
_OTHER_DIGITS = ["0123456789", "0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"]
_INTERNATIONAL = [
    "+{cc}{n}",
    "+{cc} {n}",
    "+{cc}-{g}",
    "+{cc} {g}",
    "(+{cc}) {g}",
    "+({cc}) {g}",
    "tel:+{cc}-{g}",
    "TEL:+{cc}{n}",
    "tel:+{cc}{n};ext=12",
    "＋{cc}{n}",
    "＋{cc} {g}",
    "00{cc}{n}",
    "00 {cc} {g}",
    "(00{cc}) {g}",
    "(00) {cc} {g}",
    "00-{cc}-{g}",
    "+{cc} {g} ext. 2",
    "+{cc} {g} ext 2",
    "+{cc} {g} x2",
    "+{cc} {g}#2",
    "+{cc} {g} extension 2",
    "\u202a+{cc}{n}\u202c",
    "\u200e+{cc} {g}",
    "\ufeff+{cc}{n}",
    "+{cc}\u00a0{g}",
    "+{cc}\u2011{g}",
    "+{cc}.{n}",
    "+{cc}/{n}",
    "  +{cc} {g}  ",
    "phone: +{cc} {g}",
]
_NATIONAL = ["{p}{n}", "{p}{g}", "({p}{n})", "{p}-{g}", " {p}{n} ", "tel:{p}{n}", "{p}{n} x7"]


def _spelt(form: str, number: tuple[str, str, str, str], digits: str) -> str:
    code, prefix, national, _ = number
    grouped = " ".join([national[:3], national[3:6], national[6:]])
    text = form.format(cc=code, p=prefix, n=national, g=grouped)
    # An extension's digits stay ASCII: what they are told by is a word.
    return text.translate(str.maketrans("0123456789", digits))


def test_known_spellings_of_a_phone_number_are_at_least_thirty() -> None:
    assert len(_INTERNATIONAL) >= 30


@given(
    number=_NUMBERS,
    form=st.sampled_from(_INTERNATIONAL),
    digits=st.sampled_from(_OTHER_DIGITS),
    region=st.sampled_from([None, "DE", "GB", "FR"]),
)
def test_international_number_is_one_user_however_it_is_written(
    number: tuple[str, str, str, str], form: str, digits: str, region: str | None
) -> None:
    assert phone_key(_spelt(form, number, digits), region) == f"+{number[0]}{number[2]}"


@given(number=_NUMBERS, form=st.sampled_from(_NATIONAL), digits=st.sampled_from(_OTHER_DIGITS))
def test_national_number_is_international_where_the_region_is_known(
    number: tuple[str, str, str, str], form: str, digits: str
) -> None:
    key = phone_key(_spelt(form, number, digits), number[3])

    assert key == f"+{number[0]}{number[2]}"


@given(number=_NUMBERS, form=st.sampled_from(_NATIONAL))
def test_national_number_without_a_region_is_its_digits(
    number: tuple[str, str, str, str], form: str
) -> None:
    assert phone_key(_spelt(form, number, "0123456789"), None) == number[1] + number[2]


@given(
    one=st.integers(10**6, 10**12 - 1),
    other=st.integers(10**6, 10**12 - 1),
    code=st.sampled_from(["49", "44", "33", "1", "999"]),
    forms=st.tuples(st.sampled_from(_INTERNATIONAL), st.sampled_from(_INTERNATIONAL)),
)
def test_two_numbers_are_never_one_user(
    one: int, other: int, code: str, forms: tuple[str, str]
) -> None:
    keys = [
        phone_key(_spelt(form, (code, "", str(number), ""), "0123456789"), None)
        for form, number in zip(forms, (one, other), strict=True)
    ]

    assert (keys[0] == keys[1] and keys[0] is not None) == (one == other and keys[0] is not None)


@pytest.mark.parametrize("sign", ["❼", "፯"])
def test_number_in_a_circle_is_no_digit_of_a_phone_number(sign: str) -> None:
    assert phone_key(f"+49170123456{sign}", None) != "+491701234567"
    assert phone_key("+49170123456⁷", None) == "+491701234567"  # Unicode has it as a 7


@pytest.mark.parametrize(
    "text",
    ["n/a", "anonymous", "-", "", " ", "none", "12345", "+1234", "1" * 16, "\u200b", "a@b.example"],
)
def test_what_is_no_phone_number_names_nobody(text: str) -> None:
    assert phone_key(text, None) is None


@pytest.mark.parametrize(
    ("text", "is_phone"),
    [
        ("tel:+49 170 1234567", True),
        ("\u202a+49 170 1234567", True),
        ("0170/1234567 ext. 2", True),
        ("crm-1234567", False),
        ("(crm) 1234567", False),
        ("1234567@b.example", False),
    ],
)
def test_only_a_phone_number_reads_as_one(text: str, is_phone: bool) -> None:
    assert reads_as_phone(text) is is_phone


def test_number_of_no_known_country_is_compared_by_its_digits() -> None:
    assert phone_key("+999 123 4567 ext. 3", None) == phone_key("00999-1234567", None)


@given(mailbox=_WORDS, domain=_WORDS, noise=st.lists(st.sampled_from(_SHOWS_NOTHING), max_size=3))
def test_email_is_one_user_in_every_unicode_form(
    mailbox: str, domain: str, noise: list[str]
) -> None:
    email = f"{mailbox}@{domain}.example"
    decomposed = unicodedata.normalize("NFD", email)
    loud = decomposed.upper() if email.upper().lower() == email.lower() else decomposed

    for spelling in (decomposed, f"  {email}\t", "".join(noise).join(email), loud):
        assert email_key(spelling) == email_key(email)


def test_email_domain_is_compared_in_ascii() -> None:
    assert email_key("Jürgen@MÜNCHEN.example") == "jürgen@xn--mnchen-3ya.example"
    assert email_key("jürgen@xn--mnchen-3ya.example") == email_key("jürgen@münchen.example")


def test_sharp_s_is_not_two_s() -> None:
    assert email_key("strauß@straße.example") != email_key("strauss@strasse.example")


@pytest.mark.parametrize(
    "text",
    [
        "n/a",
        "",
        "-",
        "anonymous",
        "a@b",
        "a@b@c.example",
        "@b.example",
        "a@",
        "a@.example",
        "a@b..example",
        "a b@c.example",
        "a@b c.example",
        "\u200b",
        "a@ä..example",
        "a@" + "ä" * 70,
    ],
)
def test_what_could_receive_no_mail_names_nobody(text: str) -> None:
    assert email_key(text) is None


@given(text=st.text(max_size=30))
def test_comparing_a_key_again_changes_nothing(text: str) -> None:
    for key in (email_key, external_id_key, folded_label, visible_text):
        once = key(text)
        assert once is None or key(once) == once


def test_external_id_that_shows_nothing_names_nobody() -> None:
    assert external_id_key("\ufeff \u200b") is None
    assert external_id_key("\ufeff00123 ") == "00123"


@given(words=st.lists(_WORDS, min_size=1, max_size=3), noise=st.sampled_from(_SHOWS_NOTHING))
def test_label_is_one_in_every_unicode_form(words: list[str], noise: str) -> None:
    label = " ".join(words)
    spellings = [
        unicodedata.normalize("NFD", label),
        f"\u3000{'  '.join(words)} ",
        noise.join(label),
        label.casefold(),
        "\u00a0".join(words),
    ]

    assert {folded_label(spelling) for spelling in spellings} == {folded_label(label)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Téléchargement", "Te\u0301le\u0301chargement"),
        ("Form Submission", "Form\u200b Submission"),
        ("Ｗｅｂｓｉｔｅ　Ｖｉｓｉｔ", "website  visit"),
    ],
)
def test_labels_that_read_alike_are_alike(one: str, other: str) -> None:
    assert folded_label(one) == folded_label(other)


@given(
    st.from_regex(r"(\+|00)[1-9][0-9 ().-]{4,17}", fullmatch=True)
    | st.builds(
        "+{}{}{}".format,
        st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
        st.sampled_from(["", "0", "1", "8", "06", "15", "044", " (0)", " "]),
        st.integers(10_000, 9_999_999_999),
    ),
    st.sampled_from([None, "DE", "US", "RU", "IT"]),
)
def test_short_way_of_a_phone_gives_what_the_library_gives(text: str, region: str | None) -> None:
    short = phone_key.__wrapped__(text, region)

    with mock.patch.object(normalization, "_plain_international_key", return_value=None):
        assert short == phone_key.__wrapped__(text, region)


def test_address_of_a_phone_reads_as_one_in_any_case() -> None:
    assert reads_as_phone("TEL:+49 30 901820")
