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
    [ ! -e "$place" ] || [ "$1" -nt "$place" ] || break
    place=
  done
  unset IFS
  [ -z "$place" ]
}
hit() {
  printf 'hit %s %s %s %s %s\n' "$PPID" "$tree" "$on" "$config" "$gitdir" >>"$there/journal" && exit 0
}
nl='
'
tree= head= epoch=
if [ -d "$there/running" ]; then
  boot=
  {
    read -r boot </proc/sys/kernel/random/boot_id
    printf '%s\n%s\n' "$boot" "$gitdir" >"$there/running/$PPID"
  } 2>/dev/null
  own=${XDG_CONFIG_HOME:-$HOME/.config}/uet-git/policy.toml
  if [ ! -e "$there/landing" ] && [ ! "$own" -nt "$there/epoch" ]; then
    {
      read -r epoch <"$there/epoch" && tree=$(set && exec git write-tree) && case $tree in
        *"$nl"UET_*) tree= ;; # settings of this one command
        *)
          tree=${tree##*"$nl"}
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
          ;;
      esac || tree=
    } 2>/dev/null
  fi
fi
[ -n "$tree" ] && [ "$head" != - ] || ask
ask "$tree" "$head" "$epoch" "$home" "$gitdir"
