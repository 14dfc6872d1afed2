# Shared by the scripts in this directory: where things are, what the machine lacks, which JDK to use.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# What is expensive to make and belongs to no checkout: kernels, their headers, the foreign root tree.
CACHE=${CENALLOC_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cenalloc}
HOST_ARCH=$(uname -m)
JAVA_VERSION=25
# Of the test kernel: that of Debian's package linux-source-X.Y.
LINUX_VERSION=6.12

say() { printf '== %s\n' "$*" >&2; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# heartbeat WHAT COMMAND...: runs a command that may be silent for long, and says every 20 seconds that it still runs;
# of Maven, whose log is in the file BUILD_LOG, also at which module and step it is.
heartbeat() {
    local what=$1 started=$SECONDS teller status=0
    shift
    (while sleep 20; do say "$what$(maven_step): $((SECONDS - started)) s"; done) &
    teller=$!
    "$@" || status=$?
    kill "$teller" 2>/dev/null || true
    wait "$teller" 2>/dev/null || true
    return "$status"
}

# maven_step: the last module and step in BUILD_LOG, such as " (cenalloc, compile)".
maven_step() {
    [ -n "${BUILD_LOG-}" ] || return 0
    sed -n 's/^\[INFO\] --- [^ ]*:\([^ :]*\) .*@ \([^ ]*\) ---$/ (\2, \1)/p' "$BUILD_LOG" | tail -n 1
}

# camera_node NAME: the node of a V4L2 device, such as video0. Numbers change from boot to boot.
camera_node() {
    local name
    for name in /sys/class/video4linux/*/name; do
        if [ "$(cat "$name")" = "$1" ]; then
            basename "$(dirname "$name")"
            return
        fi
    done
    fail "no V4L2 device is named '$1' here: run this in the guest of ci/vm"
}

# A function of awk: the median of time[name, 1] to time[name, n[name]], which are sorted.
# shellcheck disable=SC2034 # for ci/compare
MEDIAN='function median(name) {
    return n[name] % 2 ? time[name, (n[name] + 1) / 2] : (time[name, n[name] / 2] + time[name, n[name] / 2 + 1]) / 2
}'

# for_each_arch FUNCTION PREFIX ARCH...: starts FUNCTION ARCH for each, and writes what it prints to a log with the prefix. A
# guest has one emulated processor, so they share this machine. Each is in a process group of its own, to be ended as
# one. Their ids are in the array "jobs".
for_each_arch() {
    local function=$1 prefix=$2 arch
    shift 2
    set -m
    jobs=()
    trap end_jobs EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    for arch in "$@"; do
        { "$function" "$arch" 2>&1 | tee "$ROOT/target/test/$prefix$arch.log" | sed -u "s/^/$arch: /"; } &
        jobs+=("$!")
    done
}
end_jobs() {
    local job
    for job in "${jobs[@]}"; do kill -TERM -- "-$job" 2>/dev/null || true; done
}

# is_built SCOPE: whether everything ("all", but for the cookbook), or only the "examples" or the "cookbook" and what
# they use, is packaged, and no source has changed since: the time of the file is that of the build. A directory's time
# tells of files that are gone.
is_built() (
    cd "$ROOT"
    sources=(pom.xml {bindings,core,examples}/{pom.xml,src}) made=examples/target/cenalloc.jar
    case $1 in
        all) sources+=(ci/*/pom.xml ci/*/src) ;;
        cookbook) sources=(pom.xml {bindings,core,cookbook}/{pom.xml,src}) made=cookbook/target/lib ;;
    esac
    [ -e "target/built-$1" ] && [ -e "$made" ] &&
        [ -z "$(find "${sources[@]}" -newer "target/built-$1" -print -quit)" ]
)

# package SCOPE ARGUMENT...: packages with Maven, which writes to BUILD_LOG, and notes that it is as new as the sources
# were when it began.
package() {
    local began scope=$1
    shift
    began=$(date +@%s)
    "$ROOT/ci/mvn" -B -ntp "$@" package >"$BUILD_LOG" 2>&1 || return
    mkdir -p "$ROOT/target"
    touch -d "$began" "$ROOT/target/built-$scope"
}

# build SCOPE: what the other scripts run is there afterwards, and up to date. Runs no tests. SCOPE: see is_built.
build() {
    local scope=$1 arguments=(-DskipTests -Dmaven.javadoc.skip) BUILD_LOG=$ROOT/target/build.log
    use_jdk
    if is_built "$scope" || { [ "$scope" = examples ] && is_built all; }; then return; fi
    case $scope in
        examples) arguments=(-pl examples -am -Dmaven.test.skip -Dspotless.check.skip -Dmaven.javadoc.skip) ;;
        cookbook)
            arguments+=(-Pcookbook -pl cookbook -am)
            rm -rf "$ROOT/cookbook/target/lib" # also of libraries of versions before
            ;;
    esac
    mkdir -p "$ROOT/target"
    say "building with Maven, which takes about two minutes"
    if ! heartbeat "building" package "$scope" "${arguments[@]}"; then
        grep -E '^\[(ERROR|WARNING)\]' "$BUILD_LOG" | head -n 60 >&2 || true
        fail "the build failed; its whole log is $BUILD_LOG"
    fi
}

# counts FILE...: prints "PASSED FAILED SKIPPED", summed over JUnit's reports in XML.
counts() {
    awk '
        function attribute(name) {
            if (!match($0, " " name "=\"[0-9]+\"")) return 0
            return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) + 0
        }
        FNR == 1 { seen = 0 }
        # The first only: what a test printed is in there, too.
        !seen && /<testsuite / {
            seen = 1
            bad = attribute("failures") + attribute("errors")
            failed += bad
            skipped += attribute("skipped")
            passed += attribute("tests") - bad - attribute("skipped")
        }
        END { print passed + 0, failed + 0, skipped + 0 }' "$@" </dev/null
}

# locked FILE: takes a lock of the cache on descriptor 9, until the script ends.
locked() {
    mkdir -p "$CACHE"
    exec 9>"$CACHE/$1.lock"
    flock -n 9 || heartbeat "waiting for another build ($1)" flock 9
}

absent() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
    done
}

apt_update() {
    as_root apt-get update -qq >&2 || say "apt-get update failed; trying with the lists that are here"
}

# need PACKAGE...: installs the Debian packages that are absent, after saying which.
need() {
    local missing
    mapfile -t missing < <(absent "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing with apt-get: ${missing[*]}"
    command -v apt-get >/dev/null || fail "no apt-get here: install ${missing[*]} by hand"
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "not root, and no sudo: install ${missing[*]} by hand"
    apt_update
    heartbeat "installing" as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
        install -qq -y --no-install-recommends "${missing[@]}" >&2 9>&-
}

# Prints where a JDK of the right version is: JAVA_HOME, if that is one, else the first in /usr/lib/jvm.
find_jdk() {
    local candidate
    for candidate in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
        if [ -x "$candidate/bin/java" ] && grep -qs "^JAVA_VERSION=\"$JAVA_VERSION" "$candidate/release"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# Sets JAVA_HOME to a JDK of the right version and puts it first on the PATH. Maven must itself run on it.
use_jdk() {
    local package=openjdk-$JAVA_VERSION-jdk-headless
    if ! find_jdk >/dev/null; then
        apt-cache show "$package" >/dev/null 2>&1 || apt_update
        apt-cache show "$package" >/dev/null 2>&1 ||
            fail "no JDK $JAVA_VERSION in JAVA_HOME or /usr/lib/jvm, and this distribution has no package $package.
Install one (Temurin's Debian package is found by itself) or set JAVA_HOME, then run this again."
        need "$package"
    fi
    JAVA_HOME=$(find_jdk) || fail "$package is installed, and there is no JDK $JAVA_VERSION in /usr/lib/jvm"
    export JAVA_HOME PATH=$JAVA_HOME/bin:$PATH
    command -v javac >/dev/null || fail "$JAVA_HOME has no javac: a JDK is needed, not a JRE"
}

qemu_package() {
    case $1 in
        x86_64) echo qemu-system-x86 ;;
        aarch64) echo qemu-system-arm ;;
    esac
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
