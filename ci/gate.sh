#!/usr/bin/env bash
# portcullis gate as pipelines run it, from a checkout of Portcullis: what is asked comes in variables, more options as
# arguments. The folder that it runs in is kept, so that paths are relative to it.
#
#   GATE_REPORT, GATE_POLICY, GATE_CLUSTER, GATE_SOURCE, GATE_CONFIG, GATE_FUNCTION, GATE_QUALIFIER, GATE_URL, GATE_REGION,
#   GATE_BASELINE, GATE_WRITE_BASELINE, GATE_MAX_AGE, GATE_ON_UNDETERMINED: the options of these names; empty is as good as
#   not there
#   GATE_IMAGES: one on each line
#   GATE_STRICT: true or false
#
# Exit code: 0 pass, 1 fail, 2 undetermined, 3 invalid input, 4 no verdict, whatever the reason.
set -euo pipefail
# With it, cd may go elsewhere and says where.
unset CDPATH

home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
node=$home/node_modules/.bin/node
args=(gate)

invalid() {
  printf 'portcullis: %s\n' "$1" >&2
  exit 3
}

no_verdict() {
  printf 'portcullis: no verdict: %s\n' "$1" >&2
  exit 4
}

# As one argument, so that no value can be an option of its own.
option() {
  if [ -n "$2" ]; then args+=("--$1=$2"); fi
}

option report "${GATE_REPORT:-}"
option policy "${GATE_POLICY:-}"
option cluster "${GATE_CLUSTER:-}"
option source "${GATE_SOURCE:-}"
option config "${GATE_CONFIG:-}"
option function "${GATE_FUNCTION:-}"
option qualifier "${GATE_QUALIFIER:-}"
option url "${GATE_URL:-}"
option region "${GATE_REGION:-}"
option baseline "${GATE_BASELINE:-}"
option write-baseline "${GATE_WRITE_BASELINE:-}"
option max-age "${GATE_MAX_AGE:-}"
option on-undetermined "${GATE_ON_UNDETERMINED:-}"

case ${GATE_STRICT:-} in
  true) args+=(--strict) ;;
  false | '') ;;
  *) invalid 'strict: has to be true or false' ;;
esac

if [ -n "${GATE_IMAGES:-}" ]; then
  before=${#args[@]}
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line#"${line%%[![:space:]]*}"}
    option image "${line%"${line##*[![:space:]]}"}"
  done <<<"$GATE_IMAGES"
  # All images would be judged, and that the one that was meant is missing would not be seen.
  [ "${#args[@]}" -gt "$before" ] || invalid 'images: there is no image in it'
fi

bash "$home/ci/install.sh" || exit 4

# What cannot even start ends with 1, as a fail does.
"$node" "$home/lib/cli/main.ts" gate --help >/dev/null || no_verdict 'Portcullis cannot start'

code=0
"$node" --max-semi-space-size=2 "$home/lib/cli/main.ts" "${args[@]}" "$@" || code=$?
case $code in
  0 | 1 | 2 | 3 | 4) exit "$code" ;;
  *) no_verdict "the gate ended with exit code $code" ;;
esac
