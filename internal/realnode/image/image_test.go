package image_test

import (
	"archive/tar"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/soctalk/soctalk-ingress/internal/realnode/image"
)

// What is written is what a node unpacks: owners, modes, links, and the folders
// above each file.
func TestWhatIsWrittenIsRead(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := image.Write(archive, image.Image{
		Reference: "soctalk.test/sample:1", User: "65532:65532", Entrypoint: []string{"/bin/run"},
		Files: []image.File{
			{Path: "/bin/run", Content: []byte("#!"), Mode: 0o755},
			{Path: "/etc/deep/secret", Content: []byte("x"), Mode: 0o600, UID: 999},
			{Path: "/bin/alias", Link: "/bin/run"},
			{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		},
	}); err != nil {
		t.Fatal(err)
	}
	read, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := read.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/bin/run"}) || config.OS != "linux" {
		t.Errorf("configuration %+v", config.Config)
	}
	layers, err := read.Layers()
	if err != nil || len(layers) != 1 || len(config.RootFS.DiffIDs) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]tar.Header{
		"bin/": {Mode: 0o755}, "bin/run": {Mode: 0o755, Size: 2}, "bin/alias": {Mode: 0o777, Linkname: "/bin/run"},
		"etc/": {Mode: 0o755}, "etc/deep/": {Mode: 0o755}, "etc/deep/secret": {Mode: 0o600, Size: 1, Uid: 999}, "tmp/": {Mode: 0o1777},
	}
	for files := tar.NewReader(content); ; {
		header, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		expected, known := want[header.Name]
		if !known || header.Mode != expected.Mode || header.Size != expected.Size || header.Uid != expected.Uid || header.Linkname != expected.Linkname {
			t.Errorf("%s: %+v, want %+v", header.Name, header, expected)
		}
		delete(want, header.Name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}

func TestAReferenceIsWhole(t *testing.T) {
	err := image.Write(filepath.Join(t.TempDir(), "image.tar"), image.Image{Reference: "sample"})
	if err == nil || !strings.Contains(err.Error(), `"sample"`) {
		t.Errorf("error %v, want the name quoted", err)
	}
}

// A program comes with the libraries it needs, where it looks for them.
func TestProgramsBringTheirLibraries(t *testing.T) {
	files, err := image.Programs("bash")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, file := range files {
		paths = append(paths, file.Path)
	}
	if paths[0] != "/usr/bin/bash" || !slices.ContainsFunc(paths, func(path string) bool { return strings.Contains(path, "libc.so") }) ||
		!slices.ContainsFunc(paths, func(path string) bool { return strings.Contains(path, "ld-linux") }) {
		t.Errorf("files %q", paths)
	}
	if _, err := image.Programs("no-such-program"); err == nil {
		t.Error("a program that is not there is accepted")
	}
}
