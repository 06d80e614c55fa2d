//go:build !race

package wazuh

const raceEnabled = false
