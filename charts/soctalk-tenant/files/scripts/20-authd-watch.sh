#!/bin/bash
# Makes authd serve a renewed certificate and a rotated secret. authd reads
# both only at its start, and it is a process of its own: restarting it leaves
# the agents' connections on 1514 alone. The API is treated the same way.
#
# Behind the gateway authd's certificate is seen by nobody who looks at it, and
# its secret is not the agents': a renewal and a rotation restart nothing, and
# the certificate of the last start goes on.
#
# remoted of Wazuh 5 shows the certificate to agents too, on 1517, and reads it at
# its start. It is restarted, which the agents of Wazuh 4 on 1514 notice: they are
# connected again within a minute, and a certificate that ran out would lock out
# the others for good.
#
# Called by the image this script puts itself in the background; "loop" is what
# runs there.
set -u
# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

interval=${SOCTALK_WATCH_SECONDS:-10}
grace=${SOCTALK_STOP_TENTHS:-100}

# alive is false for a process that is only waiting to be collected.
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  case $(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) in Z | X) return 1 ;; esac
}

# pids prints the live processes of a daemon, by its pid files.
standin=
pids() {
  local file pid
  for file in "$home/var/run/$1"-*.pid; do
    [ -f "$file" ] || continue
    pid=$(tr -cd '0-9' <"$file")
    if [ -n "$pid" ] && [ "$pid" != "$standin" ] && alive "$pid"; then echo "$pid"; fi
  done
}

# stand_in puts a process under a daemon's name while there is none. The image of
# Wazuh 5 looks every 15 seconds, by the pid files, whether each daemon lives, and
# ends the container when one does not: a restart of ours must not look like that.
stand_in() {
  [ "$major" -ge 5 ] || return 0
  sleep 120 </dev/null >/dev/null 2>&1 &
  standin=$!
  echo "$standin" >"$home/var/run/$1-$standin.pid"
}

stand_down() {
  [ -n "$standin" ] || return 0
  rm -f "$home/var/run/$1-$standin.pid"
  kill "$standin" 2>/dev/null
  wait "$standin" 2>/dev/null
  standin=
}

# restart stops one daemon, and starts it again by its own binary: unlike
# wazuh-control it touches nothing else.
restart() {
  local daemon=$1 done_well
  stand_in "$daemon"
  stop_and_start "$daemon"
  done_well=$?
  stand_down "$daemon"
  return "$done_well"
}

stop_and_start() {
  local daemon=$1 pid tenths file
  for pid in $(pids "$daemon"); do
    kill "$pid" 2>/dev/null
    tenths=0
    while alive "$pid"; do
      tenths=$((tenths + 1))
      if [ "$tenths" -gt "$grace" ]; then kill -9 "$pid" 2>/dev/null; fi
      sleep 0.1
    done
  done
  for file in "$home/var/run/$daemon"-*.pid; do
    if [ "$file" != "$home/var/run/$daemon-$standin.pid" ]; then rm -f "$file"; fi
  done
  "$home/bin/$daemon" </dev/null
  tenths=0
  until [ -n "$(pids "$daemon")" ]; do
    tenths=$((tenths + 1))
    [ "$tenths" -le "$grace" ] || return 1
    sleep 0.1
  done
}

fingerprint() { cat "$@" 2>/dev/null | sha256sum; }
enrollment_state() {
  if [ "$enrollment" = gateway ]; then
    fingerprint "$secret_file"
    return
  fi
  fingerprint "$secret_file" "$tls_dir/tls.crt" "$tls_dir/tls.key"
}
https_state() { fingerprint "$tls_dir/tls.crt" "$tls_dir/tls.key"; }
api_state() { fingerprint "$api_tls_dir/tls.crt" "$api_tls_dir/tls.key"; }

told=
tell() {
  if [ "$told" != "$*" ]; then say "$*"; fi
  told=$*
}

# renew_enrollment succeeds when authd serves what is mounted. With a secret
# that would open enrollment, authd keeps the one it has.
renew_enrollment() {
  local problem
  if problem=$(secret_problem); then
    tell "authd keeps its enrollment secret, the new one cannot be used: $problem"
    return 1
  fi
  if [ "$enrollment" != gateway ] && problem=$(pair_problem "$tls_dir"); then
    tell "authd keeps its certificate, the new one cannot be used: $problem"
    return 1
  fi
  install_secret && { [ "$enrollment" = gateway ] || install_tls; } && restart "$prefix-authd" || {
    tell "authd could not be restarted, trying again"
    return 1
  }
  tell "authd restarted, it serves the new certificate and secret"
  told=
}

renew_https() {
  local problem
  if problem=$(pair_problem "$tls_dir"); then
    # Without the gateway this was said of authd.
    if [ "$enrollment" = gateway ]; then tell "remoted keeps its certificate, the new one cannot be used: $problem"; fi
    return 1
  fi
  install_tls && restart "$prefix-remoted" || {
    tell "remoted could not be restarted, trying again"
    return 1
  }
  tell "remoted restarted, it serves the new certificate to agents of Wazuh 5"
  told=
}

renew_api() {
  local problem
  if problem=$(pair_problem "$api_tls_dir"); then
    tell "the API keeps its certificate, the new one cannot be used: $problem"
    return 1
  fi
  install_api_tls && restart "$prefix-apid" || {
    tell "the API could not be restarted, trying again"
    return 1
  }
  tell "the API restarted, it serves the new certificate"
  told=
}

# tell_unprepared says once, when the manager runs, that the scripts beside this one
# were never called: a manager of Wazuh 5 then lives from what the image copied.
unprepared=
tell_unprepared() {
  if [ -n "$unprepared" ] || [ -e "$prepared" ] || [ -z "$(pids "$prefix-remoted")" ]; then return; fi
  unprepared=yes
  say "this image did not run /entrypoint-scripts: port 1517 is closed by the NetworkPolicy alone, and the cluster key is not random"
}

# A daemon that was never seen is still to be started by the image, and will
# read the files as they are then; what changed meanwhile stays to be done.
loop() {
  local served https api now authd_seen= remoted_seen= api_seen=
  served=$(enrollment_state)
  https=$(https_state)
  api=$(api_state)
  say "watching the certificate and the enrollment secret"
  while sleep "$interval"; do
    tell_unprepared
    if [ -n "$(pids "$prefix-authd")" ]; then authd_seen=yes; fi
    now=$(enrollment_state)
    if [ -n "$authd_seen" ] && [ "$now" != "$served" ] && renew_enrollment; then served=$now; fi

    if [ "$major" -ge 5 ] && [ -n "${SOCTALK_PORT_HTTPS:-}" ]; then
      if [ -n "$(pids "$prefix-remoted")" ]; then remoted_seen=yes; fi
      now=$(https_state)
      if [ -n "$remoted_seen" ] && [ "$now" != "$https" ] && renew_https; then https=$now; fi
    fi

    [ -d "$api_tls_dir" ] || continue
    if [ -n "$(pids "$prefix-apid")" ]; then api_seen=yes; fi
    now=$(api_state)
    if [ -n "$api_seen" ] && [ "$now" != "$api" ] && renew_api; then api=$now; fi
  done
}

if [ "${1:-}" = loop ]; then
  loop
  exit
fi
# Two may call it, the image and Kubernetes; the folder is gone with the container.
mkdir -p "$root/run"
mkdir "$root/run/soctalk-watch" 2>/dev/null || exit 0
if command -v setsid >/dev/null 2>&1; then
  setsid bash "$0" loop </dev/null &
else
  bash "$0" loop </dev/null &
fi
exit 0
