package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const keyFile = "client.keys"

// loadKey reads the key of an earlier run, if there was one.
func loadKey(dir string) (wazuh.Key, bool, error) {
	path := filepath.Join(dir, keyFile)
	line, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(line) == 0 {
		return wazuh.Key{}, false, nil
	}
	if err != nil {
		return wazuh.Key{}, false, err
	}
	k, err := wazuh.ParseKey(string(line))
	if err != nil {
		return wazuh.Key{}, false, fmt.Errorf("%s: %w; empty the file to enroll again", path, err)
	}
	return k, true, nil
}

// saveKey replaces the key in one step, so that a crash leaves the old one.
func saveKey(dir string, k wazuh.Key) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, keyFile)
	if err := os.WriteFile(path+".new", append(k.AppendLine(nil), '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
