"""When two texts are one person, action type or lead type (docs/billing-rules.md, Usable values).

Invariant: whatever compares such texts (keys, filters, the uniqueness of emails, erasure) compares
what a function here returns, so that no spelling makes a second person or a second action.
"""

import re
import unicodedata
from functools import lru_cache

import idna

# Characters that show nothing: control characters that are no space, and what Unicode calls
# default-ignorable (zero-width characters, byte order marks, direction marks, variation selectors).
_SHOWS_NOTHING = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_ASCII_TEXT = re.compile(r"[ -~]*")
_ASCII_DOMAIN = re.compile(r"(?!.*xn--)[0-9a-z_-]+(?:\.[0-9a-z_-]+)+")
_EXTENSION = re.compile(r"(?:;ext=|[,;]?\s*(?:extension|extn?|x|#|доб)[.:]?)\s*\d{1,9}#?$", re.I)
_PHONE_PARAMETERS = re.compile(r";(?:isub|phone-context)=.*$", re.I)
_BEFORE_NUMBER = re.compile(r"^[^+0-9]*")
_PLAIN_INTERNATIONAL = re.compile(r"\+[1-9][0-9 ().-]{5,}")
_SHORTEST_NATIONAL_PART = 2
_PHONE_DIGITS = range(7, 16)  # the longest international number (E.164)


def visible_text(text: str) -> str:
    """Unicode NFC, without characters that show nothing, trimmed."""
    if _ASCII_TEXT.fullmatch(text):
        return text.strip()
    return unicodedata.normalize("NFC", _SHOWS_NOTHING.sub("", text)).strip()


@lru_cache(maxsize=4096)
def folded_label(text: str) -> str:
    """An action type or lead type as it is compared: NFKC, visible, spaces and case folded."""
    if not _ASCII_TEXT.fullmatch(text):
        text = unicodedata.normalize("NFKC", _SHOWS_NOTHING.sub("", text))
        text = unicodedata.normalize("NFKC", _SHOWS_NOTHING.sub("", text.casefold()))
    return " ".join(text.split()).casefold()


def email_text(text: str) -> str:
    """An email as it is shown: visible and lower-cased."""
    return unicodedata.normalize("NFC", visible_text(text).lower())


@lru_cache(maxsize=4096)
def email_key(text: str) -> str | None:
    """An email as it is compared, its domain in ASCII form; None if it could receive no mail."""
    mailbox, _, domain = email_text(text).partition("@")
    domain = domain.removesuffix(".")
    if not mailbox or "@" in domain or any(sign.isspace() for sign in mailbox):
        return None
    if not _ASCII_DOMAIN.fullmatch(domain):
        domain = _ascii_domain(domain)
    return f"{mailbox}@{domain}" if "." in domain else None


@lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    """A domain as the mail system writes it; empty if it is none."""
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return ""


@lru_cache(maxsize=4096)
def phone_key(text: str, region: str | None) -> str | None:
    """A phone number in E.164 form, a national one without `region` as its digits.

    `region` is the ISO 3166 code of the country whose national numbers the customer sends. None if
    the text is no number of 7 to 15 digits.
    """
    import phonenumbers  # noqa: PLC0415 - most leads carry no phone, and loading it takes 50 ms

    number = _from_first_digit(text)
    if key := _plain_international_key(number):
        return key if len(key) - 1 in _PHONE_DIGITS else None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.NOT_A_NUMBER:
            return None
        number = _EXTENSION.sub("", _PHONE_PARAMETERS.sub("", number))
        key = _digits(phonenumbers.convert_alpha_characters_in_number(number))
    else:
        key = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return key if len(key.removeprefix("+")) in _PHONE_DIGITS else None


def _plain_international_key(number: str) -> str | None:
    """What phonenumbers makes of a number that has a country code, and nothing to leave out.

    In a fifth of its time. None where the national part begins with a zero, or with what may be a
    prefix for calls inside the country.
    """
    import phonenumbers  # noqa: PLC0415 - as in phone_key

    if not _PLAIN_INTERNATIONAL.fullmatch(number):
        return None
    digits = re.sub(r"[^0-9]", "", number)
    for length in (1, 2, 3):
        code = int(digits[:length])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            national = digits[length:]
            if len(national) < _SHORTEST_NATIONAL_PART or national.startswith("0"):
                return None
            prefix = _national_prefix(code)
            return None if prefix is not None and prefix.match(national) else f"+{digits}"
    return None


@lru_cache(maxsize=256)
def _national_prefix(country_code: int) -> re.Pattern[str] | None:
    """What a country's national numbers may begin with that is no part of the number."""
    import phonenumbers  # noqa: PLC0415 - as in phone_key

    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(
        country_code, phonenumbers.region_code_for_country_code(country_code)
    )
    pattern = metadata and metadata.national_prefix_for_parsing
    return re.compile(pattern) if pattern else None


def reads_as_phone(text: str) -> bool:
    """Whether a text is nothing but a phone number, with or without its extension."""
    number = _EXTENSION.sub("", visible_text(text)).lower().removeprefix("tel:")
    return not any(sign.isalpha() or sign == "@" for sign in number)


def is_international(phone: str) -> bool:
    """Whether a number says its country itself, so that it is the same in every region."""
    return _from_first_digit(phone).startswith("+")


def external_id_key(text: str) -> str | None:
    """An external id as it is compared; None if it shows nothing."""
    return visible_text(text) or None


def _from_first_digit(text: str) -> str:
    """A number from its first digit or plus sign, in ASCII digits, a leading 00 as a plus."""
    if not _ASCII_TEXT.fullmatch(text):
        text = "".join(
            str(unicodedata.digit(sign)) if sign.isdecimal() else sign
            for sign in unicodedata.normalize("NFKC", visible_text(text))
        )
    number = _BEFORE_NUMBER.sub("", text.rstrip())
    return f"+{number[2:]}" if number.startswith("00") else number


def _digits(number: str) -> str:
    """A plus sign where the number has one, and its digits."""
    digits = re.sub(r"[^0-9]", "", number)
    return f"+{digits}" if number.startswith("+") else digits
