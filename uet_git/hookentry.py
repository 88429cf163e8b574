"""The hooks' fast entry: `python -IS hookentry.py HOOK [ARGS...]`, called by the shims in hooks/.

Nothing is imported here that a hook may not need: the standard library alone, and of it only what is loaded anyway.
What a marker answers never comes here; queue/shortcut judges the usual, queue/guard the rest. Exit code: 0
goes on, 10 refuses, 130 was interrupted; anything else is a fault of ours, and the shim lets the commit through.
"""

import os
import sys

GO, REFUSED, INTERRUPTED, BROKEN = 0, 10, 130, 70
CHECKS = ("pre-commit", "pre-merge-commit")


def main(argv: list[str]) -> int:
    """Answers for one hook."""
    name, args = (argv[0] if argv else ""), argv[1:]
    try:
        _find_the_package()
        _end_as_interrupted()
        if name in CHECKS:
            if args and name == CHECKS[0]:
                from uet_git.queue import shortcut

                said = shortcut.check(args, _say)
                if said is not None:
                    return said
            from uet_git.queue import guard

            return guard.check(name, _say)
        if name == "pre-push":
            from uet_git.queue import push

            return push.check(args, sys.stdin.buffer.read(), _say)
        if name == "drain":
            from uet_git.queue import drain

            return drain.later(int(args[0]))
        if name == "notify":
            from uet_git.queue import notify

            return notify.deliver(args[0])
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as exc:  # noqa: BLE001 - a fault of ours must not break the user's commit
        _say(f"{type(exc).__name__}: {ascii(str(exc))[1:-1]}")
        return BROKEN
    return GO


def _find_the_package() -> None:
    """Python was started without its site: only the package's folder, and what is installed beside it, are added."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = os.path.join(
        os.path.dirname(os.path.dirname(sys.executable)), "lib", version, "site-packages"
    )
    for path in (here, beside):
        if path not in sys.path:
            sys.path.append(path)


def _end_as_interrupted() -> None:
    """SIGTERM and SIGHUP end like Ctrl-C: the gates are ended, and what they did is closed."""
    import _signal  # type: ignore[import-not-found,unused-ignore]  # `signal` takes a while to load

    for number in (_signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.default_int_handler)


def _say(text: str) -> None:
    """One line for the user; a closed or full stderr is no reason to stop."""
    try:
        sys.stderr.write(f"uet-git: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


if __name__ == "__main__":
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    finally:
        os._exit(code)  # what Python takes down at its end, the system does faster
