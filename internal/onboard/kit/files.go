package kit

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/onboard"
)

// File is one file of the folder.
type File struct {
	Name string
	Mode fs.FileMode
	Data []byte
}

// Names of the files every folder has.
const (
	ReadMe = "README.txt"
	Sheet  = "sheet.html"
	Sums   = "SHA256SUMS"
)

// Files are the folder's files. With a secret, it comes as the file the
// installation reads it from, for its owner's eyes only.
func Files(sheet onboard.Sheet, secret []byte) ([]File, error) {
	if len(secret) > 0 {
		sheet = Enclosed(sheet)
	}
	document, err := Page(sheet)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.WriteString(introduction(sheet, len(secret) > 0))
	if err := sheet.WriteText(&text); err != nil {
		return nil, fmt.Errorf("write %s: %w", ReadMe, err)
	}
	files := []File{
		{ReadMe, 0o644, text.Bytes()},
		{Sheet, 0o644, document},
		{"check.sh", 0o755, []byte(shellCheck(sheet))},
		{"check.ps1", 0o644, windowsText(powerShellCheck(sheet))},
	}
	for _, platform := range sheet.Platforms {
		files = append(files, installer(sheet, platform))
	}
	if !sheet.Trust.Public {
		files = append(files, File{onboard.CAFile, 0o644, []byte(sheet.Trust.PEM)})
	}
	files = append(files, sums(files))
	if len(secret) > 0 {
		// Not among the sums: a digest of a secret is something to guess against.
		line := append(bytes.TrimRight(bytes.Clone(secret), "\n"), '\n')
		files = append(files, File{onboard.SecretFile, 0o600, line})
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return files, nil
}

// WriteZip writes the files below one folder. Nothing of the time or the machine
// is in it, so that the same files make the same archive.
func WriteZip(w io.Writer, folder string, files []File) error {
	archive := zip.NewWriter(w)
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	for _, file := range files {
		header := &zip.FileHeader{Name: folder + "/" + file.Name, Method: zip.Deflate, Modified: epoch}
		header.SetMode(file.Mode)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return fmt.Errorf("pack %s: %w", file.Name, err)
		}
		if _, err := entry.Write(file.Data); err != nil {
			return fmt.Errorf("pack %s: %w", file.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("finish the archive: %w", err)
	}
	return nil
}

// epoch is the first time a zip archive can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Folder is the folder's name in the archive, and with .zip the archive's.
func Folder(sheet onboard.Sheet) string { return sheet.Tenant + "-wazuh-agents" }

func sums(files []File) File {
	var lines []string
	for _, file := range files {
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(file.Data), file.Name))
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(a[66:], b[66:]) })
	return File{Sums, 0o644, []byte(strings.Join(lines, ""))}
}

func introduction(sheet onboard.Sheet, withSecret bool) string {
	secret := "The enrollment secret is not in this folder; the scripts ask for it, or read it from the file " + onboard.SecretFile + " here."
	if withSecret {
		secret = "The file " + onboard.SecretFile + " is the enrollment secret. It lets any host enroll: keep it from others, and delete it when the agents run."
	}
	return strings.Join([]string{
		"How to use this folder",
		"",
		"1. Linux, macOS: sh check.sh      Windows: powershell -ExecutionPolicy Bypass -File check.ps1",
		"   It says whether this host reaches " + sheet.Hostname + ", before anything is installed.",
		"2. Run the script of the platform, install-....sh or install-....ps1, with root's or an administrator's rights.",
		"3. The agent shows in the provider's list within seconds.",
		"",
		secret,
		"sha256sum -c " + Sums + " tells whether a file was changed on the way.",
		"", "", "",
	}, "\n")
}
