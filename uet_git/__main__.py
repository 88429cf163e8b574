"""The `uet-git` command. `--version` answers before anything heavy is imported."""

import gc
import sys


def main() -> int:
    """Runs the command line; returns the exit code of DESIGN section 14."""
    if sys.argv[1:] == ["--version"]:
        from uet_git import __version__

        sys.stdout.write(f"uet-git {__version__}\n")
        return 0
    gc.disable()  # loading modules makes no cycles that are worth a look; `run` sets it to what it needs
    from uet_git.cli.loading import load_click

    load_click()
    from uet_git.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
