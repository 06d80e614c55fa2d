#!/bin/bash
# Starts and stops "the daemons", which are one program here.
set -u
pid_file=/var/ossec/var/run/simulator.pid
alive() { [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }
case ${1:-} in
  start)
    if alive; then exit 0; fi
    mkdir -p /var/ossec/var/run
    rm -f /var/ossec/var/run/*.pid
    # 4.14 gives an API user and password by variables of the image.
    setsid /usr/bin/wazuhsim manager --test-only --root / --listen 0.0.0.0 --control-port 55999 \
      --key-reload 1s --state-interval 1s --verbose </dev/null >>/var/ossec/logs/ossec.log 2>&1 &
    echo $! >"$pid_file"
    ;;
  stop)
    alive || exit 0
    kill "$(cat "$pid_file")"
    while alive; do sleep 0.1; done
    rm -f "$pid_file"
    ;;
  status) alive ;;
  *)
    echo "usage: wazuh-control start|stop|status" >&2
    exit 2
    ;;
esac
