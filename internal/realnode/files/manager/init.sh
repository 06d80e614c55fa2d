#!/bin/bash
# What starts in the image of the Wazuh manager, in the image's order: it fills empty
# folders of the volume (cont-init.d/0-wazuh-init), copies /wazuh-config-mount over
# the installation, runs the hooks and starts the daemons (2-manager). It ends with
# the container alone: daemons that die are nobody's business, as in the image.
set -u
home=/var/ossec
for folder in api/configuration etc logs queue var/multigroups agentless integrations active-response/bin wodles; do
  mkdir -p "$home/$folder"
  if [ -z "$(ls -A "$home/$folder")" ] && [ -d "$home/data_tmp/permanent/$folder" ]; then
    cp -a "$home/data_tmp/permanent/$folder/." "$home/$folder/" || exit 1
  fi
done
# Owners, as every start gives them anew.
chown root:wazuh "$home/etc" "$home/queue" "$home/logs" || exit 1
chown -R wazuh:wazuh "$home/api/configuration" || exit 1
chmod 0770 "$home/etc" || exit 1
if [ -d /wazuh-config-mount ]; then
  cp -r /wazuh-config-mount/* "$home/" || exit 1
fi
touch "$home/logs/ossec.log"
chown wazuh:wazuh "$home/logs/ossec.log" || exit 1

# The image's own check of a new user of the API.
if [ -n "${API_USERNAME:-}" ] && ! printf '%s' "${API_PASSWORD:-}" | grep -q '[0-9]'; then
  echo "init: the password of the API's user does not fit the policy" >&2
  exit 1
fi
for script in /entrypoint-scripts/*.sh; do
  [ -f "$script" ] && bash "$script"
done
"$home/bin/wazuh-control" start
trap 'exit 0' TERM INT
tail -n +1 -F "$home/logs/ossec.log" &
wait
