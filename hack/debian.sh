# Sourced by scripts that take packages out of Debian's archive for tests: apt resolves
# and checks them with a configuration, a state and sources of its own. The machine's
# are not touched, nothing is installed, and no root is needed.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/soctalk-ingress
mirror=http://deb.debian.org
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# cannot_fetch says what stands in the way, or nothing.
cannot_fetch() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "this machine has no apt-get"
  elif [ ! -e "$keyring" ]; then
    echo "$keyring is not there; install the package debian-archive-keyring"
  fi
}

# sources are the lines of $suite; experimental holds little else than HAProxy.
sources() {
  local signed="deb [signed-by=$keyring] $mirror"
  case $suite in
    experimental) printf '%s/debian %s main\n' "$signed" experimental "$signed" sid ;;
    forky) printf '%s/debian forky main\n' "$signed" ;;
    *) printf '%s/debian %s main\n%s/debian-security %s-security main\n' "$signed" "$suite" "$signed" "$suite" ;;
  esac
}

# private makes an apt of our own in a folder. A mirror that lags is no reason to
# leave a release out: signatures are checked, their age is not.
private() {
  mkdir -p "$1"/{state/lists/partial,cache/archives/partial,etc,none}
  : >"$1/status"
  sources >"$1/etc/sources.list"
  cat >"$1/apt.conf" <<CONF
Dir::State "$1/state";
Dir::State::status "$1/status";
Dir::Cache "$1/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$1/none";
Dir::Etc::preferencesparts "$1/none";
Dir::Etc::sourcelist "$1/etc/sources.list";
Dir::Etc::sourceparts "$1/none";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "2";
CONF
}

