#!/usr/bin/env bash
# Take both planes to the last safe state. A version that is not the last safe one is refused.
usage='usage: scripts/rollback.sh [--version=VERSION] [--immediate=true|false]'
source "$(dirname "${BASH_SOURCE[0]}")/shim.bash"

arguments=()
for argument in "$@"; do
    case $argument in
    --version=?*) arguments+=(--to "${argument#*=}") ;;
    --immediate=true) arguments+=(--now) ;;
    --immediate=false) ;;
    *) unknown "$argument" ;;
    esac
done
run rollback ${arguments[@]+"${arguments[@]}"}  # bash 3.2 takes an empty list for unset
