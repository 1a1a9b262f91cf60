# What the scripts with the old names share: where the command is, and how a flag that nobody knows ends.
# Sourced, never run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
watership=$(command -v "$here/.venv/bin/watership" watership | head -n 1 || true)

unknown() { # FLAG, or nothing where one is needed: exits 2, as everywhere
    case ${1:-} in
    "") printf '%s: an option is missing\n%s\n' "${0##*/}" "$usage" >&2 ;;
    -*=*) printf '%s: %s takes no such value\n%s\n' "${0##*/}" "$1" "$usage" >&2 ;;
    *) printf '%s: unknown option %s\n%s\n' "${0##*/}" "$1" "$usage" >&2 ;;
    esac
    exit 2
}

run() { # ARGUMENTS: the command, whose exit code is the script's
    if [[ -z $watership ]]; then
        printf '%s: there is no watership command; make setup\n' "${0##*/}" >&2
        exit 10
    fi
    exec "$watership" "$@"
}

for argument in "$@"; do
    case $argument in
    -h | --help)
        printf '%s\n' "$usage"
        exit 0
        ;;
    esac
done
