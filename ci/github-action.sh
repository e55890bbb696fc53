#!/usr/bin/env bash
# The step of action.yml. Its inputs come in the variables of gate.sh, and in GATE_SARIF_FILE and GATE_STEP_SUMMARY.
#
# Whatever is not known to be a pass fails the step: the exit code is 4 until there is a verdict that agrees with what the
# gate ended with. The outputs are written in any case.
set -euo pipefail
unset CDPATH

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
node=$here/../node_modules/.bin/node
code=4
facts=
sarif=
work=

# In the data of a workflow command.
escaped() {
  local text=$1
  text=${text//'%'/%25}
  text=${text//$'\r'/%0D}
  text=${text//$'\n'/%0A}
  printf '%s' "$text"
}

error() {
  printf '::error title=Portcullis::%s\n' "$(escaped "$1")"
}

# What others wrote, as lines that are no workflow commands.
plain() {
  tr '\r' '\n' | sed -e 's/##\[/# #[/g' -e 's/^/| /'
}

summarize() {
  if [ "${GATE_STEP_SUMMARY:-true}" != true ] || [ -z "${GITHUB_STEP_SUMMARY:-}" ]; then return; fi
  if [ -s "$GITHUB_STEP_SUMMARY" ]; then echo >>"$GITHUB_STEP_SUMMARY" || true; fi
  cat >>"$GITHUB_STEP_SUMMARY" ||
    echo '::warning title=Portcullis::The step summary could not be written'
}

finish() {
  trap - EXIT
  # Bash takes `! { } >file` for done where the file cannot be written.
  if { printf 'exit-code=%s\nsarif-file=%s\n' "$code" "$sarif" && printf '%s' "$facts"; } >>"${GITHUB_OUTPUT:-}"; then :; else
    error 'The outputs could not be written'
    code=4
  fi
  if [ -n "$work" ]; then rm -rf "$work"; fi
  exit "$code"
}
trap finish EXIT

invalid() {
  error "$1"
  code=3
  exit
}

case ${GATE_STEP_SUMMARY:-true} in
  true | false) ;;
  *) invalid 'step-summary: has to be true or false' ;;
esac
case ${GATE_SARIF_FILE:-} in
  *[[:cntrl:]]*) invalid 'sarif-file: must not hold a line break or another control character' ;;
esac

work=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/portcullis.XXXXXX")
outs=(--format=github "--out=json=$work/result.json" "--out=markdown=$work/summary.md")
if [ -n "${GATE_SARIF_FILE:-}" ]; then outs+=("--out=sarif=$GATE_SARIF_FILE"); fi

if ! bash "$here/install.sh" </dev/null 2>&1 | plain; then
  error 'No verdict: Portcullis could not be installed; the log of the step says why'
  exit
fi

# Nothing is to be read from standard input.
status=0
bash "$here/gate.sh" "${outs[@]}" </dev/null 2>"$work/log" || status=$?

if [ "$status" -gt 2 ]; then
  error "No verdict (exit code $status). $(tr -d '\000' <"$work/log")"
  printf '## ❌ Portcullis: no verdict\n\nExit code %s; the log of the step says why.\n' "$status" >"$work/summary.md"
  summarize <"$work/summary.md"
  if [ "$status" = 3 ]; then code=3; fi
  exit
fi

plain <"$work/log" >&2
facts=$("$node" "$here/github-outputs.ts" "$work/result.json" "$status") || facts=
case $status:$facts in
  0:verdict=pass$'\n'*let-through=false) ;;
  0:verdict=undetermined$'\n'*let-through=true) ;;
  1:verdict=fail$'\n'*let-through=false) ;;
  2:verdict=undetermined$'\n'*let-through=false) ;;
  *)
    facts=
    error "No verdict: the result does not agree with the exit code $status"
    exit
    ;;
esac
facts+=$'\n'
if [ -n "${GATE_SARIF_FILE:-}" ]; then sarif=$GATE_SARIF_FILE; fi
case $facts in
  *let-through=true*)
    echo '::warning title=Portcullis::The verdict is undetermined, and was let through: on-undetermined is pass'
    # A paragraph of its own, and not part of a list or a table before it.
    printf '\n**Let through although undetermined**: `on-undetermined` is `pass`.\n' >>"$work/summary.md"
    ;;
esac
summarize <"$work/summary.md"
code=$status
