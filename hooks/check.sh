chained "$@" || exit
[ -z "${UET_ACTIVE-}" ] || exit 0

# A tree that passed on this base under this configuration needs no second look, as long as what the marker names
# is what it was (uet_git/host/hook_facts.py). The marker is no evidence: the next command of uet-git looks at the ledger.
now="$PATH|$HOME|$XDG_CONFIG_HOME|$LANG|$LANGUAGE|$TZ|$USER|$LOGNAME|$SHELL"
now="$now|$VIRTUAL_ENV|$CONDA_PREFIX|$JAVA_HOME|$GOROOT|$RUSTUP_HOME|$PYENV_ROOT"
now="$now|$PYENV_VERSION|$NVM_DIR|$SSL_CERT_FILE|$SSL_CERT_DIR|$SYSTEMROOT"
now="$now|$LC_ALL|$LC_COLLATE|$LC_CTYPE|$LC_MESSAGES|$LC_MONETARY|$LC_NUMERIC|$LC_TIME"
known() {
  {
    read -r on config && IFS= read -r was && [ "$was" = "$now" ] || return 1
    while IFS= read -r place; do
      [ -e "$place" ] && [ "$1" -nt "$place" ] || return 1
    done
  } <"$1"
  IFS=:
  for place in $PATH; do
    [ "$1" -nt "$place" ] || [ ! -e "$place" ] || break
    place=
  done
  unset IFS
  [ -z "$place" ]
}
# Settings of this one command: they are for the package to read. Each is one that it knows (tests hold the list).
own=$UET_PRESET$UET_SANDBOX$UET_REQUIRE_SANDBOX$UET_SKIP$UET_TRUST$UET_ORIGIN$UET_NOTIFYING
own=$own$UET_GATE$UET_TREE$UET_ROOT$UET_CHANGED$UET_GATES_TIMEOUT$UET_QUEUE_MAX_ATTEMPTS
own=$own$UET_LIMITS_COMPONENT_BYTES$UET_LIMITS_FILES$UET_LIMITS_HUNKS$UET_LIMITS_INFLATED_BYTES$UET_LIMITS_LINE_BYTES
own=$own$UET_LIMITS_PATCH_BYTES$UET_LIMITS_PATH_BYTES$UET_LIMITS_PATH_DEPTH$UET_LIMITS_WORK$UET_POLICY_BIDI
own=$own$UET_POLICY_EDITED_TESTS$UET_POLICY_FORBIDDEN$UET_POLICY_FORBID_BINARY$UET_POLICY_GATE_INPUTS$UET_POLICY_GITLINKS
own=$own$UET_POLICY_INVISIBLE$UET_POLICY_LOCKFILES$UET_POLICY_MAX_FILES_CHANGED$UET_POLICY_MAX_LINES_CHANGED
own=$own$UET_POLICY_MIN_REVIEWERS$UET_POLICY_OSCILLATION_THRESHOLD$UET_POLICY_OSCILLATION_WINDOW$UET_POLICY_PORTABLE_NAMES
own=$own$UET_POLICY_PRESET$UET_POLICY_PROTECTED$UET_POLICY_REQUIRE_ISSUE_REF$UET_POLICY_REQUIRE_MESSAGE
own=$own$UET_POLICY_REQUIRE_TESTS_FOR$UET_POLICY_SECRETS$UET_POLICY_SYMLINKS$UET_POLICY_TYPE_CHANGES
own=$own$UET_POLICY_WEAKENED_TESTS

hit() {
  printf 'hit %s %s %s %s %s\n' "$PPID" "$tree" "$on" "$config" "$gitdir" >>"$there/journal" && exit 0
}
# The tree of the index, by way of a file: a command substitution forks this shell, which costs more than git does.
# What another process of the same number wrote (of another container, say) is not taken for ours.
nl='
'
written() {
  all=
  { printf '%s\n' "$gitdir" && git write-tree; } >"$mine.tree" || return
  while IFS= read -r line; do
    all=$all$line$nl tree=$line
  done <"$mine.tree"
  [ "$all" = "$gitdir$nl$tree$nl" ]
}
tree= head= epoch= mine=$there/running/$PPID
if [ -d "$there/running" ]; then
  boot=
  {
    read -r boot </proc/sys/kernel/random/boot_id
    printf '%s\n%s\n' "$boot" "$gitdir" >"$mine"
  } 2>/dev/null
  policy=${XDG_CONFIG_HOME:-$HOME/.config}/uet-git/policy.toml
  if [ -z "$own" ] && [ ! -e "$there/landing" ] && [ ! "$policy" -nt "$there/epoch" ]; then
    {
      read -r epoch <"$there/epoch" && written && {
        head_of
        [ "$head" != - ] && known "$there/ok/$tree-$head-$epoch" && hit
        set -- "$there/ok/$tree"-*
        if [ -e "$1" ]; then
          base=$(git rev-parse 'HEAD^{tree}' HEAD:uet.toml)
          blob=${base##*[!0-9a-f]}
          base=${base%%[!0-9a-f]*}
          [ "${#blob}" = "${#tree}" ] && [ "$blob" != "$base" ] || blob=none
          known "$there/ok/$tree-$blob-$epoch" && { [ "$on" = "$base" ] || [ "$tree" = "$base" ]; } && hit
          tree=
        fi
      } || tree=
    } 2>/dev/null
  fi
fi
[ -n "$tree" ] && [ "$head" != - ] || ask
ask "$tree" "$head" "$epoch" "$home" "$gitdir"
