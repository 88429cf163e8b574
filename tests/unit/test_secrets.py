"""Secrets are found by the rules of detect-secrets; the quick look never hides one; nothing of the value gets out."""

import re
import subprocess
import sys
import time
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from uet_git.host import secrets

AWS = b"AKIA" + b"Z7Q2LMXW3RT5YKBD"
GITHUB = b"ghp_" + b"1B4a9kD3jR8sT2vX7mQ0wLzYcE5uHn1pKf6G"
KNOWN = {
    "aws": (b'KEY = "%b"\n' % AWS, "AWS Access Key"),
    "aws secret": (b"aws_secret_key = '%b'\n" % (b"wJalrXUtnFEMIK7MDENGbPxRfiCYzK3yQwErTyU1"), "AWS Access Key"),
    "github": (b"token: %b\n" % GITHUB, "GitHub Token"),
    "rsa": (b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "Private Key"),
    "openssh": (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "Private Key"),
    "slack": (b"x = 'xoxb-%b'\n" % b"123456789012-abcdefghij", "Slack Token"),
    "stripe": (b"sk_live_%b\n" % b"4eC39HqLyjWDarjtT1zdp7dc", "Stripe Access Key"),
    "npm": (b"//registry.example.org/:_authToken=npm_abc\n", "NPM tokens"),
    "jwt": (b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln\n", "JSON Web Token"),
    "gitlab": (b"glpat-%b\n" % b"Ab3dEf6hIj9lMn2pQr5t", "GitLab Token"),
}  # fmt: skip
HARMLESS = [
    b"https://user:password@example.org/", b"password = 'hunter2'", b"sha1 = '%b'" % (b"0123456789abcdef" * 2),
    b"index 7b6e1b2..a94a8fe 100644", b"def test_client_closed_state_using_implicit_open():", b"127.0.0.1",
    b"integrity sha512-abcdefghijklmnopqrstuvwxyz/ABCDEFGHIJKLMNOPQRSTUVWXYZ+0123456789==", b"eyJ no dot",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), KNOWN.values(), ids=KNOWN)
def test_a_secret_is_found_where_it_stands(text: bytes, kind: str) -> None:
    for before in (b"", b"x = 1\n" * 5_000):
        hits, too_many = secrets.scan(before + text)
        assert [h.kind for h in hits][:1] == [kind]
        assert len(before) <= hits[0].offset < len(before + text)
        assert not too_many
        assert secrets.is_suspicious(before + text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_is_left(text: bytes) -> None:
    assert secrets.scan(text + b"\n") == ([], False)


ASCII = st.characters(codec="ascii", exclude_characters="\n\r")


_REAL_JWT = re.compile(
    r"eyJ[A-Za-z0-9_-]{17,60}=?\.[A-Za-z0-9_=-]+"
)  # the rule itself takes `eyJ0.0`


def _rules() -> list[Any]:
    found = []
    for module, name in secrets.RULES.items():
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        rules = [_REAL_JWT] if module == "jwt" else detector.denylist
        found += [pytest.param(p, id=f"{module}{n}") for n, p in enumerate(rules)]
    return found


@pytest.mark.parametrize("rule", _rules())
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(st.data())
def test_the_quick_look_lets_through_all_that_a_rule_matches(
    rule: re.Pattern[str], data: st.DataObject
) -> None:
    """Whatever a rule of the library matches is looked at; but for keys of small letters only, which there are none of."""
    found = data.draw(
        st.from_regex(
            re.compile(rule.pattern, rule.flags & ~re.IGNORECASE), fullmatch=True, alphabet=ASCII
        )
    )
    runs = re.findall(r"[\w/+-]{20,}", found)
    assume(not runs or any(re.search(r"[A-Z0-9]", run) for run in runs))
    assume(
        not re.search(r" {50}", found)
    )  # a rule may allow any number; a name so far off is not taken for one
    for around in ("%s", '"%s"', " %s ", "= %s\n"):
        assert secrets.is_suspicious((around % found).encode("latin-1")), found


@pytest.mark.parametrize("blanks", [0, 1, 59, 70])
@pytest.mark.parametrize("sign", ["{}= ", " ={}", "{} = {}", "'] {}=> {}"])
def test_a_name_far_before_its_secret_is_seen(blanks: int, sign: str) -> None:
    sign = sign.format(" " * blanks, " " * (blanks // 2))
    text = f'["ibm_api_key{sign}"' + "0aB-_" * 8 + '0000"'
    hits, _ = secrets.scan(text.encode())
    assert [hit.kind for hit in hits] == ["IBM Cloud IAM Key"]


def test_the_rules_are_those_of_the_library() -> None:
    """A new release must be looked at: every rule set of it is used, or left out on purpose."""
    import inspect
    import pkgutil

    import detect_secrets.plugins as plugins
    from detect_secrets.plugins.base import RegexBasedDetector

    there = set()
    for module in pkgutil.iter_modules(plugins.__path__):
        for name, found in inspect.getmembers(
            import_module(f"detect_secrets.plugins.{module.name}"), inspect.isclass
        ):
            if issubclass(found, RegexBasedDetector) and not inspect.isabstract(found):
                there.add(name)
    left_out = {
        "ArtifactoryDetector",
        "BasicAuthDetector",
        "CloudantDetector",
        "IPPublicDetector",
        "SoftlayerDetector",
    }
    assert there == {*secrets.RULES.values()} | left_out


@pytest.mark.parametrize("between", ["\n", "\n+", "'\n+key = '", " ", ", "])
def test_a_secret_hides_no_other_one(between: str) -> None:
    """However far from the first: on the next line, or further on in a line that is looked at in pieces."""
    one, two = "AKIAZ7Q2LMXW3RT5YKBD", "AKIAY8Q2LMXW3RT5YKBE"
    for far in (*range(3), *range(40, 80), *range(760, 830)):
        hits, _ = secrets.scan(f"-key = '{one}{' ' * far}{between}{two}'\n".encode())
        assert [h.value for h in hits] == [one, two], far


HOSTILE = {
    "a run": b"A" * 2_000_000,
    "jwt heads": b"eyJ" * 600_000,
    "jwt with dots": b"eyJA." * 400_000,
    "keys": b"key='" * 400_000,
    "slack": b"xoxb-1-" * 300_000,
    "private keys": b"BEGIN PRIVATE KEY\n" * 100_000,
    "long tokens": (b"a" * 43 + b"1 ") * 40_000,
    "assignments": b"token   =  '" * 100_000 + b"a1" * 30,
    "npm": b"//" + b"a" * 1_000_000 + b":_authToken=",
    "aws": b"aws key " * 200_000 + b"A1" * 30,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long(text: bytes) -> None:
    before = time.process_time()
    _, too_many = secrets.scan(text)
    assert time.process_time() - before < 2
    del too_many


def test_more_suspicious_places_than_are_looked_at_are_told() -> None:
    hits, too_many = secrets.scan(b"xoxb-nothing here\n" * (secrets.PLACES + 1))
    assert (hits, too_many) == ([], True)


def test_the_library_is_loaded_only_for_suspicious_text() -> None:
    script = (
        "import sys; from uet_git.host import secrets; assert secrets.scan(b'x = 1\\n' * 100) == ([], False);"
        "assert 'detect_secrets' not in sys.modules; assert secrets.scan(b'BEGIN RSA PRIVATE KEY')[0];"
        "assert 'detect_secrets' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
