"""Frozen settings, every field with its unit and default (DESIGN 7.1, 13)."""

from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.records import Gate

MB = 1024 * 1024
PRESETS: Final = ("open", "standard", "strict")


class Limits(NamedTuple):
    """Caps on one patch, checked before anything expensive."""

    patch_bytes: int = 5 * MB
    line_bytes: int = 1 * MB
    files: int = 2_000
    hunks: int = 5_000
    inflated_bytes: int = 64 * MB
    work: int = 400_000_000  # counted units: bytes compared plus positions searched
    path_bytes: int = 1_000
    component_bytes: int = 240
    path_depth: int = 64


class CommitSettings(NamedTuple):
    """How landed commits look."""

    trailer: bool = True


class QueueSettings(NamedTuple):
    """How the line runs. `batch` counts patches that share one landing when there are no gates."""

    batch: int = 1024
    max_attempts: int = 3
    drain_on: tuple[str, ...] = ()


class Settings(NamedTuple):
    """The effective settings of one target: its tip's `uet.toml`, tightened by flags and UET_* variables."""

    limits: Limits = Limits()
    commit: CommitSettings = CommitSettings()
    queue: QueueSettings = QueueSettings()
    gates: tuple[Gate, ...] = ()
    preset: str = "open"
    policy: tuple[tuple[str, object], ...] = ()  # what [policy] names beside the preset, by key
    names_preset: bool = False  # whether [policy] says `preset`
    phases: tuple[
        tuple[str, tuple[tuple[str, object], ...]], ...
    ] = ()  # [policy.phases.ID], by key
    said: tuple[
        tuple[str, str], ...
    ] = ()  # keys of [policy] that a flag or variable set, and its name
    sandbox: str = "auto"  # auto, bubblewrap, unshare or none
    require_sandbox: bool = False
    enforce: bool = False  # an ordinary commit must not pass unchecked
    scratch_dir: str = ""
    scratch_mb: int = (
        10_240  # of all scratch trees of a repository together; what was used last stays
    )
    source: str = ""  # blob id of the uet.toml they came from; empty without one

    @property
    def has_rules(self) -> bool:
        """Whether the policy is more than the safety rules."""
        return self.preset != "open" or bool(self.policy or self.phases)

    def rule(self, key: str) -> object | None:
        """One key of [policy], None where it is not set."""
        return dict(self.policy).get(key)
