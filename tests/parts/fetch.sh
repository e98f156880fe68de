#!/bin/sh
# SPDX-License-Identifier: MIT
# Gets the Debian programs that some tests need: Mosquitto, NATS, PostgreSQL, MicroPython and D-Bus; and,
# where Node.js is installed, what npm/package-lock.json says: Buttplug's server and client, and acorn.
#
# A program that is already installed is used as it is. Otherwise the package and the libraries it
# needs, down to the C library, are fetched with apt from the mirror that this system already uses,
# signatures checked, and unpacked into .parts/NAME/. Nothing outside .parts/ is changed and no root
# is needed. They start with the loader and libraries that came with them, so a package from another
# release works too: Debian 12 has no MicroPython, so there it is taken from Debian 13.
#
# MicroPython comes a second time, as micropython32: with pointers of 32 bits, as boards have them, it
# tells how much of a board's memory the firmware needs. Only an x86-64 system can run that.
#
# Always exits with 0. What could not be had has its reason in .parts/NAME.reason; the tests that
# need it are then skipped with that reason, or fail where CI=true.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
parts=$here/.parts

say() { printf 'tenuto: %s\n' "$*"; }

# The program by which a part is known, where it is called otherwise.
program_of() {
    case $1 in
    postgresql) echo postgres ;;
    *) echo "$1" ;;
    esac
}

# Debian's daemons are in folders that are not on everybody's PATH. In a shell of its own, so that
# its variables are nobody else's: what is removed here is named by variables.
installed() (
    folders=$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin
    for folder in /usr/lib/postgresql/*/bin; do folders=$folders:$folder; done
    PATH=$folders command -v "$(program_of "$1")" >/dev/null
)

# The first mirror in apt's configuration that serves suite $1; both styles of file are read.
mirror_of() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v suite="$1" '
        $1 == "deb" {
            i = 2
            if ($i ~ /^\[/) { while (i < NF && $i !~ /\]$/) i++; i++ }
            if ($(i + 1) == suite) { print $i; exit }
        }'
    # An empty line between the files, so that each stanza stands alone.
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] && cat "$file" && echo
    done | awk -v suite="$1" '
        BEGIN { RS = "" }
        {
            n = split($0, lines, "\n"); uris = suites = types = ""; enabled = 1
            for (k = 1; k <= n; k++) {
                colon = index(lines[k], ":"); key = substr(lines[k], 1, colon - 1)
                value = substr(lines[k], colon + 1)
                if (key == "URIs") { split(value, uri, " "); uris = uri[1] }
                if (key == "Suites") suites = " " value " "
                if (key == "Types") types = " " value " "
                if (key == "Enabled" && value ~ /no/) enabled = 0
            }
            if (enabled && index(types, " deb ") && index(suites, " " suite " ")) { print uris; exit }
        }'
}

# fetch NAME FROM_SUITE PROBE...: unpacks the package NAME and proves that it starts.
# Prints the reason and returns 1 when that cannot be.
fetch() {
    name=$1 suite=$2
    shift 2
    package=${name%32} architecture=$(dpkg --print-architecture)
    if [ "$package" != "$name" ]; then
        if [ "$architecture" != amd64 ]; then
            echo "$name runs on an x86-64 system only"
            return 1
        fi
        architecture=i386
    fi

    mirror=$(mirror_of "$codename" | head -n 1)
    if [ -z "$mirror" ]; then
        echo "apt's configuration names no mirror for '$codename': install $name"
        return 1
    fi

    new=$parts/$name.$$
    rm -rf "$new"
    mkdir -p "$new/apt/etc" "$new/apt/state/lists/partial" "$new/apt/cache/archives/partial" "$new/debs" "$new/tree"

    options="target=Packages"
    keyring=/usr/share/keyrings/$ID-archive-keyring.gpg
    [ -r "$keyring" ] && options="$options signed-by=$keyring"
    components=main
    [ "$ID" = debian ] || components="main universe"
    echo "deb [$options] $mirror $suite $components" >"$new/apt/etc/sources.list"

    # For apt nothing is installed but these, which only an installed daemon needs.
    for present in adduser debconf init-system-helpers lsb-base sysvinit-utils \
        locales postgresql-client-common postgresql-common ssl-cert tzdata; do
        printf 'Package: %s\nStatus: install ok installed\nVersion: 999\nArchitecture: all\n' "$present"
        printf 'Maintainer: none\nDescription: stands in\n\n'
    done >"$new/apt/state/status"

    cat >"$new/apt/etc/apt.conf" <<CONF
Dir::Etc::sourcelist "$new/apt/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$new/apt/state";
Dir::State::status "$new/apt/state/status";
Dir::State::lists "$new/apt/state/lists";
Dir::Cache "$new/apt/cache";
APT::Architecture "$architecture";
#clear APT::Architectures;
APT::Architectures { "$architecture"; };
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Update::Error-Mode "any";
// As root, apt would fetch as the user _apt, who may not enter this folder.
APT::Sandbox::User "root";
#clear Acquire::Languages;
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
CONF
    apt="apt-get -qq --config-file $new/apt/etc/apt.conf"
    log=$parts/$name.log

    if ! $apt update >"$log" 2>&1; then
        echo "the list of packages of $mirror $suite could not be fetched (see .parts/$name.log)"
        return 1
    fi
    packages=$($apt --simulate --no-install-recommends install "$package" 2>>"$log" |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -v -e '^libllvm' -e '^libz3-')
    if [ -z "$packages" ]; then
        echo "$suite has no package $package that can be unpacked here (see .parts/$name.log)"
        return 1
    fi
    # shellcheck disable=SC2086 # one word for each package
    if ! (cd "$new/debs" && $apt download $packages) >>"$log" 2>&1; then
        echo "the packages of $name could not be fetched from $mirror (see .parts/$name.log)"
        return 1
    fi
    for deb in "$new"/debs/*.deb; do
        dpkg -x "$deb" "$new/tree"
    done
    # Without LLVM, which would be half of it, PostgreSQL compiles no queries; it has no need to.
    rm -rf "$new/apt" "$new/debs" "$new"/tree/usr/lib/postgresql/*/lib/*jit* \
        "$new"/tree/usr/lib/postgresql/*/lib/bitcode
    # PostgreSQL makes a database of what it has there.
    find "$new/tree/usr/share" -mindepth 1 -maxdepth 1 ! -name postgresql -exec rm -rf {} +

    # The loader's name and the library folders depend on the processor; both lie beside libc.so.6.
    cat >"$new/start" <<'START'
#!/bin/sh
# Starts a program of this folder with the loader and the libraries of this folder.
tree=$(cd "$(dirname "$0")" && pwd)/tree
program=$1
shift
for folder in "$tree"/lib/* "$tree"/usr/lib/*; do
    [ -d "$folder" ] && libraries=${libraries:+$libraries:}$folder
    for file in "$folder"/ld-linux*.so.* "$folder"/ld64.so.*; do
        [ -f "$file" ] && loader=$file
    done
done
exec "$loader" --library-path "$libraries" "$tree/$program" "$@"
START
    chmod +x "$new/start"
    mkdir "$new/bin"
    for program in "$new"/tree/usr/bin/* "$new"/tree/usr/sbin/*; do
        [ -f "$program" ] || continue
        wrapper=$new/bin/${program##*/}
        # shellcheck disable=SC2016 # the wrapper is to expand it
        printf '#!/bin/sh\nexec "$(dirname "$0")/../start" %s "$@"\n' "${program#"$new"/tree/}" >"$wrapper"
        chmod +x "$wrapper"
    done

    # PostgreSQL's programs start each other, from the folder that they are in.
    for program in "$new"/tree/usr/lib/postgresql/*/bin/*; do
        [ -f "$program" ] || continue
        mv "$program" "$program.real"
        # shellcheck disable=SC2016 # likewise
        printf '#!/bin/sh\nexec "$(dirname "$0")/../../../../../../start" %s "$@"\n' \
            "${program#"$new"/tree/}.real" >"$program"
        wrapper=$new/bin/${program##*/}
        # shellcheck disable=SC2016 # likewise
        printf '#!/bin/sh\nexec "$(dirname "$0")/../%s" "$@"\n' "${program#"$new"/}" >"$wrapper"
        chmod +x "$program" "$wrapper"
    done

    [ "$package" = "$name" ] || mv "$new/bin/$package" "$new/bin/$name"
    # The shell names a program too that it cannot start.
    if ! "$new/bin/$(program_of "$name")" "$@" 2>&1 </dev/null | grep -v exec: |
        grep -q "$(program_of "$package")"; then
        echo "the unpacked $name does not start"
        return 1
    fi
    rm -rf "${parts:?}/$name" "$log"
    mv "$new" "$parts/$name"
}

# provide NAME FROM_SUITE PROBE...: sees to it that NAME is there, or that the reason is.
provide() {
    name=$1 suite=$2
    if installed "$name" || [ -x "$parts/$name/bin/$(program_of "$name")" ]; then
        rm -f "$parts/$name.reason"
        return
    fi
    if ! mkdir -p "$parts" 2>/dev/null; then
        say "no $name: .parts/ cannot be made; its tests will be skipped"
        return
    fi
    if command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ -n "$codename" ]; then
        size=20
        [ "$name" = postgresql ] && size=40
        say "fetching $name of '$suite' into .parts/ (some $size MB, once)"
        if reason=$(fetch "$@"); then
            rm -f "$parts/$name.reason"
            return
        fi
        rm -rf "$parts/$name.$$"
    else
        reason="it is not installed, and only Debian and Ubuntu let it be fetched: install $name"
    fi
    echo "$reason" >"$parts/$name.reason"
    say "no $name: $reason; its tests will be skipped"
}

# The packages of npm/package-lock.json, each by its version and the hash of its content.
provide_npm() {
    folder=$parts/npm
    if [ -x "$folder/bin/node_modules_of_npm" ] &&
        cmp -s "$here/tests/parts/npm/package-lock.json" "$folder/package-lock.json"; then
        rm -f "$folder.reason"
        return
    fi
    if ! installed node || ! installed npm; then
        reason="Node.js and npm are not installed"
    else
        say "fetching packages of npm into .parts/ (some 15 MB, once)"
        rm -rf "${parts:?}/npm"
        mkdir -p "$folder"
        cp "$here/tests/parts/npm/package.json" "$here/tests/parts/npm/package-lock.json" "$folder"
        if (cd "$folder" && npm ci --no-audit --no-fund --ignore-scripts) >"$folder.log" 2>&1; then
            mkdir "$folder/bin"
            printf '#!/bin/sh\n# Marks the folder that has node_modules.\n' \
                >"$folder/bin/node_modules_of_npm"
            chmod +x "$folder/bin/node_modules_of_npm"
            rm -f "$folder.reason" "$folder.log"
            return
        fi
        rm -rf "${parts:?}/npm"
        reason="npm could not fetch them (see .parts/npm.log)"
    fi
    echo "$reason" >"$folder.reason"
    say "no packages of npm: $reason; their tests will be skipped"
}

ID='' VERSION_CODENAME='' UBUNTU_CODENAME='' DEBIAN_CODENAME=''
# shellcheck source=/dev/null
[ -r /etc/os-release ] && . /etc/os-release
codename=${UBUNTU_CODENAME:-${DEBIAN_CODENAME:-$VERSION_CODENAME}}
if [ -n "$UBUNTU_CODENAME" ]; then ID=ubuntu; elif [ -n "$DEBIAN_CODENAME" ]; then ID=debian; fi

with_micropython=$codename
[ "$codename" = bookworm ] && with_micropython=trixie

provide mosquitto "$codename" -h &
provide micropython "$with_micropython" -c 'print("micropython")' &
provide micropython32 "$with_micropython" -c 'print("micropython")' &
provide dbus-daemon "$codename" --help &
provide nats-server "$codename" --version &
provide postgresql "$codename" --version &
provide_npm &
wait
