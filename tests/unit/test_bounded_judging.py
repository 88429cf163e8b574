"""What rules look at in one patch is bounded, however many files it is spread over; what is beyond it is told."""

import time

import pytest

from tests.builders import diff
from uet_git.host import secrets
from uet_git.model import added, patchfile
from uet_git.model.gate_inputs import judge_gate_inputs
from uet_git.model.policy_rules import Subject
from uet_git.model.records import Finding, Gate, TreeChange
from uet_git.model.settings import Limits
from uet_git.queue.judge import _secrets

FILES = 1900
JWT = b"eyJhbGciOiJIUzI1NiIs%04dInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6Ikpva.SflKxwRJSMeKKF2QT4\n"
TEXTS = {
    "tokens": (b"".join(JWT % i for i in range(15)), True),
    "decoys": (b"".join(b"'%020dabcABCabcABCabcABC+' AKIAXekW9L\n" % i for i in range(30)), True),
    "runs": (b"".join(b"key=key= a%019d key=  \n" % i for i in range(60)), True),
    "names": (b"a_name_of_small_letters(another_name_of_small_letters)\n" * 45, False),
    "few hashes": (b"sha256:%064d\n" % 1 * 5 + b"x = 1\n" * 300, False),
}


@pytest.mark.parametrize(("text", "told"), TEXTS.values(), ids=TEXTS)
def test_secrets_in_many_files(text: bytes, told: bool) -> None:
    raw = b"".join(diff(f"s/{i}.py", None, text) for i in range(FILES))
    patch = patchfile.read(raw, Limits())
    subject = Subject(patch, texts=tuple(added.texts(patch, None, None)))
    before = time.process_time()
    found = list(_secrets(subject))
    assert time.process_time() - before < 2
    assert [f.detail for f in found if f.line == 0] == (
        ["too many places to look at them all"] if told else []
    )


def test_places_of_all_texts_count_together() -> None:
    effort = secrets.Effort()
    text = b"xoxb-nothing here\n" * (secrets.PLACES - 1)
    told = [secrets.scan(text, effort)[1] for _ in range(8)]
    assert told[:6] == [False] * 6
    assert told[-1]


def judged(count: int, text: bytes, name: str = "pyproject.toml") -> list[Finding]:
    changes = [
        TreeChange(b"x%d/%s" % (i, name.encode()), 0, "", 0o100644, "1" * 40) for i in range(count)
    ]
    paths = [c.path for c in changes]
    return judge_gate_inputs(paths, (Gate("a", ("b",)),), changes, lambda _: text)


@pytest.mark.parametrize("name", ["pyproject.toml", "package.json", "setup.cfg"])
def test_configuration_in_many_files(name: str) -> None:
    text = b"[tool.zzz]\n" + b"k = [1,2,3]\n" * 180
    text = text if name == "setup.cfg" else b"{%s}" % (b'"k": [1,2,3],\n' * 160 + b'"a": 1')
    if name == "pyproject.toml":
        text = b"[tool.zzz]\n" + b"".join(b"k%d = [1,2,3]\n" % i for i in range(140))
    before = time.process_time()
    found = judged(FILES, text, name)
    assert time.process_time() - before < 1
    assert [f.detail for f in found] == ["more changes in files of this kind than is looked at"]
    assert judged(50, text, name) == []
