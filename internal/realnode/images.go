//go:build linux

package realnode

import (
	"context"
	"embed"
	"io/fs"
	"path/filepath"

	"github.com/soctalk/soctalk-ingress/internal/realnode/image"
)

// What the images are called. The names of Wazuh's are those the tenant chart gives.
const (
	ProductRepository = "soctalk.test/soctalk-ingress"
	ProductTag        = "0.0.0-test"
	HAProxyImage      = "soctalk.test/haproxy:2.6"
	ManagerImage      = "docker.io/wazuh/wazuh-manager:4.14.7"
	IndexerImage      = "docker.io/wazuh/wazuh-indexer:4.14.7"
	pauseImage        = "soctalk.test/pause:1"
	policiesImage     = "soctalk.test/kube-network-policies:0.8.0"
)

//go:embed files/manager
var managerFiles embed.FS

// makeImages writes every image into an archive of its own.
func (c *Cluster) makeImages(context.Context) error {
	haproxy, err := haproxyImage()
	if err != nil {
		return err
	}
	manager, err := c.managerImage()
	if err != nil {
		return err
	}
	pause, err := image.Programs("sleep")
	if err != nil {
		return err
	}
	policies, err := image.Programs(c.Programs.NetworkPolicies)
	if err != nil {
		return err
	}
	indexer, err := indexerImage()
	if err != nil {
		return err
	}
	for archive, made := range map[string]image.Image{
		"product": ProductImage(c.Programs, ProductTag), "haproxy": haproxy, "manager": manager, "indexer": indexer,
		"policies": {Reference: policiesImage, Files: policies, Entrypoint: []string{policies[0].Path}},
		"pause":    {Reference: pauseImage, Files: pause, Entrypoint: []string{"/usr/bin/sleep", "infinity"}},
	} {
		path := filepath.Join(dir(), archive+".tar")
		if err := image.Write(path, made); err != nil {
			return err
		}
		c.Images = append(c.Images, path)
	}
	return nil
}

// indexerImage answers where the real image does, with the certificate it is given,
// and keeps nothing.
func indexerImage() (image.Image, error) {
	files, err := image.Programs("openssl", "sh")
	if err != nil {
		return image.Image{}, err
	}
	const certificates = "/usr/share/wazuh-indexer/config/certs/"
	// As the first process of a container it would not hear that it is to end.
	serve := "trap 'exit 0' TERM; openssl s_server -accept 9200 -www -cert " + certificates + "tls.crt -key " + certificates + "tls.key & wait"
	return image.Image{Reference: IndexerImage, Files: append(append(files, shells[0]), users...), Entrypoint: []string{"/bin/sh", "-c", serve}}, nil
}

// ProductImage is what the Dockerfile makes; a test holds the two together.
func ProductImage(programs Programs, tag string) image.Image {
	return image.Image{
		Reference: ProductRepository + ":" + tag,
		Files: []image.File{
			{Path: "/etc/ssl/certs/ca-certificates.crt", Source: "/etc/ssl/certs/ca-certificates.crt"},
			{Path: "/soctalk-ingress", Source: programs.Product, Mode: 0o755},
		},
		User: "65532:65532", Entrypoint: []string{"/soctalk-ingress"},
	}
}

// haproxyImage has Debian's HAProxy, the shell the chart starts it with, and what a
// test asks its network with.
func haproxyImage() (image.Image, error) {
	files, err := image.Programs("haproxy", "sh", "bash", "timeout", "sleep")
	if err != nil {
		return image.Image{}, err
	}
	files = append(files, shells...)
	return image.Image{Reference: HAProxyImage, Files: append(files, users...), User: "99:99", Cmd: []string{"haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"}}, nil
}

var shells = []image.File{{Path: "/bin/sh", Link: "/usr/bin/sh"}, {Path: "/bin/bash", Link: "/usr/bin/bash"}}

var users = []image.File{
	{Path: "/etc/passwd", Content: []byte("root:x:0:0::/:/bin/sh\nhaproxy:x:99:99::/:/bin/sh\nwazuh:x:999:999::/var/ossec:/sbin/nologin\n")},
	{Path: "/etc/group", Content: []byte("root:x:0:\nhaproxy:x:99:\nwazuh:x:999:\n")},
	{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
}

// managerImage has the simulator where the real image has Wazuh, started the same
// way and in the same order.
func (c *Cluster) managerImage() (image.Image, error) {
	files, err := image.Programs("bash", "sh", "cat", "chmod", "chown", "cp", "cut", "dirname", "grep", "head", "install", "ln", "ls", "mkdir", "mv",
		"openssl", "rm", "sed", "setsid", "sha256sum", "sleep", "tail", "timeout", "touch", "tr", "wc", "id")
	if err != nil {
		return image.Image{}, err
	}
	for path, name := range map[string]string{"/init": "init.sh", "/var/ossec/bin/wazuh-control": "wazuh-control.sh"} {
		content, err := managerFiles.ReadFile("files/manager/" + name)
		if err != nil {
			return image.Image{}, err
		}
		files = append(files, image.File{Path: path, Content: content, Mode: 0o755})
	}
	files = append(files, shells...)
	files = append(files, users...)
	files = append(files,
		image.File{Path: "/usr/bin/wazuhsim", Source: c.Programs.Simulator, Mode: 0o755},
		image.File{Path: "/var/ossec/data_tmp/permanent/etc/shared/default/agent.conf", Content: []byte("<agent_config>\n</agent_config>\n"), UID: 999})
	return image.Image{Reference: ManagerImage, Files: files, Entrypoint: []string{"/init"}}, nil
}
