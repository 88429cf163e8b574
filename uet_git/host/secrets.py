"""Finds what looks like a secret: the rules are those of detect-secrets 1.5 (Yelp), asked on text (DESIGN 7.4).

Why these: rules of many providers in pure Python, which pip installs anywhere, also offline from a wheel. Looked at
and not taken: Kingfisher (maintained, but 36 MB of native code that needs 3 s to compile its rules in each process),
gitleaks (no Python package; use its program as a gate of kind security_scan). detect-secrets is quiet since 2024; only
its expressions are used, none of its files, baselines or network checks, so another rule set can take its place here.

Left out are its rules that guess: entropy and keywords (a person would be asked about every hash), addresses
(`user:password@host` stands in every manual), and those whose pattern is shorter than an identifier.

The library takes 0.1 s to load and its rules are slow on long text. So text is first searched for the words and runs
of letters without which no rule can match; tests hold that to the rules. Only around these the rules are asked.
"""

import re
from functools import cache
from typing import Any, Final, NamedTuple

RULES: Final = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
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
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""Modules of `detect_secrets.plugins` and the class in each."""
PLACES: Final = 300
"""So many suspicious places of one text are looked at; more of them are suspicious enough."""
_WORDS: Final = re.compile(
    rb"PRIVATE KEY|PuTTY-User-Key-File|AccountKey=|GR1348941|gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-"
    rb"|:_authToken=|T3BlbkFJ|pypi-AgE|SG\.[\w-]{22}|sq0csp-|[rs]k_live_|eyJ[\w=-]+\.|[xX][oO][xX][abposrABPOSR]-"
    rb"|gh[pousr]_\w{36}|A(?:3T|KIA|SIA|BIA|CCA)[0-9A-Z]{4}"
    rb"|[hH][tT][tT][pP][sS]://[hH][oO][oO][kK][sS]\.[sS][lL][aA][cC][kK]"
)
_LONG: Final = re.compile(
    rb"AC[a-z0-9]{32}|SK[a-z0-9]{32}|[0-9a-z]{32}-us|\d{8}:[\w-]{35}|\.[\w-]{6}\.[\w-]{27}"
    rb"|(?i:key|pwd|pw|pass|password|token)[^\w\n]{0,9}\s*[^\w\n]{0,9}\s*[^\w\n]{0,3}[\w-]{44}"
    rb"|[\"'][0-9a-zA-Z/+]{40}[\"']"
)
_RUN: Final = b"x" * 27
_MASK: Final = (
    bytes(120 if chr(i).isalnum() or i in b"_-/+" else 32 for i in range(128)) + b" " * 128
)
_BEFORE, _AFTER = 200, 800


class Hit(NamedTuple):
    """One secret: what kind of one, where it begins in the text, and its value, which nobody may print."""

    kind: str
    offset: int
    value: str


def scan(text: bytes) -> tuple[list[Hit], bool]:
    """What looks like a secret in `text`, and whether there was more suspicious text than is looked at."""
    places = [m.start() for m in _WORDS.finditer(text)]
    if _RUN in text.translate(_MASK):
        places += [m.start() for m in _LONG.finditer(text)]
    if not places:
        return [], False
    hits: dict[tuple[str, str], Hit] = {}
    end = -1
    for at in sorted(places)[:PLACES]:
        if at < end:
            continue
        start = max(text.rfind(b"\n", 0, at) + 1, at - _BEFORE)
        stop = text.find(b"\n", at)
        end = min(len(text) if stop < 0 else stop, at + _AFTER)
        piece = text[start:end].decode("latin-1")
        for kind, pattern in _patterns():
            for found in pattern.finditer(piece):
                hit = Hit(kind, start + found.start(), found[0])
                hits.setdefault((kind, hit.value), hit)
    return sorted(hits.values(), key=lambda h: h.offset), len(places) > PLACES


@cache
def _patterns() -> tuple[tuple[str, Any], ...]:
    """The rules, with what each of them finds."""
    from importlib import import_module

    found = []
    for module, name in RULES.items():
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        found += [(str(detector.secret_type), pattern) for pattern in detector.denylist]
    return tuple(found)
