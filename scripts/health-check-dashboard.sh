#!/usr/bin/env bash
# The health of a slot, next's unless one is named; exit 0 only when every check passed.
usage='usage: scripts/health-check-dashboard.sh [blue|green]'
source "$(dirname "${BASH_SOURCE[0]}")/shim.bash"

(($# <= 1)) || unknown "$2"
case ${1:-} in
"") run health ;;
blue | green) run health "$1" ;;
*) unknown "$1" ;;
esac
