//go:build race

package wazuh

// raceEnabled: the race detector makes sync.Pool forget at random, so allocations aren't counted.
const raceEnabled = true
