#!/bin/sh
# Stands before the real git on PATH. Numbers every call of one run; makes one of them die at a chosen system call.
# In: CRASH_DIR (a folder of this run), CRASH_GIT (the real git), CRASH_CALL (which call; unset: none),
#     CRASH_POINT (SYSCALL:N, or `before`, `after` where there is no strace), CRASH_WHO (alone, both), CRASH_TRACE (record).
set -C
i=1
while ! { true >"$CRASH_DIR/call.$i"; } 2>/dev/null; do i=$((i + 1)); done
set +C
printf '%s\n' "$*" >"$CRASH_DIR/call.$i"
if [ -n "$CRASH_TRACE" ]; then
  exec strace -ttt -o "$CRASH_DIR/trace.$i" -e trace="$CRASH_TRACE" "$CRASH_GIT" "$@"
fi
if [ "$i" != "${CRASH_CALL:-}" ]; then
  # As when the whole machine goes down: nothing of this run survives its parent.
  [ -n "$CRASH_PDEATHSIG" ] && exec $CRASH_PDEATHSIG "$CRASH_GIT" "$@"
  exec "$CRASH_GIT" "$@"
fi
case $CRASH_POINT in
before) code=137 ;;
after) "$CRASH_GIT" "$@"; code=137 ;;
*)
  name=${CRASH_POINT%:*}
  strace -o /dev/null -e trace="$name" -e inject="$name:signal=SIGKILL:when=${CRASH_POINT#*:}" "$CRASH_GIT" "$@"
  code=$?
  ;;
esac
[ $code = 137 ] || exit $code
: >"$CRASH_DIR/died"
# Our copies of git's pipes are still open, so the parent has not noticed yet: it dies in the same instant.
[ "$CRASH_WHO" = both ] && kill -9 $PPID
kill -9 $$
