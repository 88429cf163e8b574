#!/bin/sh
# Lets a program change a repository through the queue: it works in a tree of its own, hands in what it changed, and
# gets what is needed to mend it if the change does not land.
#
#   examples/agent.sh 'MESSAGE' 'COMMAND' [TRIES]
#
# COMMAND runs in the tree, with FEEDBACK naming a file: empty the first time, then what `uet-git show --rework` says of
# the last try (failed tests, the end of the logs, what does not fit), as Markdown. Run this at the top of a repository.
# Exit 0: it landed. Gates run once a person accepted them: `uet-git trust`.
set -eu

message=${1:?"usage: agent.sh 'MESSAGE' 'COMMAND' [TRIES]"}
command=${2:?"usage: agent.sh 'MESSAGE' 'COMMAND' [TRIES]"}
tries=${3:-3}

folder=$(mktemp -d)
branch=$(git config uet.branch || git symbolic-ref --short HEAD)
git worktree add --quiet --detach "$folder/tree" "$branch"
trap 'git worktree remove --force "$folder/tree"; rm -rf "$folder"' EXIT
: >"$folder/feedback.md"

number() { python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["number"])'; }

change=
while [ "$tries" -gt 0 ]; do
  tries=$((tries - 1))
  (cd "$folder/tree" && FEEDBACK="$folder/feedback.md" sh -c "$command")
  uet-git submit --json --quiet --origin agent.sh --message "$message" ${change:+--replaces "$change"} \
    --onto "$branch" --worktree "$folder/tree" >"$folder/entries.json" || [ $? -eq 1 ]
  change=$(number <"$folder/entries.json")
  if uet-git apply --json --quiet "$change" >/dev/null; then
    echo "landed: change $change"
    exit 0
  fi
  uet-git show --rework "$change" >"$folder/feedback.md"
done
echo "change $change did not land; uet-git show $change says why" >&2
exit 1
