#!/usr/bin/env bash
# Fetches the HAProxy of each Debian release the edge is tested with, from 2.6 to the
# newest, beside the machine's own. Nothing is installed: each goes with its
# libraries into a folder of the cache, ~/.cache/soctalk-ingress/haproxy-<version>/,
# where the tests look for it (internal/haproxies). No root is needed.
#
# apt itself resolves and checks the packages, with a configuration, a state and
# sources of its own; the machine's are not touched. What is in the cache stays as it
# is; `--update` looks whether a release has a newer one. Which packages each came
# from is written down in its folder. A release that cannot be had is said aloud and
# left out; `--missing` only prints which are not there.
set -euo pipefail
. "$(dirname "$0")/debian.sh"
suites=(bookworm trixie forky experimental) # 2.6, 3.0, 3.2 and 3.4 when this was written
update=${1:-}

cached() { # the folders of a suite, the newest last
  local folder
  for folder in "$cache"/haproxy-*/; do
    if grep -qsx "$1" "$folder/suites" && [ -x "$folder/haproxy" ]; then printf '%s\n' "${folder%/}"; fi
  done | sort -V
}
if [ "$update" = --missing ]; then
  for suite in "${suites[@]}"; do
    if [ -z "$(cached "$suite")" ]; then printf '%s ' "$suite"; fi
  done
  exit 0
fi
missed() { printf 'left out: HAProxy of Debian %s: %s\n' "$suite" "$1" >&2; }

# assemble makes, of unpacked packages, a folder with the program and its libraries.
# The program is told where its own loader is, so that it finds itself in
# /proc/self/exe and can start itself anew, as HAProxy's master does.
assemble() { # root, new folder, its final name
  local root=$1 folder=$2 final=$3 loader library
  loader=$(find "$root" -name 'ld-linux-*.so.*' | head -1)
  local paths
  paths=$(find "$root" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
  mkdir -p "$folder/lib"
  cp "$root/usr/sbin/haproxy" "$folder/haproxy"
  cp -L "$loader" "$folder/lib/"
  "$loader" --library-path "$paths" --list "$folder/haproxy" | awk '$2 == "=>" {print $3}' | while read -r library; do
    cp -L "$library" "$folder/lib/"
  done
  cp -L "$(find "$root" -name libgcc_s.so.1 | head -1)" "$folder/lib/" # loaded when a thread ends
  "$loader" --library-path "$paths" "$root/usr/bin/patchelf" --set-interpreter "$final/lib/${loader##*/}" \
    --force-rpath --set-rpath "$final/lib" "$folder/haproxy"
}

fetch() {
  local work=$1 version final package
  private "$work"
  export APT_CONFIG=$work/apt.conf
  apt-get update -qq 2>"$work/error" || { missed "its package lists could not be read: $(tail -1 "$work/error")"; return; }
  local prefer=()
  [ "$suite" != experimental ] || prefer=(-t experimental) # which nothing comes from unasked
  apt-get install -qq -y --no-install-recommends --download-only "${prefer[@]}" haproxy patchelf >"$work/log" 2>"$work/error" ||
    { missed "its packages could not be fetched: $(tail -1 "$work/error")"; return; }
  version=$(dpkg-deb -f "$work"/cache/archives/haproxy_*.deb Version)
  final=$cache/haproxy-$version
  if [ -x "$final/haproxy" ]; then # another release has the same
    grep -qx "$suite" "$final/suites" || echo "$suite" >>"$final/suites"
    return
  fi
  for package in "$work"/cache/archives/*.deb; do
    case ${package##*/} in haproxy_* | lib* | patchelf_*) dpkg-deb -x "$package" "$work/root" ;; esac
    dpkg-deb -W --showformat='${Package} ${Version}\n' "$package" >>"$work/packages"
  done
  rm -rf "$work/made"
  assemble "$work/root" "$work/made" "$final"
  cp "$work/packages" "$work/made/packages"
  echo "$suite" >"$work/made/suites"
  rm -rf "$final"
  mv "$work/made" "$final"
}

mkdir -p "$cache"
exec 9>"$cache/haproxies.lock"
flock 9
scratch=$(mktemp -d "$cache/apt.XXXXXX") # on the cache's own disk, so that a folder is moved in whole
trap 'rm -rf "$scratch"' EXIT
for suite in "${suites[@]}"; do
  found=$(cached "$suite" | tail -1)
  if [ -z "$found" ] || [ "$update" = --update ]; then
    obstacle=$(cannot_fetch)
    if [ -n "$obstacle" ]; then
      missed "$obstacle"
      continue
    fi
    echo "fetching HAProxy of Debian $suite and its libraries (about 15 MB, once)"
    fetch "$scratch/$suite"
    rm -rf "${scratch:?}/$suite"
    found=$(cached "$suite" | tail -1)
  fi
  if [ -n "$found" ] && ! "$found/haproxy" -v >/dev/null; then
    missed "$found/haproxy does not run; remove the folder and try again"
  elif [ -n "$found" ]; then
    printf '%-12s %s\n' "$suite" "$("$found/haproxy" -v | sed -n 1p)"
  fi
done
