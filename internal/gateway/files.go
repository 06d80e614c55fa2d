package gateway

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/mount"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/gateway/upstream"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// reloaded is a secret whose file may change.
type reloaded struct{ current atomic.Pointer[wazuh.Secret] }

func (r *reloaded) get() wazuh.Secret {
	if s := r.current.Load(); s != nil {
		return *s
	}
	return wazuh.Secret{}
}

// followed is a set of files in one mount, and what to do when they change.
type followed struct {
	dir   string
	names []string
	load  func(files map[string][]byte) error
}

func (g *Gateway) mounts() []followed {
	pair := []string{fileCert, fileKey}
	mounts := []followed{
		{g.c.CertDir, pair, g.certificate.load},
		{g.c.AdminCertDir, pair, g.adminCert.load},
		{g.c.PolicyDir, []string{filePolicy}, g.loadPolicy},
		g.secretFile(g.c.PasswordFile, "authd's password", &g.password),
		g.secretFile(g.c.AdminTokenFile, "the admin token", &g.adminToken),
	}
	if g.c.ManagerCAFile != "" {
		dir, name := filepath.Split(g.c.ManagerCAFile)
		mounts = append(mounts, followed{dir, []string{name}, func(files map[string][]byte) error {
			trust, err := upstream.ReadTrust(files[name], g.c.managerName())
			if err != nil {
				return fmt.Errorf("manager CA file %q: %w", g.c.ManagerCAFile, err)
			}
			g.trust.Store(trust)
			return nil
		}})
	}
	return mounts
}

func (g *Gateway) secretFile(path, what string, into *reloaded) followed {
	dir, name := filepath.Split(path)
	return followed{dir, []string{name}, func(map[string][]byte) error {
		secret, err := readSecret(path, what)
		if err == nil {
			into.current.Store(&secret)
		}
		return err
	}}
}

// loadPolicy offers the mounted policy. Being behind a pushed one is normal: the
// kubelet takes a minute.
func (g *Gateway) loadPolicy(files map[string][]byte) error {
	_, err := g.offer(files[filePolicy], fromFile)
	var outdated *admin.Outdated
	if errors.As(err, &outdated) {
		g.log.Debug("the mounted policy is older than the one in force", "generation", outdated.Generation)
		return nil
	}
	return err
}

// readFiles reads every mount for the first time. A policy kept on disk makes up
// for a mounted one that cannot be read.
func (g *Gateway) readFiles() error {
	var errs []error
	for _, m := range g.mounts() {
		files, err := mount.Read(m.dir, m.names...)
		if err == nil {
			err = m.load(files)
		}
		var tooNew *policy.TooNew
		if errors.As(err, &tooNew) {
			g.policies.shut(tooNew)
		}
		if err != nil && m.names[0] == filePolicy && g.policies.get() != nil {
			g.log.Error("read the mounted policy; what is in force stays", "error", err)
			continue
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// follow keeps up with the mounts.
func (g *Gateway) follow(ctx context.Context) {
	for _, m := range g.mounts() {
		g.helpers.Go(func() {
			mount.Follow(ctx, g.c.Poll, m.dir, m.names, m.load, func(err error) {
				g.metrics.reloads.WithLabelValues(m.names[0]).Inc()
				g.log.Error("a changed file cannot be used; what was read before stays", "folder", m.dir, "error", err)
			})
		})
	}
}
