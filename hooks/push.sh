input=$(cat)
[ -z "$input" ] || input="$input
"
printf '%s' "$input" | chained "$@" || exit
[ -z "${UET_ACTIVE-}" ] || exit 0
printf '%s' "$input" | (ask "$@")
