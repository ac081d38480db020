"""Texts that must not be published: keys and passwords, e-mail addresses and telephone numbers.

Keys are found by the detectors of detect-secrets, telephone numbers by phonenumbers (Google's libphonenumber). Both
read one text after the other, so polars first picks those that can hold anything at all.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from typing import Literal

import polars as pl

Kind = Literal["secret", "e-mail address", "telephone number"]

# What any key has: a long run without spaces, or the words around it.
_MAY_HOLD_KEY = r"[A-Za-z0-9_\-./+=:]{20}|PRIVATE KEY|://"
_MAY_HOLD_PHONE = r"\d[\d ().\-/]{6,}\d"
_EMAIL = r"\b[A-Za-z0-9._%+\-]+@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,24}\b"
_MADE_UP_HOST = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost|local)$", re.IGNORECASE)
"""Hosts that nobody can have (RFC 2606, RFC 6762)."""
_MADE_UP_NUMBER = re.compile(r"1\d{3}55501\d\d")

_HOME_REGION = "US"
"""Whose national way of writing numbers is known; elsewhere only numbers with +COUNTRY are found."""

# All detectors of detect-secrets that know the form of a key. Left out: those that go by entropy or by the word before
# it, which find something in any text on programming; public IP addresses; and Artifactory's, whose form words have.
_DETECTORS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "cloudant": "CloudantDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "ibm_cloud_iam": "IbmCloudIamDetector",
    "ibm_cos_hmac": "IbmCosHmacDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "softlayer": "SoftlayerDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
# Keys to language models and their hosts, which detect-secrets does not know: those who make datasets have them.
_MODEL_KEYS = {
    "Anthropic API key": r"\bsk-ant-[\w-]{20,}",
    "OpenAI API key": r"\bsk-(?:proj|svcacct|admin)-[\w-]{20,}",
    "OpenRouter API key": r"\bsk-or-v1-[0-9a-f]{32,}",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "Google API key": r"\bAIza[\w-]{35}",
    "Groq API key": r"\bgsk_[A-Za-z0-9]{40,}",
}


@dataclass(frozen=True)
class Finding:
    """Something in a text. `row` is the id of one row that has it, `rows` how many have; `excerpt` hides most of it.

    `fingerprint` names the very text that was found, so that people can allow it.
    """

    kind: Kind
    rule: str
    config: str
    column: str
    row: str
    rows: int
    excerpt: str
    fingerprint: str

    def __str__(self) -> str:
        more = f" and {self.rows - 1} more rows" if self.rows > 1 else ""
        where = f"{self.config}.{self.column} of row {self.row}{more}"
        return f"{self.rule} in {where}: {self.excerpt} [{self.fingerprint}]"


def scan(texts: pl.DataFrame) -> list[Finding]:
    """What is in the texts: a table of text, config, column, row (the id of one that has it) and rows (how many have).

    Equal texts are read once. Secrets come first, then what is in most rows.
    """
    distinct = texts.group_by("text", maintain_order=True).agg(
        pl.col("config", "column", "row").first(), pl.col("rows").max()
    )
    found = [
        *_found(distinct, "secret", _MAY_HOLD_KEY, _secrets()),
        *_found(distinct, "e-mail address", _EMAIL, _emails),
        *_found(distinct, "telephone number", _MAY_HOLD_PHONE, _phones),
    ]
    once = [_together(list(same)) for _, same in groupby(sorted(found, key=_key), key=_key)]
    return sorted(once, key=lambda finding: (finding.kind != "secret", -finding.rows, finding.rule))


def texts_of(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """All texts of the tables (by config), those in lists and messages too, as `scan` takes them.

    A row without an id is named by its number.
    """
    parts = []
    for config, table in tables.items():
        row = pl.col("id") if "id" in table.columns else pl.int_range(pl.len()).cast(pl.String)
        for name, dtype in table.schema.items():
            for column, text in _text_columns(pl.col(name), dtype, name):
                part = table.lazy().select(row=row, text=text)
                if isinstance(part.collect_schema()["text"], pl.List):
                    part = part.explode("text")
                told = part.drop_nulls("text").group_by("text", maintain_order=True)
                counted = told.agg(pl.col("row").first(), rows=pl.col("row").n_unique())
                parts.append(counted.with_columns(config=pl.lit(config), column=pl.lit(column)).collect())
    return pl.concat(parts)


def _text_columns(value: pl.Expr, dtype: pl.DataType, name: str) -> Iterator[tuple[str, pl.Expr]]:
    match dtype:
        case pl.String():
            yield name, value
        case pl.Struct():
            for field in dtype.fields:
                yield from _text_columns(value.struct.field(field.name), pl.Schema(dtype)[field.name], name)
        case pl.List(inner=pl.String()):
            yield name, value
        case pl.List(inner=pl.Struct() as inner):
            for field in inner.fields:
                if field.dtype == pl.String:
                    yield name, value.list.eval(pl.element().struct.field(field.name))


Found = Iterator[tuple[str, str]]
"""Rule and text."""


def _found(texts: pl.DataFrame, kind: Kind, may_hold: str, find: Callable[[str], Found]) -> Iterator[Finding]:
    for row in texts.filter(pl.col("text").str.contains(may_hold)).iter_rows(named=True):
        for rule, hit in dict.fromkeys(find(row["text"])):
            fingerprint = hashlib.sha256(hit.encode()).hexdigest()[:12]
            yield Finding(kind, rule, row["config"], row["column"], row["row"], row["rows"], masked(hit), fingerprint)


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.kind, finding.rule, finding.fingerprint


def _together(same: list[Finding]) -> Finding:
    """One finding of what several texts hold."""
    first = same[0]
    return Finding(**{**vars(first), "rows": sum(finding.rows for finding in same)})


def masked(hit: str) -> str:
    """Enough to find it again: the first characters, and the last of a long one."""
    shown = max(1, min(4, len(hit) // 4))
    return f"{hit[:shown]}{'*' * 6}{hit[-2:] if len(hit) >= 12 else ''}"


def _secrets() -> Callable[[str], Found]:
    detectors = [getattr(import_module(f"detect_secrets.plugins.{m}"), name)() for m, name in _DETECTORS.items()]
    keys = {name: re.compile(pattern) for name, pattern in _MODEL_KEYS.items()}

    may_hold = re.compile(_MAY_HOLD_KEY)

    def find(text: str) -> Found:
        for line in filter(may_hold.search, text.splitlines()):  # detect-secrets is written for lines
            for name, pattern in keys.items():
                yield from ((name, found[0]) for found in pattern.finditer(line))
            for detector in detectors:
                if any(detector.analyze_string(line)):
                    # It gives the groups of a match; which may be no more than the first letters of all keys.
                    matches = (found[0] for pattern in detector.denylist for found in pattern.finditer(line))
                    yield from ((detector.secret_type, hit.strip()) for hit in matches)

    return find


def _emails(text: str) -> Found:
    for found in re.finditer(_EMAIL, text):
        if not _MADE_UP_HOST.search(found[0].partition("@")[2]):
            yield "e-mail address", found[0]


def _phones(text: str) -> Found:
    """But for what is nobody's own: free and service numbers, those kept for films; and for digits without a break."""
    from phonenumbers import Leniency, PhoneNumberMatcher, PhoneNumberType, number_type

    public = {PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.UAN}
    for found in PhoneNumberMatcher(text, _HOME_REGION, leniency=Leniency.STRICT_GROUPING):
        made_up = _MADE_UP_NUMBER.fullmatch(f"{found.number.country_code}{found.number.national_number}")
        if not (made_up or found.raw_string.isdecimal() or number_type(found.number) in public):
            yield "telephone number", found.raw_string
