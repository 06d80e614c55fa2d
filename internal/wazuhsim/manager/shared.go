package manager

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

const defaultGroup = "default"

// shared is a merged.mg and its sum.
type shared struct {
	sum     string
	content []byte
}

// sharedConfig merges the files of an agent's groups as remoted does: a line with the group's name,
// then each file behind its size and name.
func (m *Manager) sharedConfig(groups []string) (shared, error) {
	if len(groups) == 0 {
		groups = []string{defaultGroup}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "#%s\n", strings.Join(groups, ","))
	for _, group := range groups {
		if err := m.mergeGroup(&b, group); err != nil {
			return shared{}, err
		}
	}
	sum := md5.Sum(b.Bytes())
	return shared{sum: hex.EncodeToString(sum[:]), content: b.Bytes()}, nil
}

func (m *Manager) mergeGroup(b *bytes.Buffer, group string) error {
	dir, err := m.root.resolve(sharedDir + "/" + group)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !missing(err) {
		return err
	}
	if missing(err) {
		const empty = "<agent_config>\n</agent_config>\n"
		fmt.Fprintf(b, "!%d agent.conf\n%s", len(empty), empty)
		return nil
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == "merged.mg" {
			continue
		}
		text, err := m.root.read(sharedDir + "/" + group + "/" + e.Name())
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "!%d %s\n%s", len(text), e.Name(), text)
	}
	return nil
}
