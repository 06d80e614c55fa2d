# Shared by the scripts beside it. The image runs every *.sh of this folder
# before it starts Wazuh, and this file does not end in .sh.
#
# ROOT goes in front of every path, so that a test can run the scripts in a
# folder of its own. Nothing here ever prints, or passes as an argument, a byte
# of a secret.

root=${ROOT:-}
major=${SOCTALK_WAZUH_MAJOR:-4}
if [ "$major" -ge 5 ]; then
  home=$root${SOCTALK_WAZUH_HOME:-/var/wazuh-manager}
  prefix=wazuh-manager
else
  home=$root${SOCTALK_WAZUH_HOME:-/var/ossec}
  prefix=wazuh
fi
owner=${SOCTALK_WAZUH_USER:-$prefix}
group=${SOCTALK_WAZUH_GROUP:-$prefix}

# gateway: our gateway owns the enrollment port, and authd's secret is one that
# only the two of them know. direct: authd serves agents itself.
enrollment=${SOCTALK_ENROLLMENT:-direct}

secret_file=$root/etc/soctalk/enrollment/authd.pass
tls_dir=$root/etc/soctalk/tls
tls_ca=$root/etc/soctalk/tls-ca/ca.crt
api_tls_dir=$root/etc/soctalk/api-tls
indexer_ca=$root/etc/soctalk/indexer-tls/ca.crt

# prepared is there once the scripts have run in this container.
prepared=$root/run/soctalk-prepared

say() { echo "soctalk: $*"; }

# secret_problem prints what is wrong with the enrollment secret and succeeds;
# it fails when nothing is; called as $(secret_problem), which closes what it
# opens. The rules are authd's traps (4.14, main-server.c):
# an empty first line or a single character turns the password check off while
# the log says a password is in use, a carriage return or a trailing space
# becomes part of the password, and only the first line counts.
secret_problem() {
  local size newlines foreign opened held
  # It is read several times, and may be replaced meanwhile; opened once, it is one
  # and the same.
  if [ ! -f "$secret_file" ] || ! { exec {opened}<"$secret_file"; } 2>/dev/null; then
    echo "it is missing; authd would make up a password and write it to its log"
    return 0
  fi
  held=/proc/$BASHPID/fd/$opened
  size=$(wc -c <"$held")
  if [ "$size" -eq 0 ]; then
    echo "it is empty; authd would not start"
    return 0
  fi
  if [ "$(head -c 1 "$held" | wc -l)" -eq 1 ]; then
    echo "its first line is empty; authd would accept every agent without a password"
    return 0
  fi
  newlines=$(wc -l <"$held")
  if [ "$newlines" -eq 0 ]; then
    echo "it does not end with a newline; end it with exactly one"
    return 0
  fi
  if [ "$newlines" -gt 1 ] || [ "$(tail -c 1 "$held" | wc -l)" -ne 1 ]; then
    echo "it has more than one line; authd reads only the first"
    return 0
  fi
  if [ "$size" -lt 21 ]; then
    echo "it has $((size - 1)) characters; use at least 20"
    return 0
  fi
  if [ "$size" -gt 4095 ]; then
    echo "it has $((size - 1)) characters; authd reads 4094 at most"
    return 0
  fi
  foreign=$(LC_ALL=C tr -d 'A-Za-z0-9_\n-' <"$held" | wc -c)
  if [ "$foreign" -gt 0 ]; then
    echo "it has $foreign characters outside A-Z, a-z, 0-9, '-' and '_' (a carriage return or a space counts)"
    return 0
  fi
  return 1
}

# pair_problem says why the certificate and key of a folder cannot be served.
pair_problem() {
  local cert=$1/tls.crt key=$1/tls.key of_cert of_key
  if [ ! -s "$cert" ] || [ ! -s "$key" ]; then
    echo "tls.crt or tls.key is missing"
    return 0
  fi
  if command -v openssl >/dev/null 2>&1; then
    of_cert=$(openssl x509 -in "$cert" -noout -pubkey 2>/dev/null) || of_cert=
    of_key=$(openssl pkey -in "$key" -pubout 2>/dev/null) || of_key=
    if [ -z "$of_cert" ] || [ "$of_cert" != "$of_key" ]; then
      echo "tls.crt and tls.key are not a pair"
      return 0
    fi
  fi
  return 1
}

# put installs a file for Wazuh's own user: several daemons open their files
# after they gave up root, and a Secret's files belong to root. The new file
# replaces the old one in one step.
put() {
  local from=$1 to=$2 mode=$3 as=$4
  mkdir -p "$(dirname "$to")"
  rm -f "$to.soctalk"
  install -m "$mode" -o "${as%%:*}" -g "${as##*:}" "$from" "$to.soctalk"
  mv -f "$to.soctalk" "$to"
}

# install_secret brings the enrollment secret to where authd looks for it. On
# Wazuh 4, authd runs as root and follows a link into the Secret, so that no
# copy stays on the volume. On Wazuh 5 it has given up root by then.
install_secret() {
  if [ "$major" -ge 5 ]; then
    put "$secret_file" "$home/etc/authd.pass" 0640 "root:$group"
    return
  fi
  ln -sfn ../../../etc/soctalk/enrollment/authd.pass "$home/etc/authd.pass"
}

# install_tls: Wazuh 4 reads /etc/soctalk/tls itself. Wazuh 5 wants its own
# folder and its own user, and does not start without the authority beside it.
install_tls() {
  if [ "$major" -ge 5 ]; then
    put "$tls_dir/tls.crt" "$home/etc/certs/remoted.pem" 0640 "$owner:$group"
    put "$tls_dir/tls.key" "$home/etc/certs/remoted-key.pem" 0640 "$owner:$group"
    put "$(authority)" "$home/etc/certs/root-ca.pem" 0640 "root:$group"
  fi
}

# authority prints which file has the certificate that signed the manager's. An
# issuer that is asked by ACME does not hand out its root; then the chain is the
# nearest there is: it lets the manager start, and enrollment tokens of Wazuh 5
# are refused by the manager with "ca does not sign the listener certificate".
authority() {
  if [ -s "$tls_ca" ]; then echo "$tls_ca"; else echo "$tls_dir/tls.crt"; fi
}

# install_own_api_tls makes a pair for the API where none is mounted, once: the
# API of Wazuh 5 makes none, and ends without one.
install_own_api_tls() {
  local certs=$home/etc/certs
  if [ -d "$api_tls_dir" ] || [ -s "$certs/apid.pem" ]; then return; fi
  command -v openssl >/dev/null 2>&1 || return
  mkdir -p "$certs"
  (
    umask 077
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj /CN=wazuh-manager-api \
      -addext subjectAltName=DNS:localhost -keyout "$certs/apid-key.pem.soctalk" -out "$certs/apid.pem.soctalk" 2>/dev/null
  ) || return
  chown "$owner:$group" "$certs/apid-key.pem.soctalk" "$certs/apid.pem.soctalk" &&
    chmod 0640 "$certs/apid-key.pem.soctalk" "$certs/apid.pem.soctalk" &&
    mv -f "$certs/apid-key.pem.soctalk" "$certs/apid-key.pem" && mv -f "$certs/apid.pem.soctalk" "$certs/apid.pem"
}

# install_api_tls: the API gives up root before it opens its key, and fails on
# a file it cannot change the owner of, hence a copy.
install_api_tls() {
  if [ "$major" -ge 5 ]; then
    put "$api_tls_dir/tls.crt" "$home/etc/certs/apid.pem" 0640 "$owner:$group"
    put "$api_tls_dir/tls.key" "$home/etc/certs/apid-key.pem" 0640 "$owner:$group"
    return
  fi
  put "$api_tls_dir/tls.crt" "$home/api/configuration/ssl/server.crt" 0640 "$owner:$group"
  put "$api_tls_dir/tls.key" "$home/api/configuration/ssl/server.key" 0640 "$owner:$group"
}
