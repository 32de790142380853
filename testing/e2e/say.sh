# How the end-to-end test tells of itself.
# shellcheck shell=bash

say() { printf '%7.1f s  %s\n' "$(since)" "$*" >&2; }

# Since the run began.
since() { awk -v now="$(date +%s.%N)" -v begin="${E2E_BEGIN:-$(date +%s.%N)}" 'BEGIN { print now - begin }'; }

fail() {
  say "FAILED: $*"
  exit 1
}
