package haproxy

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Files are the data files a HAProxy is started with here. The edge's own have the
// same lines, in records of fixed width.
type Files struct{ Routes, Allow, Hosts []byte }

// DataFiles writes the lines of all routes, in the order of slots.
func DataFiles(config Config, routes []Route) Files {
	var routeMap, allow, hosts bytes.Buffer
	ordered := slices.SortedFunc(slices.Values(routes), func(a, b Route) int { return cmp.Compare(a.Slot, b.Slot) })
	for _, route := range ordered {
		for _, entry := range route.Entries(config) {
			fmt.Fprintln(&routeMap, entry.Line())
		}
		for _, line := range route.AllowLines() {
			fmt.Fprintln(&allow, line)
		}
		for _, line := range route.HostLines() {
			fmt.Fprintln(&hosts, line)
		}
	}
	return Files{Routes: routeMap.Bytes(), Allow: allow.Bytes(), Hosts: hosts.Bytes()}
}
