chained "$@" || exit
[ -z "${UET_ACTIVE-}" ] || exit 0

# A tree that passed on this base under this configuration needs no second look. The marker is no evidence: the next
# command of uet-git looks at the ledger.
if [ -d "$there/running" ]; then
  boot=
  {
    read -r boot </proc/sys/kernel/random/boot_id
    printf '%s\n%s\n' "$boot" "$gitdir" >"$there/running/$PPID"
  } 2>/dev/null
  own=${XDG_CONFIG_HOME:-$HOME/.config}/uet-git/policy.toml
  if [ -z "${UET_SKIP-}${UET_PRESET-}" ] && [ ! -e "$there/landing" ] && [ ! "$own" -nt "$there/epoch" ]; then
    hit() {
      printf 'hit %s %s %s %s %s\n' "$PPID" "$tree" "$base" "$config" "$gitdir" >>"$there/journal" && exit 0
    }
    {
      read -r epoch <"$there/epoch" && tree=$(git write-tree) && {
        head_of
        [ "$head" != - ] && read -r base config <"$there/ok/$tree-$head-$epoch" && hit
        base=$(git rev-parse 'HEAD^{tree}' HEAD:uet.toml)
        config=${base##*[!0-9a-f]}
        base=${base%%[!0-9a-f]*}
        [ "${#config}" = "${#tree}" ] && [ "$config" != "$base" ] || config=none
        read -r known _ <"$there/ok/$tree-$config-$epoch" && { [ "$known" = "$base" ] || [ "$tree" = "$base" ]; } && hit
      }
    } 2>/dev/null
  fi
fi
ask "$@"
