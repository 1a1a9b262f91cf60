#!/usr/bin/env bash
# Put the planned build into its slot; no traffic moves.
usage='usage: scripts/deploy.sh --environment=blue|green'
source "$(dirname "${BASH_SOURCE[0]}")/shim.bash"

(($# <= 1)) || unknown "$2"
case ${1:-} in
--environment=blue | --environment=green) run deploy "${1#*=}" ;;
*) unknown "${1:-}" ;;
esac
