"""How the readers of a patch give up: carried out of nested readers, turned into a value by `patchfile.read`."""

from uet_git.model.records import Finding


class Refused(Exception):  # noqa: N818
    """The patch cannot be read. `at` is a byte offset into the submitted bytes, from which the line is counted."""

    def __init__(self, code: str, detail: str, at: int, path: bytes | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.at = at
        self.path = path
        self.line = 0

    def finding(self, data: bytes, first_line: int = 1) -> Finding:
        """Returns the finding, with its line, where `first_line` is the number of the first of `data`."""
        line = self.line or data.count(b"\n", 0, self.at) + first_line
        return Finding(self.code, self.detail, self.path, line)
