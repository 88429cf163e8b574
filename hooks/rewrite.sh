input=$(cat)
printf '%s\n' "$input" | chained "$@"
code=$?
[ -z "${UET_ACTIVE-}" ] || exit "$code"

# Which commit became which, a line each.
if [ -d "$there/running" ]; then
  printf '%s\n' "$input" | while read -r old new _; do
    [ -z "$new" ] || printf 'rewrite %s %s %s\n' "$1" "$old" "$new"
  done 2>/dev/null >>"$there/journal"
fi
exit "$code"
