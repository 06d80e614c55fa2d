package edge

import (
	"context"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// cutInOldWorkers ends sessions that live in workers of before a reload. Such a
// worker answers `shutdown sessions server` with "Proxy is disabled", but still
// ends sessions one by one.
func (e *Edge) cutInOldWorkers(ctx context.Context, routes []haproxy.Route) {
	if len(routes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	answer, err := e.process.askMaster(ctx, "show proc")
	if err != nil {
		e.log.Warn("sessions in old workers, if there are any, were not cut", "error", err.Error())
		return
	}
	var servers []string
	for _, route := range routes {
		for _, server := range route.Servers(e.config) {
			servers = append(servers, server.Backend+"/"+server.Name)
		}
	}
	for _, pid := range haproxy.ParseOldWorkers(answer) {
		answer, err := e.process.askMaster(ctx, "@!"+pid+" show sess all")
		if err != nil {
			continue // it may just have ended
		}
		for _, session := range haproxy.ParseSessions(answer) {
			if !slices.Contains(servers, session.Backend+"/"+session.Server) {
				continue
			}
			if answer, err := e.process.askMaster(ctx, "@!"+pid+" shutdown session "+session.ID); err != nil || strings.TrimSpace(answer) != "" {
				e.log.Warn("a session in an old worker could not be cut", "worker", pid, "answer", clip(strings.TrimSpace(answer), 80))
			}
		}
	}
}
