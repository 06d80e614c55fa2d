#!/bin/bash
# Asks the manager whether it can serve agents, without a trace in its log:
# remoted answers an unauthenticated #ping with #pong, and whether somebody
# listens for enrollment is read from the kernel's table, not tried.
set -u
host=${SOCTALK_PROBE_HOST:-127.0.0.1}
events=${SOCTALK_PORT_EVENTS:-1514}
enrollment=${SOCTALK_PORT_ENROLLMENT:-1515}
https=${SOCTALK_PORT_HTTPS:-}
root=${ROOT:-}

listens() {
  local hex
  hex=$(printf '%04X' "$1")
  cat "$root"/proc/net/tcp "$root"/proc/net/tcp6 2>/dev/null |
    grep -Eq "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:0000 0A "
}

if ! { exec 3<>"/dev/tcp/$host/$events"; } 2>/dev/null; then
  echo "remoted does not listen on port $events"
  # Scripts of ours run before it, and wait for a secret that is sound.
  [ -e "$root/run/soctalk-prepared" ] || echo "the scripts in /entrypoint-scripts have not ended, or this image does not run them; see the container's log"
  exit 1
fi
printf '\x05\x00\x00\x00#ping' >&3
# The four length bytes hold three zeros, which a shell cannot keep.
answer=$(timeout "${SOCTALK_PROBE_SECONDS:-4}" head -c 9 <&3 | tr -d '\000\005')
exec 3<&- 3>&-
if [ "$answer" != "#pong" ]; then
  echo "remoted does not answer on port $events"
  exit 1
fi
if ! listens "$enrollment"; then
  echo "authd does not listen on port $enrollment"
  exit 1
fi
# remoted goes on without this port when it cannot use the certificate.
if [ -n "$https" ] && ! listens "$https"; then
  echo "remoted does not listen on port $https for agents of Wazuh 5"
  exit 1
fi
