#!/bin/sh
# uet-git hook @NAME@, form 1: brings ordinary commits through the gates and into the ledger.
# `uet-git hook uninstall` takes it away and puts back what was here before.
me='@NAME@'
python='@PYTHON@'
entry='@ENTRY@'
home=@HOME@
there=$home/hooks
gitdir=${GIT_DIR:-.git}
case $gitdir in /*) ;; *) gitdir=$PWD/$gitdir ;; esac

# Whatever is wrong with us, the user's git goes on, unless the project wants it otherwise.
unchecked() {
  printf 'uet-git: %s\n' "$1" >&2
  [ ! -e "$there/enforce" ] || exit 1
  exit 0
}

# The package: 0 goes on, 10 refuses, a signal ends; anything else is a fault of ours.
ask() {
  if [ -x "$python" ] && [ -r "$entry" ]; then
    UET_GIT_PID=$PPID "$python" -IS "$entry" "$me" "$@"
  elif command -v uet-git >/dev/null 2>&1; then
    UET_GIT_PID=$PPID uet-git hook run "$me" "$@"
  else
    unchecked "$me checked nothing: uet-git is not installed any more (uet-git hook uninstall removes this hook)"
  fi
  case $? in
    0) exit 0 ;;
    10) exit 1 ;;
    129 | 130 | 143) exit 130 ;;
    *) unchecked "$me checked nothing: uet-git broke off (uet-git doctor)" ;;
  esac
}

# The hook that was here before. A plain sh script finds its own name in $0, which some look at.
chained() {
  [ -x "$0.uet-legacy" ] || return 0
  first=
  { read -r first <"$0.uet-legacy"; } 2>/dev/null
  case $first in
    '#!/bin/sh' | '#!/usr/bin/env sh' | '#!/usr/bin/sh') /bin/sh -c '. "$0.uet-legacy"' "$0" "$@" ;;
    *) "$0.uet-legacy" "$@" ;;
  esac
}

# The commit of HEAD, without a process; `-` where its ref is no file of its own.
head_of() {
  head=
  read -r head <"$gitdir/HEAD"
  case $head in 'ref: '*) ref=${head#ref: } head= && read -r head <"$home/../$ref" ;; esac
  case $head in '' | *[!0-9a-f]*) head=- ;; esac
}
