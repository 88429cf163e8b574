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

from functools import cache
from typing import Any, Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

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
PATCH_PLACES: Final = 2_000
PATCH_RUNS: Final = 20_000
"""So many suspicious places, and runs of letters among which they are, are looked at in all texts of one patch."""
_WORDS: Final = (
    *(b"PRIVATE KEY", b"PuTTY-User-Key-File", b":_authToken=", b"hooks.slack.com/services/"),
    b"xox",
)
"""What rules begin with whose match may be short."""
_TOKEN: Final = late(
    rb"AccountKey=|GR1348941|gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|T3BlbkFJ|pypi-AgE|SG\.[\w-]{22}"
    rb"|sq0csp-|k_live_|gh[pousr]_|A(?:3T|KIA|SIA|BIA|CCA)[0-9A-Z]"
    rb"|AC[a-z0-9]{32}|SK[a-z0-9]{32}|[0-9a-z]{32}-us|\d{8}:[\w-]{35}|\.[\w-]{6}\.[\w-]{27}"
    rb"|(?i:key|pwd|pw|pass|password|token)[^\w-]{0,120}+[\w-]{44}"
    rb"|[\"'][0-9a-zA-Z/+]{40}[\"']"
)
"""What stands in or near a long run of letters where one of the other rules matches."""
_RUN: Final = b"x" * 20
_DIGIT: Final = late(rb"[0-9]")
_MASK: Final = bytes(
    120 if (chr(i).isalnum() and i < 128) or i in b"_-/+" else 32 for i in range(256)
)
_NEAR, _AFTER_RUN = 160, 60
_DEAR: Final = 16
"""The rules go over what is between a name and its secret again and again: so many signs count as one more place."""
_BEFORE, _AFTER = 200, 800
_LONGEST = 300
"""Where a piece ends inside of a line, so many bytes at its end are looked at again."""


class Hit(NamedTuple):
    """One secret: what kind of one, where it begins in the text, and its value, which nobody may print.

    The value is the whole secret, but for a private key, of which it is only the headline.
    """

    kind: str
    offset: int
    value: str

    @property
    def is_whole(self) -> bool:
        """Whether the value says which secret it is."""
        return self.kind != "Private Key"


class Effort:
    """How much is still looked at in the texts of one patch."""

    __slots__ = ("places", "runs")

    def __init__(self) -> None:
        self.places = PATCH_PLACES
        self.runs = PATCH_RUNS

    @property
    def is_spent(self) -> bool:
        """Whether there was more to look at."""
        return self.places < 0 or self.runs < 0


def scan(text: bytes, effort: Effort | None = None) -> tuple[list[Hit], bool]:
    """What looks like a secret in `text`, and whether there was more suspicious text than is looked at.

    `effort` is one object for all texts of a patch.
    """
    effort = effort or Effort()
    places = _places(text, effort)
    most = min(PLACES, effort.places)
    effort.places -= min(len(places), PLACES)
    too_many = len(places) > PLACES or effort.is_spent
    if not places:
        return [], too_many
    hits: dict[tuple[str, int], Hit] = {}
    end, ended = -1, True
    for at in sorted(places)[: max(0, most)]:
        if at < end - (0 if ended else _LONGEST):
            continue
        start = max(text.rfind(b"\n", 0, at) + 1, at - _BEFORE)
        stop = text.find(b"\n", at)
        stop = len(text) if stop < 0 else stop
        end = min(stop, at + _AFTER)
        ended = end == stop
        piece = text[start:end].decode("latin-1")
        for kind, pattern in _patterns():
            for found in pattern.finditer(piece):
                hit = Hit(kind, start + found.start(), found[0])
                hits.setdefault((kind, hit.offset), hit)
    return sorted(hits.values(), key=lambda h: h.offset), too_many


def is_suspicious(text: bytes) -> bool:
    """Whether `scan` would look closer at anything in `text`, or at any part of it."""
    effort = Effort()
    return bool(_places(text, effort)) or effort.is_spent


def _places(text: bytes, effort: Effort) -> list[int]:
    """Where a rule could match. No key is made of small letters only: such runs are names."""
    places: list[int] = []
    for word in _WORDS:
        at = text.find(word)
        while at >= 0 and len(places) <= PLACES:
            places.append(at)
            at = text.find(word, at + 1)
    mask = text.translate(_MASK)
    at = mask.find(_RUN)
    while at >= 0 and len(places) <= PLACES and not effort.is_spent:
        end = mask.find(b" ", at)
        end = len(text) if end < 0 else end
        if not text[at:end].islower() or _DIGIT.search(text, at, end):
            effort.runs -= 1
            found = _TOKEN.search(text, max(0, at - _NEAR), end + _AFTER_RUN)
            if found:
                places.append(found.start())
                effort.places -= (max(0, at - found.start()) // _DEAR) ** 2
                if text.find(b"\n", found.start(), at) >= 0:
                    places.append(at)  # what was found is another one, on a line before
            if text[end : end + 1] in (b".", b"=") and (jwt := text.find(b"eyJ", at, end)) >= 0:
                places.append(max(jwt, end - _AFTER // 2))
        at = mask.find(_RUN, end)
    return places


@cache
def _patterns() -> tuple[tuple[str, Any], ...]:
    """The rules, with what each of them finds."""
    from importlib import import_module

    found = []
    for module, name in RULES.items():
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        found += [(str(detector.secret_type), pattern) for pattern in detector.denylist]
    return tuple(found)
