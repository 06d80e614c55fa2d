package console

import (
	"context"
	"net"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/website"
)

// Site says where a console is served.
type Site struct {
	Listener net.Listener
	// CertDir holds tls.crt and tls.key, read again when they change. Empty means
	// plain HTTP, for behind a proxy that speaks TLS, or on loopback.
	CertDir string
}

// stopPatience is how long requests under way may take when the console ends: a
// secret that is spent should reach its reader.
const stopPatience = 20 * time.Second

// Serve answers until the context ends, and with it the visits and their streams.
func Serve(ctx context.Context, site Site, options Options) error {
	ctx, cancel := context.WithCancel(ctx)
	return website.Serve(ctx, cancel, stopPatience, options.Log, website.Site{
		Listener: site.Listener, CertDir: site.CertDir, Handler: New(ctx, options).Handler(),
		Answer: 2 * time.Minute, // streams have deadlines of their own
	})
}
