// Package image writes container images without a registry and without a builder:
// one layer of files, as an archive that "ctr images import" reads. The files are
// our own, or programs of this machine with the libraries they need.
// Start with [Write].
package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is what goes into an archive.
type Image struct {
	// Reference is its name, such as soctalk.test/pause:1.
	Reference string
	Files     []File
	// Entrypoint and the rest are what a Dockerfile says in the same words.
	Entrypoint, Cmd []string
	User            string
	Env             []string
}

// File is one file of an image.
type File struct {
	Path string
	Mode fs.FileMode // of a folder, or a link, too; permissions 0 mean 0644, of folders 0755
	UID  int
	// One of these, for what is no folder.
	Content []byte
	Source  string // a file of this machine
	Link    string
}

// Write writes an image to an archive.
func Write(archive string, image Image) error {
	reference, err := name.NewTag(image.Reference, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("image %q: %w", image.Reference, err)
	}
	layer, err := pack(image.Files)
	if err != nil {
		return fmt.Errorf("image %q: %w", image.Reference, err)
	}
	made, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer, types.DockerUncompressedLayer))
	if err != nil {
		return err
	}
	made, err = mutate.ConfigFile(made, &v1.ConfigFile{
		Architecture: architecture(), OS: "linux",
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(made)},
		Config: v1.Config{Entrypoint: image.Entrypoint, Cmd: image.Cmd, User: image.User,
			Env: append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, image.Env...)},
	})
	if err != nil {
		return err
	}
	return tarball.WriteToFile(archive, reference, made)
}

func diffIDs(image v1.Image) []v1.Hash {
	config, err := image.ConfigFile()
	if err != nil {
		return nil // it was made a moment ago
	}
	return config.RootFS.DiffIDs
}

// pack makes a layer: the files by name, each with the folders above it.
func pack(files []File) ([]byte, error) {
	byPath := map[string]File{}
	for _, file := range files {
		file.Path = path.Clean("/" + file.Path)
		byPath[file.Path] = file
		for above := path.Dir(file.Path); above != "/"; above = path.Dir(above) {
			if _, known := byPath[above]; !known {
				byPath[above] = File{Path: above, Mode: fs.ModeDir | 0o755}
			}
		}
	}
	var layer bytes.Buffer
	writer := tar.NewWriter(&layer)
	ordered := make([]File, 0, len(byPath))
	for _, file := range byPath {
		ordered = append(ordered, file)
	}
	slices.SortFunc(ordered, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	for _, file := range ordered {
		if err := file.write(writer); err != nil {
			return nil, fmt.Errorf("file %s: %w", file.Path, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return layer.Bytes(), nil
}

func (f File) write(writer *tar.Writer) error {
	header := tar.Header{Name: strings.TrimPrefix(f.Path, "/"), Uid: f.UID, Gid: f.UID, Typeflag: tar.TypeReg, Mode: tarMode(f.Mode)}
	content := f.Content
	switch {
	case f.Mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		header.Mode = cmp.Or(header.Mode, 0o755)
		return writer.WriteHeader(&header)
	case f.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.Link, 0o777
		return writer.WriteHeader(&header)
	case f.Source != "":
		var err error
		if content, err = os.ReadFile(f.Source); err != nil {
			return err
		}
	}
	header.Mode, header.Size = cmp.Or(header.Mode, 0o644), int64(len(content))
	if err := writer.WriteHeader(&header); err != nil {
		return err
	}
	_, err := writer.Write(content)
	return err
}

// tarMode keeps permissions and the sticky bit of folders everybody may write to.
func tarMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// Programs are files of an image: programs of this machine, found on the PATH, and
// the libraries they need, where the programs look for them.
func Programs(names ...string) ([]File, error) {
	var files []File
	known := map[string]bool{}
	for _, program := range names {
		found, err := exec.LookPath(program)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: "/usr/bin/" + filepath.Base(program), Source: found, Mode: 0o755})
		needs, err := exec.Command("ldd", found).Output()
		if err != nil {
			continue // a script, or a program that needs none
		}
		for _, library := range libraries(string(needs)) {
			if !known[library] {
				known[library] = true
				files = append(files, File{Path: library, Source: library, Mode: 0o755})
			}
		}
	}
	return files, nil
}

// libraries reads what ldd prints: "name => path (address)", or a path alone for
// the program that loads all others.
func libraries(needs string) []string {
	var found []string
	for line := range strings.Lines(needs) {
		if _, after, ok := strings.Cut(line, "=>"); ok {
			line = after
		}
		if fields := strings.Fields(line); len(fields) > 0 && strings.HasPrefix(fields[0], "/") {
			found = append(found, fields[0])
		}
	}
	return found
}

// architecture is this machine's: its programs are what images are made of.
func architecture() string { return runtime.GOARCH }
