# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts in this directory: where things are, what the machine lacks, which JDK to use.
# shellcheck shell=bash

set -Eeuo pipefail
# tell_end STATUS LINE COMMAND: what ends a script says so, since the shell itself would be silent.
tell_end() { [[ $- != *e* ]] || printf '%s: status %s at line %s: %.200s\n' "${0##*/}" "$@" >&2; }
trap 'tell_end "$?" "$LINENO" "$BASH_COMMAND"' ERR

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# What is expensive to make and belongs to no checkout: kernels, their headers, the foreign root tree.
CACHE=${CENALLOC_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cenalloc}
# What apt-get says is nobody's concern until something fails.
APT_LOG=$CACHE/apt.log
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
    local what=$1 started=$SECONDS pulse status=0
    shift
    # The teller reads from a pipe that only this process holds open, so that it ends with this process, however that
    # ends: status 1 is the end of the pipe, more than 128 that the time is over.
    exec {pulse}> >(
        while read -r -t 20 || [ $? -gt 128 ]; do say "$what$(maven_step): $((SECONDS - started)) s"; done
    )
    "$@" {pulse}>&- || status=$?
    exec {pulse}>&-
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
    setpriv --pdeathsig TERM "$ROOT/ci/mvn" -B -ntp "$@" package >"$BUILD_LOG" 2>&1 || return
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
    say "building with Maven, which takes about two minutes$(
        [ -d ~/.m2/repository ] || echo '; fetches about 100 MB, once'
    )"
    if ! heartbeat "building" package "$scope" "${arguments[@]}"; then
        grep -E '^\[(ERROR|WARNING)\]' "$BUILD_LOG" | head -n 60 >&2 || true
        fail "the build failed; its whole log is $BUILD_LOG"
    fi
}

# tools NAME GROUP:ARTIFACT:VERSION...: prints the directory in the cache with these and what they need, from Maven. For
# programs that only a script uses, and no build.
tools() (
    directory=$CACHE/$1
    shift
    if [ ! -e "$directory" ]; then
        make_cache
        new=$(mktemp -d "$CACHE/tools.XXXXXX")
        trap 'rm -rf "$new"' EXIT
        {
            echo '<project><modelVersion>4.0.0</modelVersion><groupId>none</groupId><artifactId>tools</artifactId>
                <version>1</version><packaging>pom</packaging><dependencies>'
            printf '%s\n' "$@" | sed 's,\(.*\):\(.*\):\(.*\),<dependency><groupId>\1</groupId><artifactId>\2</artifactId>\
                <version>\3</version></dependency>,'
            echo '</dependencies></project>'
        } >"$new/pom.xml"
        heartbeat "fetching $*" "$ROOT/ci/mvn" -B -ntp -q -f "$new/pom.xml" "-DoutputDirectory=$new/lib" \
            org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies >&2 || fail "$* could not be fetched"
        mv "$new/lib" "$directory"
    fi
    printf '%s\n' "$directory"
)

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

# failed_tests NAME FILE...: prints each test that failed in JUnit's reports in XML, and the first line of why.
failed_tests() {
    local name=$1
    shift
    awk -v name="$name" '
        /<testcase / { test = $0 }
        (/<failure/ || /<error/) && test != "" {
            class = method = why = ""
            if (match(test, / classname="[^"]*/)) class = substr(test, RSTART + 12, RLENGTH - 12)
            if (match(test, / name="[^"]*/)) method = substr(test, RSTART + 7, RLENGTH - 7)
            if (match($0, / message="[^"]*/)) why = substr($0, RSTART + 10, RLENGTH - 10)
            sub(/&#10;.*/, "", why)
            gsub(/&quot;/, "\"", why); gsub(/&apos;/, "\047", why); gsub(/&lt;/, "<", why); gsub(/&gt;/, ">", why)
            gsub(/&amp;/, "\\&", why)
            sub(/.*\./, "", class)
            print name ": " class "." method ": " substr(why, 1, 300)
            test = ""
        }' "$@" </dev/null
}

# make_cache: the cache is there afterwards, and can be written.
make_cache() {
    mkdir -p "$CACHE" 2>/dev/null && touch "$APT_LOG" 2>/dev/null ||
        fail "nothing can be written in $CACHE; set CENALLOC_CACHE to a directory for what is made once"
}

# locked FILE: takes a lock of the cache on descriptor 9, until the script ends.
locked() {
    make_cache
    exec 9>"$CACHE/$1.lock"
    flock -n 9 || heartbeat "waiting for another build ($1)" flock 9
}

absent() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
    done
}

# logged COMMAND...: runs it, with its output in APT_LOG.
logged() { "$@" >>"$APT_LOG" 2>&1 9>&-; }

# apt_failed MESSAGE: ends, with what apt-get said last.
apt_failed() {
    grep -E '^(E|W|Err):?' "$APT_LOG" | tail -n 3 >&2 || true
    fail "$1; what apt-get said is in $APT_LOG"
}

# megabytes: of what apt-get --print-uris lists: address, file and size in a line.
megabytes() { awk '{ sum += $3 } END { printf sum < 10e6 ? "%.1f MB" : "%.0f MB", sum / 1e6 }'; }

apt_update() {
    heartbeat "reading apt's lists" logged as_root apt-get update -q ||
        say "apt-get update failed; trying with the lists that are here"
}

# need PACKAGE...: installs the Debian packages that are absent, after saying which, and how much that fetches.
need() {
    local missing unknown=() package size install=(install -y --no-install-recommends)
    mapfile -t missing < <(absent "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "no apt-get here: install ${missing[*]} by hand"
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "not root, and no sudo: install ${missing[*]} by hand"
    make_cache
    apt_update
    for package in "${missing[@]}"; do
        [ -n "$(apt-cache madison "$package" 2>/dev/null)" ] || unknown+=("$package")
    done
    [ ${#unknown[@]} -eq 0 ] || apt_failed "not in this machine's apt sources: ${unknown[*]}"
    size=$(apt-get "${install[@]}" -qq --print-uris "${missing[@]}" 2>/dev/null | megabytes)
    say "installing with apt-get: ${missing[*]}; fetches $size"
    heartbeat "installing" logged as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o DPkg::Lock::Timeout=600 "${install[@]}" "${missing[@]}" ||
        apt_failed "apt-get could not install ${missing[*]}"
}

# The name that Debian has for an architecture.
debian_arch() {
    case $1 in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
    esac
}

# use_suite ARCH SUITE: sets APT, options for apt-get and apt-cache, so that they know the packages of a suite of Debian
# that this machine's own sources may not have. In a state of their own in the cache; from the archive that those
# sources name, with its signature checked as always.
use_suite() {
    local arch archive state
    arch=$(debian_arch "$1")
    archive=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
        awk '$2 !~ /-/ && !found++ { print $1 }') # reads on: apt-get would fail when its reader leaves
    [ -n "$archive" ] || fail "this machine's apt sources name no archive of Debian: add one"
    state=$CACHE/apt-$2-$1
    mkdir -p "$state"/{lists,cache}/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $2 main" >"$state/sources.list"
    APT=(-o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o Dir::State::status=/dev/null
        -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o Acquire::Languages=none
        -o APT::Sandbox::User=root)
    say "asking for the packages of Debian $2, $arch: fetches about 10 MB"
    heartbeat "asking" logged apt-get "${APT[@]}" update -q || true
}

# download FILE PACKAGE: puts a package there, once, without installing it. APT: see use_suite.
download() (
    new=$(mktemp -d "$CACHE/download.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    cd "$new"
    fetch=(apt-get "${APT[@]}" -o APT::Sandbox::User=root -q download "$2")
    say "downloading $2, once: $("${fetch[@]}" --print-uris 2>/dev/null | megabytes)"
    heartbeat "downloading" logged "${fetch[@]}" || apt_failed "$2 could not be downloaded"
    mv ./*.deb "$1"
)

# is_known PACKAGE: whether apt has it, by exactly this name. APT: see use_suite.
is_known() { [ -n "$(apt-cache "${APT[@]}" madison "$1" 2>/dev/null)" ]; }

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

# compile_references ARCH: the programs in C that ours are compared with, and talk to. Static, since the guest of another
# architecture has another C library.
compile_references() {
    local kernel name
    kernel=$("$ROOT/ci/kernel" "$1")
    mkdir -p "$ROOT/target"
    for name in pipeline peer; do
        compiler "$1" -O2 -Wall -Wextra -Werror -static -isystem "$kernel/headers" \
            -o "$ROOT/target/$name-$1" "$ROOT/ci/compare/$name.c"
    done
}

check_arch() {
    case $1 in
        x86_64 | aarch64) ;;
        *) fail "unsupported architecture '$1': x86_64 and aarch64 are supported" ;;
    esac
}

# qemu_machine ARCH ACCELERATOR: QEMU's words for the machine, one a line.
qemu_machine() {
    case $1:$2 in
        x86_64:*) printf '%s\n' -machine q35 -vga none ;;
        aarch64:kvm) printf '%s\n' -machine virt,gic-version=host ;;
        aarch64:*) printf '%s\n' -machine virt ;;
    esac
}

# The guest's serial port.
serial_console() {
    case $1 in
        x86_64) echo ttyS0 ;;
        aarch64) echo ttyAMA0 ;;
    esac
}

# accelerator ARCH IMAGE: prints "kvm" if guests of an architecture run with it on this machine, else "tcg": emulated. A
# /dev/kvm that opens may hang every guest, so this is tried, once in each boot of this machine: a guest with no root
# must come so far as to say so. Needs QEMU.
accelerator() (
    tried=$CACHE/kvm boot=$(cat /proc/sys/kernel/random/boot_id) answer=tcg
    if [ "$1" != "$HOST_ARCH" ] || ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
        echo tcg
        return
    fi
    locked kvm
    if [ -e "$tried" ] && [ "$(sed -n 1p "$tried")" = "$boot" ]; then
        sed -n 2p "$tried"
        return
    fi
    say "trying whether KVM works: at most $KVM_SECONDS s"
    said=$(mktemp "${TMPDIR:-/tmp}/cenalloc-kvm.XXXXXX")
    trap 'rm -f "$said"' EXIT
    mapfile -t machine < <(qemu_machine "$1" kvm)
    # In a shell of its own, which keeps to itself how QEMU ended.
    (
        ulimit -c 0
        setpriv --pdeathsig KILL timeout --foreground -s KILL "$KVM_SECONDS" setpriv --pdeathsig KILL \
            "qemu-system-$1" "${machine[@]}" -accel kvm -cpu host -m 512M -nodefaults -no-user-config -display none \
            -no-reboot -serial "file:$said" -kernel "$2" -append "console=$(serial_console "$1") panic=-1" || true
    ) </dev/null >>"$CACHE/kvm.log" 2>&1 9>&-
    if grep -qi 'kernel panic.*unable to mount root' "$said"; then
        answer=kvm
    else
        say "KVM does not work on this machine, no guest starts: emulating"
    fi
    printf '%s\n' "$boot" "$answer" >"$tried"
    echo "$answer"
)
KVM_SECONDS=20
