"""A short name for a file, made of a title that anybody may have written."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 40
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def slug(title: str) -> str:
    """`fix-the-parser`: only a-z, 0-9 and single hyphens, at most LONGEST characters; `patch` where nothing is left."""
    plain = unicodedata.normalize("NFKD", title[: 4 * LONGEST]).lower().encode("ascii", "ignore")
    words = _OTHER.sub("-", plain.decode("ascii")).strip("-")
    return words[:LONGEST].rstrip("-") or "patch"
