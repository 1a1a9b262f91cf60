#!/usr/bin/env bash
# Measure the checklist; exit 0 good, 3 not, 7 not known or waits for a person.
usage='usage: scripts/pre-deployment-check.sh [--check-infrastructure | --config-validation | --config | --final]'
source "$(dirname "${BASH_SOURCE[0]}")/shim.bash"

(($# <= 1)) || unknown "$2"
case ${1:-} in
"") run check run pre ;;
--check-infrastructure) run check run infrastructure ;;
--config-validation) run check run 7 ;;
--config) run check run 34 ;;
--final) run check run 60 ;;
*) unknown "$1" ;;
esac
