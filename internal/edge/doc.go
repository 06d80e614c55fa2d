// Package edge keeps one HAProxy in step with the routes of a Region, for weeks,
// without reloading it: agents stay connected for as long, and a reload would
// leave a process behind for each change or cut everybody.
//
// A change goes to the files first, so that a restarted HAProxy knows it without
// asking anybody; then to the running process, in an order in which no half of a
// tenant is ever served: who may come, then the slots, and the line of the route
// map last. What HAProxy has is read back on a timer; what differs is repaired
// and counted. The routes come from a [Source]: the API server, or a file. When
// the source is away, nothing changes and everything is served. When the disk
// cannot be written, a change closes what it closes, and opens nothing.
//
// The package must not decide which ports a tenant has, and reads no Secret.
// Start with [Edge] and its Run.
package edge
