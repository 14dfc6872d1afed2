# Shared by the scripts in this directory: where things are, what the machine lacks, which JDK to use.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# What is expensive to make and belongs to no checkout: kernels, their headers, the foreign root tree.
CACHE=${CENALLOC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cenalloc}
HOST_ARCH=$(uname -m)
JAVA_VERSION=25
LINUX_SOURCE=linux-source-6.12

say() { printf '== %s\n' "$*" >&2; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# need PACKAGE...: installs the Debian packages that are absent, after saying which.
need() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing with apt-get: ${missing[*]}"
    command -v apt-get >/dev/null || fail "no apt-get here: install ${missing[*]} by hand"
    mkdir -p "$CACHE"
    {
        flock 9
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >&2
    } 9>"$CACHE/apt.lock"
}

# Sets JAVA_HOME to a JDK of the right version and puts it first on the PATH. Maven must itself run on it.
use_jdk() {
    local candidate
    for candidate in "${JAVA_HOME:-}" /usr/lib/jvm/*-"$JAVA_VERSION"-* /usr/lib/jvm/*-"$JAVA_VERSION"; do
        if [ -x "$candidate/bin/javac" ] && grep -q "^JAVA_VERSION=\"$JAVA_VERSION" "$candidate/release" 2>/dev/null; then
            export JAVA_HOME=$candidate PATH=$candidate/bin:$PATH
            return
        fi
    done
    if apt-cache show "openjdk-$JAVA_VERSION-jdk-headless" >/dev/null 2>&1; then
        need "openjdk-$JAVA_VERSION-jdk-headless"
        use_jdk
        return
    fi
    fail "no JDK $JAVA_VERSION in JAVA_HOME or /usr/lib/jvm, and this distribution has no package openjdk-$JAVA_VERSION-jdk-headless.
Install one (Temurin's Debian package is found by itself) or set JAVA_HOME, then run this again."
}

# The GNU prefix of the tools that build for an architecture; empty when it is this machine's own.
cross_prefix() {
    [ "$1" = "$HOST_ARCH" ] || printf '%s-linux-gnu-' "$1"
}

# The Debian packages of a C compiler for an architecture, one a line.
compiler_packages() {
    if [ "$1" = "$HOST_ARCH" ]; then
        printf 'gcc\nlibc6-dev\n'
    else
        case $1 in
            x86_64) printf 'gcc-x86-64-linux-gnu\nlibc6-dev-amd64-cross\n' ;;
            aarch64) printf 'gcc-aarch64-linux-gnu\nlibc6-dev-arm64-cross\n' ;;
        esac
    fi
}

# compiler ARCH ARGUMENT...: compiles for an architecture.
compiler() {
    local arch=$1 packages
    shift
    mapfile -t packages < <(compiler_packages "$arch")
    need "${packages[@]}"
    "$(cross_prefix "$arch")gcc" "$@"
}

check_arch() {
    case $1 in
        x86_64 | aarch64) ;;
        *) fail "unsupported architecture '$1': x86_64 and aarch64 are supported" ;;
    esac
}
