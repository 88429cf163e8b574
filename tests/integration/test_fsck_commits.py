"""fsck compares the ledger with the commits and refs: what the user rewrote is information, what contradicts is damage."""

from pathlib import Path

import pytest

from tests import damage
from tests.builders import commit_files, git
from tests.damage import MAIN, Templates, change, codes, edit, hand_in, land, problems
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Ledger
from uet_git.model.entry import Entry
from uet_git.model.records import Composed, Oid
from uet_git.model.settings import Limits
from uet_git.plumbing.trees import Composer
from uet_git.project import Project
from uet_git.queue.fsck_commits import Commits, Landings, Place
from uet_git.queue.land import Lander
from uet_git.queue.problem import Problems

CLEAN: tuple[set[str], set[str]] = (set(), set())


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("fsck-commits"))


@pytest.fixture
def repo(tmp_path: Path, templates: Templates) -> Path:
    return templates.copy(tmp_path / "repo")


def entry(repo: Path, number: int) -> Entry:
    with Project.open(str(repo)) as project:
        found = project.ledger.entries.revision(number)
        assert found is not None
        return found


def recommit(
    repo: Path, commit: str, *, parent: str = "HEAD", message: bytes | None = None, tree: str = ""
) -> str:
    """Puts a commit like another one onto `parent` and the branch."""
    said = git(repo, "log", "-1", "--format=%B", commit) if message is None else message
    tree = tree or git(repo, "rev-parse", f"{commit}^{{tree}}").decode().strip()
    made = git(repo, "commit-tree", tree, "-p", parent, "-F", "-", stdin=said).decode().strip()
    git(repo, "reset", "-q", "--hard", made)
    return made


# -- one entry and its commit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "UPDATE entries SET message = 'Other\n' WHERE number = 1",
            "its message is not the entry's",
        ),
        ("UPDATE entries SET author_name = 'Eve' WHERE number = 1", "its author or date"),
        ("UPDATE entries SET author_date = '1 +0000' WHERE number = 1", "its author or date"),
        ("UPDATE entries SET sign_off = 0 WHERE sign_off = 1", "its message is not the entry's"),
    ],
)
def test_a_commit_that_is_not_as_recorded(repo: Path, sql: str, said: str) -> None:
    edit(repo, sql)
    assert codes(repo, full=False) == ({"commit_differs"}, set())
    assert said in problems(repo)[0].message


@pytest.mark.parametrize("what", ["parent", "tree", "twice", "none", "shared", "patch"])
def test_what_the_chain_would_have_to_hide(repo: Path, what: str) -> None:
    """Cases that edited rows cannot make alone: the check of one entry is asked directly."""
    with Project.open(str(repo)) as project:
        ledger: Ledger = project.ledger
        first, second = (ledger.entries.revision(n) for n in (1, 2))
        assert first is not None
        assert second is not None
        assert first.commit_id is not None
        assert second.commit_id is not None
        place = Place("x", first.commit_id, second.commit_id, MAIN)
        landings = Landings({second.entry_id: [place]})
        found = Problems()
        commits = Commits(project, ledger, found, landings, full=True)
        patch = ledger.entries.patch(second.patch_id)
        commits.check(second, patch)
        assert found.found() == []
        if what == "parent":
            landings.done[second.entry_id] = [place._replace(parent=second.commit_id)]
        elif what == "tree":
            second = second._replace(tree=first.tree)
        elif what == "twice":
            landings.done[second.entry_id] = [place, place]
        elif what == "none":
            landings.done[second.entry_id] = []
        elif what == "shared":
            commits.owners[second.commit_id] = "99"
        else:
            patch = ledger.entries.patch(first.patch_id)
        commits.check(second, patch)
        (problem,) = found.found()
    expected = {
        **{"parent": "commit_differs", "tree": "commit_differs", "twice": "landed_twice"},
        **{"shared": "landed_twice", "none": "landing_missing", "patch": "patch_differs"},
    }
    assert problem.code == expected[what]


def test_a_composer_that_puts_more_into_the_tree(
    tmp_path: Path, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours that its own proof did not see is seen afterwards, in full mode."""
    repo = templates.copy(tmp_path / "repo", bare=True)
    compose = Composer.compose

    def careless(self: Composer, base: Oid, patch: object, **how: bool) -> object:
        made = compose(self, base, patch, **how)  # type: ignore[arg-type]
        if not isinstance(made, Composed):
            return made
        extra = b"100644 zzz\0" + bytes.fromhex(self.objects.put("blob", b"surprise\n"))
        tree = self.objects.put("tree", self.objects.get(made.tree)[1] + extra)
        return Composed(tree, made.changes, made.placements, made.proved, made.rung)

    with monkeypatch.context() as patched, Project.open(str(repo)) as project:
        patched.setattr(Composer, "compose", careless)
        patched.setattr("uet_git.plumbing.landed._Comparison.run", lambda *_: None)
        hand_in(project, damage.added("aaa.txt"))
        assert land(project).landed
    assert codes(repo, full=False) == CLEAN
    assert "patch_differs" in codes(repo)[0]


def test_commits_without_trailers_are_expected_where_the_rules_say_so(
    tmp_path: Path, repo: Path
) -> None:
    commit_files(repo, {"uet.toml": b"version = 1\n[commit]\ntrailer = false\n"}, "no trailers")
    with Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"))
        assert land(project).landed
    assert b"Uet-Patch" not in git(repo, "log", "-1", "--format=%B")
    assert codes(repo) == CLEAN


# -- what a user may do ----------------------------------------------------------------------------------------------


def test_rewritten_commits_are_information(repo: Path) -> None:
    """As `git pull --rebase` does: the same changes on another parent, their trailers kept."""
    git(repo, "checkout", "-q", "-b", "upstream", "main~4")
    commit_files(repo, {"theirs.txt": b"x\n"}, "theirs")
    git(repo, "checkout", "-q", "main")
    git(repo, "rebase", "-q", "upstream")
    assert codes(repo) == (set(), {"commit_rewritten"})
    assert len(problems(repo)) == 4


def test_commits_that_were_reset_away(repo: Path) -> None:
    git(repo, "reset", "-q", "--hard", "HEAD~1")
    assert codes(repo) == (set(), {"commit_not_on_branch"})
    git(repo, "update-ref", "-d", "ORIG_HEAD")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")
    assert codes(repo) == (set(), {"commit_gone"})


def test_a_branch_that_was_deleted(repo: Path) -> None:
    git(repo, "checkout", "-q", "side")
    git(repo, "branch", "-q", "-D", "main")
    assert codes(repo) == (set(), {"commit_not_on_branch"})


def test_a_copy_on_another_branch(repo: Path) -> None:
    with Project.open(str(repo)) as project, project.ledger.write() as write:
        write.landings.resume(None)
    with Project.open(str(repo)) as project:
        hand_in(project, damage.added("side.txt"), target="refs/heads/side")
        land(project)
    assert codes(repo) == CLEAN
    git(repo, "checkout", "-q", "side")
    git(repo, "cherry-pick", "-x", "main")
    assert codes(repo) == (set(), {"commit_copied"})


def test_a_merged_branch_is_no_copy(repo: Path) -> None:
    with Project.open(str(repo)) as project, project.ledger.write() as write:
        write.landings.resume(None)
    with Project.open(str(repo)) as project:
        hand_in(project, damage.added("side.txt"), target="refs/heads/side")
        land(project)
    git(repo, "merge", "-q", "--no-edit", "side")
    assert codes(repo) == CLEAN


def test_commits_of_another_clone(repo: Path) -> None:
    """Their trailers name entries of another ledger."""
    commit_files(repo, {"x.txt": b"x\n"}, "theirs\n\nUet-Patch: 01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert codes(repo) == (set(), {"foreign_trailer"})


def test_hand_made_commits_are_nobodys_business(repo: Path) -> None:
    commit_files(repo, {"x.txt": b"x\n"}, "mine")
    commit_files(repo, {"y.txt": b"y\n"}, "Uet-Patch: in a subject is no trailer")
    assert codes(repo) == CLEAN


def test_a_shallow_clone_cannot_say_what_is_missing(repo: Path, tmp_path: Path) -> None:
    head = git(repo, "rev-parse", "HEAD~1")
    (repo / ".git" / "shallow").write_bytes(head)
    git(repo, "reflog", "expire", "--expire=now", "--all")
    found = codes(repo)
    assert found[0] == set()
    assert "commit_not_on_branch" not in found[1]


# -- what contradicts ------------------------------------------------------------------------------------------------


def test_a_commit_that_claims_to_be_a_queued_entry(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        (queued,) = project.ledger.entries.in_states(("queued",))
    commit_files(repo, {"x.txt": b"x\n"}, f"mine\n\nuet-patch: {queued.entry_id}")
    assert codes(repo) == ({"forged_trailer"}, set())


def test_a_commit_that_claims_to_be_a_landed_entry(repo: Path) -> None:
    commit_files(repo, {"x.txt": b"x\n"}, f"mine\n\nUet-Patch: {entry(repo, 1).entry_id}")
    assert codes(repo) == ({"forged_trailer"}, set())
    assert codes(repo, full=False) == ({"forged_trailer"}, set())


def test_a_rewritten_commit_with_other_content(repo: Path) -> None:
    last = git(repo, "rev-parse", "HEAD").decode().strip()
    git(repo, "reset", "-q", "--hard", "HEAD~1")
    recommit(repo, last)
    assert codes(repo) == (set(), {"commit_rewritten"})
    (repo / "more.txt").write_bytes(b"more\n")
    git(repo, "add", "more.txt")
    git(repo, "commit", "-q", "--amend", "--no-edit")
    assert codes(repo, full=False) == (set(), {"commit_rewritten"})
    assert codes(repo)[0] == {"forged_trailer"}


# -- pins and landings -----------------------------------------------------------------------------------------------


def stranded(repo: Path) -> str:
    """An entry that is applied, as a killed process leaves it; its candidate is HEAD's tree."""
    with Project.open(str(repo)) as project:
        (queued,) = project.ledger.entries.in_states(("queued",))
        tree = project.tip_tree(project.tip(MAIN))
        with project.ledger.write() as write:
            columns = {"tree": tree, "rung": "memory", "proved": 0, "attempts": 1}
            write.entries.move([Move(queued.entry_id, "queued", "applied", dict(columns), columns)])
        from uet_git.queue import anchor

        anchor.anchor_now(project)
    return queued.entry_id


def test_candidates_of_a_killed_process(repo: Path) -> None:
    entry_id = stranded(repo)
    assert codes(repo) == ({"pin_missing"}, set())
    git(repo, "update-ref", f"refs/uet/entries/{entry_id}", "HEAD")
    assert codes(repo) == (set(), {"entry_stranded"})
    git(repo, "update-ref", f"refs/uet/entries/{entry_id}", "HEAD~1")
    assert codes(repo) == ({"pin_differs"}, {"entry_stranded"})
    git(repo, "update-ref", f"refs/uet/entries/{entry_id}", "HEAD^{tree}")
    assert codes(repo) == ({"pin_differs"}, {"entry_stranded"})
    with Project.open(str(repo)) as project:
        land(project)
    assert codes(repo) == CLEAN


@pytest.mark.parametrize("name", ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "landed"])
def test_a_pin_of_what_is_no_candidate(repo: Path, name: str) -> None:
    name = entry(repo, 1).entry_id if name == "landed" else name
    git(repo, "update-ref", f"refs/uet/entries/{name}", "HEAD")
    assert codes(repo) == (set(), {"stale_pin"})
    git(repo, *problems(repo)[0].next[1:])
    assert codes(repo) == CLEAN


@pytest.mark.parametrize("moved", [False, True])
def test_a_landing_that_was_cut_short(
    repo: Path, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """Before or after the branch moved: information, and the next apply puts it right."""
    move_refs = Lander._move_refs

    def cut(self: Lander, *given: object) -> None:
        if moved:
            move_refs(self, *given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, Project.open(str(repo)) as project:
        patched.setattr(Lander, "_move_refs", cut)
        with pytest.raises(KeyboardInterrupt):
            land(project)
    found = codes(repo)
    assert found[0] == set()
    assert "landing_open" in found[1]
    assert found[1] <= {"landing_open", "unanchored"}
    assert problems(repo)[-1].next == ("uet-git", "apply")
    with Project.open(str(repo)) as project:
        land(project)
    assert codes(repo) == CLEAN


def test_a_patch_beyond_todays_limits_is_still_compared(repo: Path) -> None:
    """What was let in once is not judged again."""
    with Project.open(str(repo)) as project:
        hand_in(
            project,
            damage.added("b" * 250 + ".txt"),
            damage.added("/".join("d" * 70)),
            independent=True,
        )
        land(project)
    assert Limits().component_bytes < 250
    assert codes(repo) == CLEAN
