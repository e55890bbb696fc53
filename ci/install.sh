#!/usr/bin/env bash
# Make a checkout of Portcullis ready to run: any npm and any Node.js from 20 on will do, the right Node.js is among what
# npm ci installs. Exit code: 0, or 4.
set -euo pipefail
unset CDPATH

home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
node=$home/node_modules/.bin/node

no_verdict() {
  printf 'portcullis: no verdict: %s\n' "$1" >&2
  exit 4
}

# npm writes the second file last.
if [ -x "$node" ] && [ -e "$home/node_modules/.package-lock.json" ]; then exit 0; fi

# Node.js is among what is for development, which NODE_ENV=production would leave out.
(cd "$home" && npm ci --include=dev --no-audit --no-fund) >&2 || no_verdict 'npm ci failed'
[ -x "$node" ] || no_verdict 'npm ci brought no Node.js: does npm run install scripts?'
