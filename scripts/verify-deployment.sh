#!/usr/bin/env bash
# Verify what stands in a slot: its processes, their digest and version, their health.
usage='usage: scripts/verify-deployment.sh --environment=blue|green'
source "$(dirname "${BASH_SOURCE[0]}")/shim.bash"

(($# <= 1)) || unknown "$2"
case ${1:-} in
--environment=blue | --environment=green) run verify "${1#*=}" ;;
*) unknown "${1:-}" ;;
esac
