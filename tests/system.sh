#!/bin/sh
# Installs what the tests need beside Python: a browser, a JDK with Maven (Elasticsearch), Node's npm (axe).
# Does nothing where all of it is there; says what is missing where it cannot install.
set -eu

missing=
need() { # command, Debian package
    command -v "$1" > /dev/null 2>&1 || missing="$missing $2"
}
need git git
need chromium chromium
need npm npm
need mvn maven
need javac openjdk-17-jdk-headless
need setpriv util-linux

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    apt-get install -qq -y --no-install-recommends $missing > /dev/null
    exit 0
fi
echo "tests: not installed, and not by us (no root or no apt-get):$missing; the tests that need them are skipped" >&2
[ -z "${CI:-}" ]
