"""Hostile patches, each with the outcome that the `standard` preset must give it, and why.

Where git 2.39 would take the bytes, the reason says why we do not.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from tests.e2e.crafted import (
    AWS,
    FILES,
    FULL,
    GOOD,
    KEY,
    ONE,
    TESTS,
    UET,
    ZERO,
    ZEROS_ID,
    add,
    binary,
    blob_id,
    bomb,
    change,
    delete,
    edit,
    far_hunks,
    gitlink,
    head,
    in_base64,
    invisible_many,
    link,
    mail,
    moved,
    nested,
    quadratic_hunks,
    series,
    varint,
)


class Row(NamedTuple):
    """One patch. `expected` is `state` or `state: reason`, one for each entry that it makes."""

    name: str
    patch: bytes | Callable[[], bytes]
    expected: str | tuple[str, ...]
    why: str


DOTGIT = "dropped: path.dotgit"
LEDGER = "dropped: path.ledger"
MODULES = "dropped: path.gitmodules"
PROTECTED = "quarantined: policy.protected_path"
ESCAPE = "dropped: mode.symlink_escape"
THROUGH = "dropped: path.through_symlink"
CONTROL = "dropped: path.control_char"
WINDOWS = "quarantined: path.windows_unsafe"
TRAVERSAL = "dropped: path.traversal"
SECRET = "quarantined: content.secret"
LONG = "dropped: path.too_long"
HEADER = "dropped: parse.header"
MAIL = "dropped: parse.mail"
BINARY = "dropped: parse.binary"
COMMITTED = "committed"


def dotgit(name: str, path: bytes, why: str) -> Row:
    return Row(name, add(path), DOTGIT, why)


# fmt: off
NAMES: Final = (
    dotgit("dotgit-case", b".GiT/hooks/post-checkout", "case-insensitive file systems"),
    dotgit("dotgit-hfs", b".g\xe2\x80\x8cit/config", "HFS+ does not see U+200C; git without protectHFS takes it"),
    dotgit("dotgit-hfs-end", b".git\xe2\x80\x8d/config", "HFS+ does not see U+200D"),
    dotgit("dotgit-hfs-bom", b"\xef\xbb\xbf.git/config", "HFS+ does not see U+FEFF"),
    dotgit("dotgit-wide", b"\xef\xbc\x8egit/config", "a full-width full stop is one in its compatible form"),
    dotgit("dotgit-stream", b".git::$INDEX_ALLOCATION/config", "NTFS: the folder's own stream"),
    dotgit("dotgit-stream-2", b".git:x", "NTFS: a stream of .git"),
    dotgit("dotgit-short-case", b"sub/GIT~1/config", "NTFS: the short name, in a folder"),
    dotgit("dotgit-short-2", b"GIT~2/config", "NTFS: the short name where another is taken"),
    dotgit("dotgit-dots", b".git. . ./config", "NTFS drops dots and blanks at the end"),
    dotgit("dotgit-backslash", b"x\\.git\\config", "Windows takes a backslash for a slash"),
    dotgit("dotgit-backslash-only", b".git\\hooks\\pre-commit", "the same, as one name"),
    dotgit("dotgit-gitfile", b"sub/.git", "a file that says where a repository is"),
    Row("dotgit-rename-from", moved(b"rename", b".git/config", b"config.txt"), DOTGIT, "would read the repository"),
    Row("dotgit-copy-from", moved(b"copy", b".git/config", b"config.txt"), DOTGIT, "would read the repository"),
    Row("dotgit-delete", delete(b".git/HEAD", b"ref: refs/heads/main\n"), DOTGIT, "would take it away"),
    Row("dotgit-rename-to", moved(b"rename", b"a.txt", b".git/hooks/pre-commit"), DOTGIT, "would install a hook"),
    Row("dotgit-mode-only", head(b".git/config", b".git/config") + b"old mode 100644\nnew mode 100755\n", DOTGIT, "no hunk at all"),
    Row("ledger-case", add(b".LEDGER/ledger.db"), LEDGER, "case-insensitive file systems"),
    Row("ledger-short", add(b"LEDGER~1/x"), LEDGER, "NTFS: the short name"),
    Row("ledger-link", link(b".ledger", b"dir"), LEDGER, "the ledger's own link replaced"),
    Row("ledger-hfs", add(b".led\xe2\x80\x8cger/x"), LEDGER, "HFS+ does not see U+200C"),
    Row("traversal-backslash", add(b"..\\..\\evil.txt"), TRAVERSAL, "Windows takes a backslash for a slash"),
    Row("traversal-mixed", add(b"dir\\../evil.txt"), TRAVERSAL, "both kinds of slash"),
    Row("traversal-middle", add(b"dir/../evil.txt"), TRAVERSAL, "stays inside, but is no path of a tree"),
    Row("traversal-end", add(b"dir/.."), TRAVERSAL, "names a folder"),
    Row("traversal-p1", b"--- /dev/null\n+++ x/../../evil\n@@ -0,0 +1 @@\n+x\n", TRAVERSAL, "behind any first folder"),
    Row("dot-part", add(b"dir/./evil.txt"), "dropped: path.empty", "no path of a tree; git refuses it"),
    Row("empty-part-end", add(b"dir/"), "dropped: path.empty", "a folder's name"),
    Row("absolute-quoted", b'--- /dev/null\n+++ "/etc/cron.d/x"\n@@ -0,0 +1 @@\n+x\n', "dropped: path.absolute", "git makes it relative"),
    Row("absolute-drive", add(b"C:\\Windows\\x.dll"), WINDOWS, "a plain name on this system, a drive on others"),
    Row("absolute-drive-slash", add(b"C:/Windows/x.dll"), WINDOWS, "the same with slashes"),
    Row("absolute-unc", add(b"\\\\server\\share\\x"), WINDOWS, "a share on another machine"),
    Row("device-nul", add(b"dir/NUL.txt"), WINDOWS, "a device in every folder"),
    Row("device-con", add(b"con"), WINDOWS, "a device"),
    Row("device-com-super", add(b"com\xc2\xb9"), WINDOWS, "Windows takes a superscript for a digit"),
    Row("device-blank", add(b"aux .c"), WINDOWS, "Windows drops the blank"),
    Row("name-trailing-dot", add(b"evil."), WINDOWS, "Windows drops the dot"),
    Row("name-trailing-blank", add(b"evil /x"), WINDOWS, "Windows drops the blank"),
    Row("name-stream", add(b"a.txt:evil"), WINDOWS, "NTFS: a stream of another file"),
    Row("control-newline", add(b"evil\nname"), CONTROL, "two lines in every list"),
    Row("control-tab", add(b"evil\tname"), CONTROL, "cut off by tools"),
    Row("control-nul", b'diff --git "a/x\\000y" "b/x\\000y"\nnew file mode 100644\n--- /dev/null\n+++ "b/x\\000y"\n@@ -0,0 +1 @@\n+x\n', "dropped: parse.path", "no system has such a name; git cuts it off"),
    Row("control-del", add(b"evil\x7fname"), CONTROL, "deletes on a terminal"),
    Row("control-c1", add(b"evil\xc2\x9b2Jname"), CONTROL, "an escape as one character"),
    Row("control-backspace", add(b"evil\x08\x08name"), CONTROL, "overwrites on a terminal"),
    Row("bidi-name", add(b"evil\xe2\x80\xaetxt.exe"), "quarantined: content.bidi", "shows another ending than it has"),
    Row("invisible-name", add(b"read\xe2\x80\x8bme.txt"), "quarantined: content.invisible", "looks like another name"),
    Row("line-separator-name", add(b"evil\xe2\x80\xa8name"), CONTROL, "ends a line for some readers"),
    Row("overlong-dotdot", add(b"\xc0\xae\xc0\xae/evil.txt"), "quarantined: path.encoding", "overlong UTF-8 for .. is no UTF-8"),
    Row("overlong-slash", add(b"..\xc0\xafevil.txt"), "quarantined: path.encoding", "overlong UTF-8 for a slash"),
    Row("surrogate-name", add(b"evil\xed\xa0\x80"), "quarantined: path.encoding", "a surrogate is no UTF-8"),
    Row("collision-form", add(b"caf\xc3\xa9.txt") + add(b"cafe\xcc\x81.txt"), "quarantined: path.casefold_collision", "one name in two normal forms"),
    Row("collision-folder", add(b"DIR/c.txt"), "quarantined: path.casefold_collision", "a folder in another case"),
    Row("collision-inside", add(b"new/X.txt") + add(b"new/x.txt"), "quarantined: path.casefold_collision", "both in one patch"),
    Row("collision-sharp", add(b"stra\xc3\x9fe") + add(b"strasse"), "quarantined: path.casefold_collision", "case folding changes the length"),
    Row("component-long", add(b"x" * 241), LONG, "most file systems hold 255 bytes, some tools fewer"),
    Row("path-long", add(b"/".join([b"x" * 99] * 11)), LONG, "more than a path may have here"),
    Row("path-deep", add(b"/".join([b"d"] * 66)), LONG, "deeper than tools walk"),
)

LINKS: Final = (
    Row("link-dotgit", link(b"evil", b".git/config"), ESCAPE, "a read of it shows the repository"),
    Row("link-dotgit-case", link(b"evil", b"dir/../.GIT/hooks"), ESCAPE, "in another case, behind a folder"),
    Row("link-dotgit-short", link(b"dir/evil", b"../git~1"), ESCAPE, "the short name"),
    Row("link-ledger", link(b"evil", b".ledger/ledger.db"), ESCAPE, "the ledger"),
    Row("link-up", link(b"dir/evil", b"../../outside/keep"), ESCAPE, "two up from one deep"),
    Row("link-through-link", link(b"evil", b"linkout/keep"), ESCAPE, "by a link of the base that leads out"),
    Row("link-through-folder", link(b"evil", b"link/../../outside"), ESCAPE, "up from where a link leads"),
    Row("link-windows", link(b"evil", b"C:\\Windows"), ESCAPE, "absolute elsewhere"),
    Row("link-backslash", link(b"evil", b"..\\outside"), ESCAPE, "Windows takes a backslash for a slash"),
    Row("link-empty", head(b"e", b"e") + b"new file mode 120000\nindex 0000000..e69de29\n", ESCAPE, "a link to nowhere cannot be made"),
    Row("link-newline", add(b"evil", b"../outside\n", b"120000"), ESCAPE, "a line feed does not hide where it leads"),
    Row("link-nul", link(b"evil", b"dir\0/../../.."), "dropped: content.nul", "systems read to the NUL"),
    Row("link-inside", link(b"fine", b"dir/b.txt"), "quarantined: mode.symlink", "stays inside: a person looks"),
    Row("link-self", link(b"evil", b"evil"), "quarantined: mode.symlink", "goes round in a circle, leads nowhere"),
    Row("link-edit", head(b"link", b"link") + b"index 1..2 120000\n--- a/link\n+++ b/link\n@@ -1 +1 @@\n-dir\n\\ No newline at end of file\n+../outside\n\\ No newline at end of file\n", ESCAPE, "a link of the base turned outward"),
    Row("link-type-change", delete(b"dir/b.txt", b"bee\n") + link(b"dir/b.txt", b"../../outside/keep"), ESCAPE, "a file becomes a link out"),
    Row("link-rename", moved(b"rename", b"linkout", b"linkout2"), ESCAPE, "a new place, and still out"),
    Row("link-chain", link(b"one", b"two/x") + link(b"two", b".."), ESCAPE, "the second one leads out"),
    Row("write-base-link", add(b"link/c.txt"), THROUGH, "the base has the link; git refuses it too"),
    Row("write-base-link-out", add(b"linkout/evil.txt"), THROUGH, "would write beside the repository"),
    Row("edit-through-link", edit(b"link/b.txt", b"bee\n", b"wasp\n"), THROUGH, "by another name"),
    Row("delete-through-link", delete(b"linkout/keep", b"keep\n"), THROUGH, "would delete beside the repository"),
    Row("rename-through-link", moved(b"rename", b"linkout/keep", b"kept"), THROUGH, "would take from beside the repository"),
    Row("copy-through-link", moved(b"copy", b"linkout/keep", b"kept"), THROUGH, "would read beside the repository"),
    Row("link-then-write", series(link(b"ln", b"dir"), add(b"ln/evil.txt")), ("quarantined: mode.symlink", "quarantined: queue.dependency_dropped"), "in two patches of one series"),
    Row("folder-to-link", delete(b"dir/b.txt", b"bee\n") + link(b"dir", b"outside") + add(b"dir/b.txt"), "dropped: parse.duplicate_path", "a folder becomes a link and is written"),
    Row("rename-to-link-then-write", moved(b"rename", b"link", b"ln") + add(b"ln/evil.txt"), THROUGH, "the moved link is the patch's own"),
    Row("gitlink-change", gitlink(b"lib"), "quarantined: mode.gitlink", "a submodule"),
    Row("gitlink-short", gitlink(b"lib", b"1" * 39), "dropped: parse.hunk_body", "its commit is not one"),
    Row("gitlink-sha256", gitlink(b"lib", b"1" * 64), "dropped: parse.hunk_body", "an id of another kind of repository"),
    Row("gitlink-then-file", gitlink(b"lib") + add(b"lib/x"), "quarantined: mode.gitlink", "a file below a submodule; it would not fit either"),
)

MODES: Final = (
    Row("mode-setuid", add(b"evil", b"x\n", b"104755"), "dropped: mode.unknown", "git overlooks the bit"),
    Row("mode-folder", add(b"evil", b"x\n", b"040000"), "dropped: mode.unknown", "a tree's mode"),
    Row("mode-group-write", add(b"evil", b"x\n", b"100664"), "dropped: mode.unknown", "old, and none that is written today"),
    Row("mode-device", add(b"evil", b"x\n", b"060644"), "dropped: mode.unknown", "a block device"),
    Row("mode-huge", add(b"evil", b"x\n", b"7" * 20), "dropped: mode.unknown", "overflows"),
    Row("mode-words", add(b"evil", b"x\n", b"rw-r--"), HEADER, "no number; a mode is never guessed"),
    Row("mode-change-setuid", head(b"a.txt", b"a.txt") + b"old mode 100644\nnew mode 104755\n", "dropped: mode.unknown", "on a file that is there"),
    Row("mode-to-link", head(b"a.txt", b"a.txt") + b"old mode 100644\nnew mode 120000\n", HEADER, "git makes a link of the content"),
    Row("mode-to-gitlink", head(b"a.txt", b"a.txt") + b"old mode 100644\nnew mode 160000\n", HEADER, "git makes a submodule"),
    Row("mode-exec", head(b"a.txt", b"a.txt") + b"old mode 100644\nnew mode 100755\n", COMMITTED, "a mode that git knows"),
)

PROTECTION: Final = (
    *(
        Row(f"protected-{name.replace('/', '-')}", add(name.encode()), PROTECTED, why)
        for name, why in (
            (".gitlab-ci.yml", "continuous integration"),
            (".circleci/config.yml", "continuous integration"),
            ("Jenkinsfile", "continuous integration"),
            ("ci/Jenkinsfile", "continuous integration, in a folder"),
            ("azure-pipelines.yml", "continuous integration"),
            (".travis.yml", "continuous integration"),
            (".drone.yml", "continuous integration"),
            (".buildkite/pipeline.yml", "continuous integration"),
            (".woodpecker.yaml", "continuous integration"),
            (".cirrus.yml", "continuous integration"),
            (".appveyor.yml", "continuous integration"),
            ("bitbucket-pipelines.yml", "continuous integration"),
            (".github/actions/x/action.yml", "what workflows run"),
            (".github/CODEOWNERS", "who must look"),
            ("docs/CODEOWNERS", "who must look"),
            (".husky/pre-commit", "a hook"),
            (".githooks/pre-commit", "a hook"),
            ("hooks/pre-commit", "a hook"),
            ("lefthook.yml", "hooks"),
            (".lefthook.yml", "hooks"),
            ("lefthook-local.yml", "hooks"),
            (".pre-commit-config.yaml", "hooks"),
            (".pre-commit-hooks.yaml", "hooks"),
            (".overcommit.yml", "hooks"),
            ("sub/.gitattributes", "hides diffs, selects filters"),
            (".lfsconfig", "sends files elsewhere"),
            (".mailmap", "changes who is shown"),
        )
    ),
    Row("protected-case", add(b".GitAttributes", b"* -diff\n"), PROTECTED, "git reads it on file systems without case"),
    Row("protected-workflow-case", add(b".github/Workflows/x.yml"), PROTECTED, "the same folder elsewhere"),
    Row("uet-toml", edit(b"uet.toml", UET, UET.replace(b"standard", b"open")), PROTECTED, "the judged picks its judge"),
    Row("uet-toml-delete", delete(b"uet.toml", UET), PROTECTED, "no rules at all"),
    Row("uet-toml-rename", moved(b"rename", b"uet.toml", b"old.toml"), PROTECTED, "the same by a rename"),
    Row("uet-toml-mode", head(b"uet.toml", b"uet.toml") + b"old mode 100644\nnew mode 100755\n", PROTECTED, "a change without lines"),
    Row("uet-toml-case", add(b"UET.TOML", b"version = 1\n"), PROTECTED, "the same file elsewhere"),
    Row("uet-toml-copy-away", moved(b"copy", b"uet.toml", b"notes.toml"), PROTECTED, "it reads a protected file: a person looks"),
    Row("workflow-rename", moved(b"rename", b".github/workflows/ci.yml", b"ci.yml"), PROTECTED, "takes it away"),
    Row("workflow-copy", moved(b"copy", b"a.txt", b".github/workflows/a.yml"), PROTECTED, "puts one there"),
    Row("workflow-prefix", b"--- x/.github/workflows/ci.yml\n+++ y/.github/workflows/ci.yml\n@@ -1 +1 @@\n-on: push\n+on: pull_request_target\n", PROTECTED, "git strips any first folder"),
    Row("gitmodules-update", edit(b".gitmodules", FILES[".gitmodules"], b'[submodule "lib"]\n\tpath = lib\n\tupdate = !sh evil\n'), MODULES, "runs a command"),
    Row("gitmodules-option", edit(b".gitmodules", FILES[".gitmodules"], b'[submodule "lib"]\n\tpath = lib\n\turl = -u./evil\n'), MODULES, "an option for git clone"),
    Row("gitmodules-name", edit(b".gitmodules", FILES[".gitmodules"], b'[submodule "../../x"]\n\tpath = lib\n\turl = https://e.com/x\n'), MODULES, "out of .git/modules"),
    Row("gitmodules-ext", edit(b".gitmodules", FILES[".gitmodules"], b'[submodule "x"]\n\tpath = lib\n\turl = ext::sh -c evil\n'), MODULES, "a transport that runs a command"),
    Row("gitmodules-path-cr", edit(b".gitmodules", FILES[".gitmodules"], b'[submodule "x"]\n\tpath = "lib\r"\n\turl = https://e.com/x\n'), MODULES, "CVE-2025-48384"),
    Row("gitmodules-line", change(b".gitmodules", b'@@ -1,3 +1,4 @@\n [submodule "lib"]\n \tpath = lib\n \turl = https://example.com/lib.git\n+\tupdate = !sh evil\n'), MODULES, "by one more line; only the result shows it"),
    Row("gitmodules-harmless", edit(b".gitmodules", FILES[".gitmodules"], b'[submodule "lib"]\n\tpath = lib\n\turl = https://example.org/lib.git\n'), PROTECTED, "another address: a person looks"),
    Row("gitmodules-link", delete(b".gitmodules", FILES[".gitmodules"]) + link(b".gitmodules", b"a.txt"), MODULES, "git does not follow it, older ones did"),
    Row("gitmodules-short", add(b"GITMOD~1", b'[submodule "x"]\n\tupdate = !sh\n'), MODULES, "NTFS: the short name"),
    Row("gitmodules-hfs", add(b".git\xe2\x80\x8cmodules", b'[submodule "x"]\n\tupdate = !sh\n'), MODULES, "HFS+ does not see U+200C"),
    Row("gitmodules-rename", add(b"x.txt", b"x\n") + moved(b"rename", b"a.txt", b".gitmodules "), WINDOWS, "NTFS drops the blank; what is in it does no harm"),
    Row("test-deleted", delete(b"tests/test_shop.py", TESTS), "quarantined: policy.judge_edited", "takes its judge away"),
    Row("test-emptied", edit(b"tests/test_shop.py", TESTS, b"\n"), "quarantined: policy.judge_edited", "the same"),
    Row("test-skipped", change(b"tests/test_shop.py", b"@@ -1,4 +1,6 @@\n from shop import total\n+import pytest\n \n \n+@pytest.mark.skip\n def test_total():\n"), "quarantined: policy.judge_edited", "the same"),
    Row("test-renamed-away", moved(b"rename", b"tests/test_shop.py", b"old/shop.txt"), "quarantined: policy.judge_edited", "no test any more"),
    Row("conftest", add(b"tests/conftest.py", b"collect_ignore = ['test_shop.py']\n"), "quarantined: policy.gate_input", "decides what is tested"),
    Row("pytest-ini", add(b"pytest.ini", b"[pytest]\naddopts = --co\n"), "quarantined: policy.gate_input", "decides what is tested"),
)

CONTENT: Final = (
    Row("secret-added", add(b"cfg.py", b'KEY = "%b"\n' % AWS), SECRET, "a key of a provider"),
    Row("secret-private-key", add(b"id_rsa", KEY), SECRET, "a private key"),
    Row("secret-copied", moved(b"copy", b"keys/deploy.pem", b"docs/example.txt"), SECRET, "no line of it is in the patch"),
    Row("secret-renamed", moved(b"rename", b"keys/deploy.pem", b"docs/example.txt"), SECRET, "no line of it is in the patch"),
    Row("secret-deleted", delete(b"keys/deploy.pem", KEY), COMMITTED, "what goes is no new secret"),
    Row("secret-in-binary", binary(b"cfg.bin", b"literal", len(KEY), KEY, (ZERO, blob_id(KEY))), SECRET, "looked at as the file that it makes"),
    Row("secret-crlf", add(b"cfg.py", b'KEY = "%b"\r\n' % AWS), SECRET, "CR changes nothing"),
    Row("bidi", add(b"x.py", b"a = 1 # \xe2\x80\xae evil\n"), "quarantined: content.bidi", "CVE-2021-42574"),
    Row("bidi-isolate", add(b"x.py", b"a = 1 # \xe2\x81\xa6 evil\n"), "quarantined: content.bidi", "the newer characters"),
    Row("invisible", add(b"x.py", b"us\xe2\x80\x8ber = 1\n"), "quarantined: content.invisible", "two names that look alike"),
    Row("invisible-tags", add(b"x.md", b"hello \xf3\xa0\x81\xa9\xf3\xa0\x81\xa7\n"), "quarantined: content.invisible", "text that only machines read"),
    Row("escape-content", add(b"x.txt", b"\x1b]0;evil\x07\x1b[2J\n"), COMMITTED, "a file may hold it; nothing shows it raw"),
    Row("latin1-content", add(b"x.txt", b"caf\xe9\n"), COMMITTED, "bytes are bytes"),
    Row("utf16-content", add(b"x.txt", "hi\n".encode("utf-16")), "dropped: content.nul", "NUL in a text hunk"),
    Row("cr-only-line", add(b"x.txt", b"one\rtwo\n"), COMMITTED, "a CR inside a line is content"),
    Row("crlf-context", change(b"crlf.txt", b"@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"), "quarantined: parse.repairable", "LF against CRLF: a person is shown the reading"),
)

BOUNDS: Final = (
    Row("patch-large", lambda: add(b"x", b"x" * 70 + b"\n") + b"+" + b"x" * (5 * 1024 * 1024), "dropped: size.patch", "over 5 MB"),
    Row("line-long", lambda: add(b"x", b"x" * (1024 * 1024 + 1) + b"\n"), "dropped: size.line", "over 1 MB"),
    Row("many-files", lambda: b"".join(add(b"f/%d" % i) for i in range(2_001)), "dropped: size.files", "over 2,000"),
    Row("files-at-limit", lambda: b"".join(add(b"f/%d" % i) for i in range(2_000)), COMMITTED, "2,000 are allowed"),
    Row("many-hunks", lambda: change(b"same.txt", b"".join(b"@@ -%d +%d @@\n-same\n+new\n" % (i, i) for i in range(1, 5_002))), "dropped: size.hunks", "over 5,000"),
    Row("quadratic", quadratic_hunks, "apply_failed: apply.conflict", "each hunk almost fits everywhere"),
    Row("far", far_hunks, "dropped: size.work", "each hunk stands before the one above it: all is searched through"),
    Row("hunks-many", lambda: change(b"same.txt", b"".join(b"@@ -%d,3 +%d,3 @@\n same\n-same\n+new\n same\n" % (1 + i * 30, 1 + i * 30) for i in range(4_900))), COMMITTED, "each stands where it says"),
    Row("copies-many", lambda: b"".join(moved(b"copy", b"same.txt", b"c/%d" % i) for i in range(1_900)) + add(b".gitattributes"), PROTECTED, "1 MB each: looked at once"),
    Row("invisible-many", invisible_many, "quarantined: content.invisible", "many kinds of character, each asked about"),
    Row("toml-deep", lambda: add(b"pyproject.toml", b"a" + b".a" * 100_000 + b" = 1\n"), "quarantined: policy.gate_input", "a key of 100,000 parts takes a parser minutes"),
    Row("toml-long", lambda: add(b"pyproject.toml", b"".join(b"k%d = %d\n" % (i, i) for i in range(200_000))), "quarantined: policy.gate_input", "too long to be taken apart"),
    Row("gitmodules-long", lambda: edit(b".gitmodules", FILES[".gitmodules"], b'[submodule "lib"]\n\tpath = lib\n\turl = https://e.com/' + b"x" * 900_000 + b"\n"), MODULES, "no such file is so long"),
    Row("toml-number", lambda: add(b"pyproject.toml", b"a = " + b"1" * 5_000 + b"\n"), "quarantined: policy.gate_input", "a number that Python does not read"),
    Row("make-targets", lambda: add(b"Makefile", b"a " * 100_000 + b":\n\ttrue\n"), COMMITTED, "one rule for 100,000 names"),
    Row("deep-damaged", lambda: add(b"d/" * 1_400 + b"x").replace(b"+1,1 @@", b"+1,3 @@"), "dropped: parse.truncated", "read with leniency, its path is as deep"),
    Row("deep-with-link", lambda: link(b"l", b"dir") + add(b"d/" * 80_000 + b"x"), LONG, "each of its folders may be the link"),
    Row("json-deep", lambda: add(b"package.json", b"[" * 500_000 + b"\n"), "quarantined: policy.gate_input", "deeper than a parser goes"),
    Row("blank-lines", lambda: GOOD + b"\n" * 4_000_000, COMMITTED, "text behind the diff"),
    Row("headers-only", lambda: b"diff --git a/x b/x\n" * 200_000, HEADER, "each says nothing"),
    Row("bomb-literal", lambda: binary(b"bomb", b"literal", 65 << 20, bytes(65 << 20), (ZERO, FULL)), "dropped: size.inflated", "65 MB declared"),
    Row("bomb-lie", lambda: binary(b"bomb", b"literal", 10, bytes(8 << 20), (ZERO, FULL)), BINARY, "inflates to more than it says"),
    Row("bomb-delta", lambda: bomb(1_000_000), "dropped: size.inflated", "1 MB of copies makes 64 GB"),
    Row("bomb-delta-small", lambda: bomb(900), "apply_failed: apply.postimage", "allowed, but not the id that it names"),
    Row("bombs-many", lambda: b"".join(binary(b"b%d" % i, b"literal", 1 << 20, bytes(1 << 20), (ZERO, FULL)) for i in range(80)), "dropped: size.inflated", "each is small, together they are not"),
    Row("delta-sizes", binary(b"zeros.bin", b"delta", 20, b"\xff" * 20, (ZEROS_ID, FULL), new=False), BINARY, "a size without an end"),
    Row("delta-out", binary(b"zeros.bin", b"delta", 9, varint(65536) + varint(5) + b"\x97\xff\xff\xff\x05"[:5], (ZEROS_ID, FULL), new=False), "apply_failed: apply.preimage", "copies from behind the end: damaged, or for another file"),
    Row("hunk-overflow", change(b"a.txt", b"@@ -4294967297,1 +1,1 @@\n-line1\n+x\n"), "dropped: parse.hunk_header", "2^32 + 1 is 1 to some"),
    Row("hunk-overflow-count", change(b"a.txt", b"@@ -1,18446744073709551615 +1 @@\n-line1\n+x\n"), "dropped: parse.hunk_header", "2^64 - 1 lines"),
    Row("hunk-far", change(b"a.txt", b"@@ -2000000000,3 +2000000000,3 @@\n line1\n-line2\n+x\n line3\n"), COMMITTED, "git searches from there, and finds the only place"),
    Row("hunk-negative", change(b"a.txt", b"@@ --1,1 +1,1 @@\n-line1\n+x\n"), "quarantined: parse.repairable", "no number, but the lines have one place"),
    Row("hunk-out-of-order", change(b"a.txt", b"@@ -8 +8 @@\n-line8\n+x\n@@ -2 +2 @@\n-line2\n+x\n"), "apply_failed", "git searches forward only"),
    Row("hunk-overlap", change(b"a.txt", b"@@ -1,3 +1,3 @@\n line1\n-line2\n+x\n line3\n@@ -2,3 +2,3 @@\n line2\n-line3\n+y\n line4\n"), "apply_failed", "the second needs what the first took"),
)

MAILS: Final = (
    Row("mail-two-from", mail(b"x", b"---\n\n" + GOOD, b"From: Evil <e@example.com>"), COMMITTED, "the last one counts, as for git"),
    Row("mail-escape-subject", mail(b"=?UTF-8?q?=1B[2J=1B]0;evil=07?=", b"---\n\n" + GOOD), COMMITTED, "kept, never shown raw"),
    Row("mail-newline-subject", mail(b"=?UTF-8?q?one=0ATree:_evil=0AParent:_evil?=", b"---\n\n" + GOOD), COMMITTED, "line feeds become blanks"),
    Row("mail-newline-author", mail(b"x", b"---\n\n" + GOOD, author=b"=?UTF-8?q?Pat=0Acommitter_Evil?= <p@example.com>"), COMMITTED, "no header of the commit"),
    Row("mail-nul-subject", mail(b"=?UTF-8?q?a=00b?=", b"---\n\n" + GOOD), MAIL, "git cuts the message off there"),
    Row("mail-headers", lambda: mail(b"x", b"---\n\n" + GOOD, *[b"X-%d: y" % i for i in range(10_000)]), MAIL, "more headers than are looked at"),
    Row("mail-header-long", lambda: mail(b"x" * 100_000, b"---\n\n" + GOOD), MAIL, "one header of 100 KB"),
    Row("mail-encoded-word-open", mail(b"=?UTF-8?q?never", b"---\n\n" + GOOD), MAIL, "a word without an end"),
    Row("mail-charset", mail(b"=?no-such?q?x?=", b"---\n\n" + GOOD), "dropped: parse.charset", "a character set that nobody knows"),
    Row("mail-nobody", mail(b"x", b"---\n\n" + GOOD, author=b"<>"), "dropped: parse.mail_author", "names nobody"),
    Row("mail-date", mail(b"x", b"---\n\n" + GOOD, b"Date: never"), "dropped: parse.mail_date", "no date"),
    Row("mail-nested", lambda: nested(3), COMMITTED, "few enough"),
    Row("mail-nested-deep", lambda: nested(200), MAIL, "a bomb of parts"),
    Row("mail-no-end", b"From: Pat Ch <pat@example.com>\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\nhi\n---\n" + GOOD, MAIL, "no part at all"),
    Row("mail-base64", in_base64(GOOD), COMMITTED, "the patch in base64"),
    Row("mail-base64-evil", in_base64(add(b".git/hooks/pre-commit")), DOTGIT, "judged as what it is"),
    Row("mail-base64-damaged", in_base64(GOOD).replace(b"\n\n", b"\n\n!", 1), MAIL, "not base64"),
    Row("mail-trailers", mail(b"x", b"Uet-Patch: 01ARZ3NDEKTSV4RRFFQ69G5FAV\nSigned-off-by: Linus <l@example.com>\n---\n\n" + GOOD), COMMITTED, "claims stay claims"),
    Row("mail-scissors", mail(b"x", b"---\n\n" + GOOD + b"-- >8 --\n" + add(b"y")), "dropped: parse.hunk_body", "the line reads as a removed one behind the hunk; git passes over it"),
    Row("mail-signature-diff", mail(b"x", b"---\n\n" + GOOD + b"-- \n2.39.5\n\n" + add(b"smuggled.txt")), "dropped: parse.garbage_between", "a second diff behind the signature"),
    Row("mail-folded-diff", mail(b"x\n diff --git a/a.txt b/a.txt", b"---\n\n" + GOOD), COMMITTED, "a header is no diff"),
)

SHAPES: Final = (
    Row("empty", b"", "dropped: parse.empty", "nothing"),
    Row("only-nul", b"\0" * 100, "dropped: parse.empty", "no patch"),
    Row("header-only", head(b"a.txt", b"a.txt"), HEADER, "no change follows"),
    Row("no-line-end", GOOD.removesuffix(b"\n"), "quarantined: parse.repairable", "the last line is cut off, or its end was lost"),
    Row("names-differ", b"diff --git a/a.txt b/a.txt\n--- a/README.md\n+++ b/a.txt\n" + ONE, HEADER, "two names"),
    Row("names-differ-git-line", b"diff --git a/harmless b/harmless\n--- a/uet.toml\n+++ b/uet.toml\n@@ -1 +1 @@\n-version = 1\n+version = 2\n", HEADER, "git goes by one, a reader by the other"),
    Row("two-headers", head(b"a.txt", b"a.txt") + b"--- a/a.txt\n+++ b/a.txt\n--- a/uet.toml\n+++ b/uet.toml\n" + ONE, HEADER, "which one?"),
    Row("rename-and-copy", head(b"a.txt", b"x") + b"rename from a.txt\nrename to x\ncopy from a.txt\ncopy to x\n", HEADER, "contradicts itself"),
    Row("rename-to-alone", head(b"a.txt", b"x") + b"rename to x\ncopy from a.txt\ncopy to x\n", HEADER, "half of a rename; git refuses it"),
    Row("rename-itself", head(b"a.txt", b"a.txt") + b"rename from a.txt\nrename to a.txt\n", HEADER, "no change"),
    Row("rename-twice", moved(b"rename", b"a.txt", b"x") + moved(b"rename", b"a.txt", b"y"), "dropped: parse.duplicate_path", "one file, two new names"),
    Row("same-path-twice", GOOD + GOOD, "dropped: parse.duplicate_path", "git applies both"),
    Row("new-and-deleted", head(b"x", b"x") + b"new file mode 100644\ndeleted file mode 100644\n", HEADER, "both"),
    Row("index-short", head(b"x", b"x") + b"new file mode 100644\nindex 0..1\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n", COMMITTED, "ids that are none say nothing, as for git"),
    Row("index-wrong", head(b"a.txt", b"a.txt") + b"index %b..%b 100644\n--- a/a.txt\n+++ b/a.txt\n" % (FULL, b"2" * 40) + ONE, COMMITTED, "git does not ask for the ids of text"),
    Row("index-sha256", binary(b"x", b"literal", 1, b"x", (b"0" * 64, b"1" * 64)), HEADER, "ids of another kind of repository"),
    Row("binary-short-ids", binary(b"x", b"literal", 1, b"x", (b"0000000", b"1111111")), HEADER, "a binary change needs full ids"),
    Row("binary-wrong-post", binary(b"x", b"literal", 1, b"x", (ZERO, FULL)), "apply_failed: apply.postimage", "the result is not what it names"),
    Row("binary-wrong-pre", binary(b"zeros.bin", b"literal", 1, b"x", (FULL, b"2" * 40), new=False), "apply_failed: apply.preimage", "made from another file"),
    Row("binary-no-new-line", binary(b"x", b"literal", 1, b"x", (ZERO, FULL)).replace(b"new file mode 100644\n", b""), HEADER, "its ids say new, its header does not"),
    Row("ed-script", b"1d\n.\n", "dropped: parse.empty", "no unified diff"),
    Row("context-diff", b"*** a.txt\n--- a.txt\n***************\n*** 1,2 ****\n! line1\n--- 1,2 ----\n! x\n", "dropped: parse.git", "no unified diff"),
    Row("hunk-without-header", ONE, HEADER, "no file"),
    Row("dev-null-both", b"--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+x\n", HEADER, "no file"),
    Row("delete-leaves", delete(b"a.txt", b"line1\n"), "apply_failed", "more is in it"),
    Row("file-and-folder", add(b"x") + add(b"x/y"), "apply_failed", "git would make a tree that cannot be"),
    Row("fence-evil", b"Sure!\n```diff\n" + add(b".git/config") + b"```\n", DOTGIT, "prose around it changes nothing"),
    Row("crlf-patch", GOOD.replace(b"\n", b"\r\n"), "quarantined: parse.repairable", "the whole patch got CRLF on its way"),
)

ROWS: Final[tuple[Row, ...]] = (*NAMES, *LINKS, *MODES, *PROTECTION, *CONTENT, *BOUNDS, *MAILS, *SHAPES)
