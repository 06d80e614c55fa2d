#!/bin/bash
# Puts the enrollment secret where authd reads it, once it is one that really
# protects enrollment. Until then this script does not return, so Wazuh does
# not start: a manager that is down is better than one that enrolls everybody.
# Behind the gateway the secret is the internal one, for which the same holds.
# The image ignores the exit code of such scripts, so waiting is the only no.
set -u
# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

told=
while problem=$(secret_problem); do
  if [ "$problem" != "$told" ]; then
    say "the manager is not started: the enrollment secret ($secret_file) cannot be used: $problem"
    told=$problem
  fi
  sleep "${SOCTALK_RETRY_SECONDS:-5}"
done
until install_secret; do
  say "the manager is not started: $home/etc/authd.pass cannot be written"
  sleep "${SOCTALK_RETRY_SECONDS:-5}"
done
say "the enrollment secret is in place"
