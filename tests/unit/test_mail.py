"""Rule: every mail is read into exactly its author, date, message and diff, or refused with a reason; nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mails import CASES, DIFF, TAIL, Case, mail
from uet_git.model import mail as mails
from uet_git.model.reasons import REASONS


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_an_odd_mail_is_read_as_expected(case: Case) -> None:
    (piece,) = mails.split(case.mail)
    found = mails.read(piece)
    if case.refused:
        assert found.refused is not None
        assert found.refused.code == case.refused
        assert found.refused.code in REASONS
        return
    assert found.refused is None
    assert found.author == (case.name, case.email)
    assert found.date == case.date
    assert found.message == case.message
    if case.diff is not None:
        assert found.diff == case.diff
    else:
        assert b"@@ -0,0 +1 @@\n+foo\n" in found.diff
