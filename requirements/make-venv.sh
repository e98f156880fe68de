#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a Python virtual environment: make-venv.sh FOLDER
#
# PYTHON=/path/to/python3 chooses the interpreter; otherwise the first Python 3.11 or newer on PATH
# is taken. On Debian and Ubuntu the package that holds `venv` is installed where that needs no
# password.
set -eu

folder=$1

say() { printf 'tenuto: %s\n' "$*"; }
fail() {
    printf 'tenuto: %s\n' "$@" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# The versioned package belongs to exactly this interpreter; the plain one may be for an older one.
install_venv_module() {
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    package=python$version-venv
    advice="'venv' is missing from $python. Install it, then run make again:
    sudo apt install $package"
    command -v apt-get >/dev/null || fail "'venv' is missing from $python: install it, then run make again."
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null || fail "$advice"
    say "installing the Debian package $package"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get -qq install --no-install-recommends --yes "$package" </dev/null >/dev/null 2>&1 ||
        { as_root apt-get -qq update </dev/null >/dev/null 2>&1 &&
            as_root apt-get -qq install --no-install-recommends --yes "$package" </dev/null >/dev/null 2>&1; } ||
        fail "$advice"
}

if [ -n "${PYTHON:-}" ]; then
    python=$(command -v "$PYTHON") || fail "PYTHON=$PYTHON is not a program."
    is_new_enough "$python" || fail "Tenuto needs Python 3.11 or newer; PYTHON=$PYTHON is older."
else
    python=$(find_python)
    [ -n "$python" ] || fail \
        "Tenuto needs Python 3.11 or newer, and none is on PATH." \
        "Install one (Debian 12 or newer: sudo apt install python3 python3-venv), or name it:" \
        "    make setup PYTHON=/path/to/python3"
fi

# Without ensurepip, venv leaves a half-made folder behind.
"$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module

say "making .venv with $("$python" --version)"
rm -rf "$folder"
"$python" -m venv "$folder" || fail "$python could not make $folder (see above)."
