#!/usr/bin/env bash
# Verify what was deployed: its health and smoke tests, its database, or what is due some time after it.
usage='usage: scripts/post-deployment-verify.sh [--db-validation | --immediate | --short-term | --extended]'
source "$(dirname "${BASH_SOURCE[0]}")/shim.bash"

(($# <= 1)) || unknown "$2"
case ${1:-} in
"") run verify ;;
--db-validation) run verify db ;;
--immediate | --short-term | --extended) run verify "${1#--}" ;;
*) unknown "$1" ;;
esac
