"""Characters that a reader does not see, or sees elsewhere than they stand (DESIGN 7.4; CVE-2021-42574).

Judged where a patch adds them; text that is plain ASCII costs one look.
"""

import re
from typing import Final

from uet_git.model.pattern import late

_BIDI: Final = late("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE: Final = late(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0100-\U000e01ef]"
    "|(?<=.)\ufeff"  # at the very beginning it is a byte order mark
    "|(?<=[\x21-\x7e])[\u200c-\u200f\u061c]"  # behind a letter of ASCII no script needs them
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]",  # flags of regions use them
    re.DOTALL,
)


def bidi(text: str) -> list[str]:
    """The characters in `text` that turn the direction of what follows, as `U+202E`, each once."""
    return _named(_BIDI.findall(text))


def invisible(text: str) -> list[str]:
    """The characters in `text` that show nothing and are not needed to write any script, each once."""
    return _named(_INVISIBLE.findall(text))


def _named(found: list[str]) -> list[str]:
    return [f"U+{ord(c):04X}" for c in dict.fromkeys(found)]
