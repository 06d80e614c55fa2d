package wazuh

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// vectors are bytes that the C code of Wazuh 4.14.7 made and understood. The simulators share this
// package with the clients, so only these can catch a mistake both would make.
type vectors struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	IP      string            `json:"ip"`
	Raw     string            `json:"raw_key"`
	AESKey  string            `json:"aes_key_ascii"`
	EncKey  string            `json:"enc_key_string"`
	KeyHash string            `json:"key_hash"`
	Frames  map[string]vector `json:"frames"`
	Authd   map[string]string `json:"authd"`
}

type vector struct {
	Rand    uint16  `json:"rand"`
	Global  uint32  `json:"global"`
	Local   uint16  `json:"local"`
	Msg     string  `json:"msg"`
	AgentID *string `json:"agent_id"`
	Hex     string  `json:"frame_hex"`
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v vectors) key() Key {
	return Key{ID: v.ID, Name: v.Name, IP: v.IP, Raw: NewSecret(v.Raw)}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
