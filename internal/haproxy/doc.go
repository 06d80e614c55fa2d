// Package haproxy turns the edge's model into HAProxy's text and back: a
// [Config] into one static configuration, a [Route] into lines of the route map
// and the allow lists, and the answers of the runtime socket into Go values. It
// touches no file, socket or clock; internal/edge does that.
//
// The configuration does not name tenants. A connection's destination port is
// looked up in the route map, whose value carries everything decided about it:
// slot, target address, limits, state. Adding a tenant is therefore a line in a
// map, changed in the running process, and never a reload. A slot is a passive
// server object without an address; it exists so that one tenant's sessions can
// be cut by name, and so that enrollments queue one behind the other.
//
// Start with [Route], then haproxy.cfg.tmpl.
package haproxy
