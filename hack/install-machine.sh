#!/usr/bin/env bash
# Makes what a small Debian 12 machine has on its disk, with systemd and HAProxy, and
# what an upgrade of HAProxy to Debian 13's puts over it: ~/.cache/soctalk-ingress/machine.
# A test boots it in namespaces of this machine, with the units of deploy/systemd.
# Nothing is installed and no root is needed; what is in the cache stays as it is.
set -euo pipefail
. "$(dirname "$0")/debian.sh"
folder=$cache/machine
describe() { printf 'a machine with systemd %s and HAProxy %s, and %s to upgrade to\n' "$(of systemd)" "$(of haproxy)" "$(of haproxy upgrade)"; }
of() { awk -v name="$1" '$1 == name {print $2}' "$folder/packages${2:+.$2}"; }
case ${1:-} in
  --missing)
    [ -e "$folder/packages.upgrade" ] || echo "a machine to boot"
    exit 0
    ;;
esac
mkdir -p "$cache"
exec 9>"$cache/machine.lock"
flock 9
if [ -e "$folder/packages.upgrade" ]; then
  describe
  exit 0
fi
missed() { printf 'left out: a machine to boot: %s\n' "$1" >&2; exit 0; }
obstacle=$(cannot_fetch)
[ -z "$obstacle" ] || missed "$obstacle"
scratch=$(mktemp -d "$cache/apt.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# fetch unpacks packages of $suite, with all they need, into a folder.
fetch() { # folder, list of what it came from, packages ...
  local to=$1 list=$2 work=$scratch/$suite package
  shift 2
  private "$work"
  export APT_CONFIG=$work/apt.conf
  apt-get update -qq 2>"$work/error" || missed "package lists of Debian $suite could not be read: $(tail -1 "$work/error")"
  apt-get install -qq -y --no-install-recommends --download-only "$@" >"$work/log" 2>"$work/error" ||
    missed "packages of Debian $suite could not be fetched: $(tail -1 "$work/error")"
  mkdir -p "$to"/usr/{bin,sbin,lib,lib64}
  for package in bin sbin lib lib64; do ln -sfn "usr/$package" "$to/$package"; done
  for package in "$work"/cache/archives/*.deb; do
    wanted "${package##*/}" || continue
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$to" \
      --exclude './usr/share/doc*' --exclude './usr/share/man*' --exclude './usr/share/locale*' --exclude './usr/share/i18n*'
    dpkg-deb -W --showformat='${Package} ${Version}\n' "$package" >>"$list"
  done
}

echo "fetching a small Debian 12 with systemd, and Debian 13's HAProxy (about 55 MB, once)"
suite=bookworm
wanted() { true; }
fetch "$scratch/made/root" "$scratch/made/packages" systemd haproxy bash dash coreutils util-linux grep sed base-files base-passwd libc-bin
suite=trixie
wanted() { case $1 in haproxy_* | lib* | zlib*) ;; *) false ;; esac; }
fetch "$scratch/made/upgrade" "$scratch/made/packages.upgrade" haproxy
root=$scratch/made/root
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
: >"$root/etc/machine-id"
# The machine has no devices, no network of its own and nobody who logs in.
mkdir -p "$root/etc/systemd/system"
for unit in systemd-udevd systemd-udev-trigger systemd-resolved systemd-networkd systemd-timesyncd systemd-logind getty@tty1 console-getty haproxy; do
  ln -s /dev/null "$root/etc/systemd/system/$unit.service"
done
rm -rf "$folder"
mv "$scratch/made" "$folder"
describe
