chained "$@"
code=$?
[ -z "${UET_ACTIVE-}" ] || exit "$code"

# One line; the next command of uet-git ties the commit to its entry.
if [ -d "$there/running" ]; then
  {
    head_of
    printf '%s %s %s %s\n' "$me" "$PPID" "$head" "$gitdir" >>"$there/journal"
  } 2>/dev/null
  if [ -e "$there/drain-$me" ] && [ -x "$python" ] && [ -r "$entry" ]; then
    ("$python" -IS "$entry" drain "$PPID" </dev/null >/dev/null 2>&1 &)
  fi
fi
exit "$code"
