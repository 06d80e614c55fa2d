package wazuh

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// AgentKey reads one agent's line of client.keys. The raw key is a secret: who has it can speak as
// that agent. Most callers want [Key.Hash] only.
func (a *API) AgentKey(ctx context.Context, id string) (Key, error) {
	if !ValidID(id) || id == managerID {
		return Key{}, fmt.Errorf("read key of agent %q: want the id of an agent, such as \"007\"", id)
	}
	item, err := firstItem[struct {
		Key string `json:"key"`
	}](ctx, a, "/agents/"+id+"/key")
	if err != nil {
		return Key{}, err
	}
	// Neither error quotes what it could not read.
	line, err := base64.StdEncoding.DecodeString(item.Key)
	if err != nil {
		return Key{}, fmt.Errorf("read key of agent %q: the answer is not in base64", id)
	}
	key, err := ParseKey(string(line))
	if err != nil || key.ID != id {
		return Key{}, fmt.Errorf("read key of agent %q: the answer is not its line of client.keys", id)
	}
	return key, nil
}

// refusedPage is more lines than remoted writes about one agent in the time anybody waits.
const refusedPage = 50

// RefusedIDs returns when remoted closed a connection because it does not know the id it spoke of
// (warning 1408), newest first and as far back as the manager's log is read. The API has no list of
// sessions; this line is the only trace of a removed agent's session having ended.
func (a *API) RefusedIDs(ctx context.Context, id string) ([]time.Time, error) {
	text := "Invalid ID " + id + " for the source ip"
	query := url.Values{
		"tag": {"wazuh-remoted"}, "level": {"warning"}, "search": {text},
		"sort": {"-timestamp"}, "limit": {strconv.Itoa(refusedPage)},
	}
	var data struct {
		Items []struct {
			Timestamp   time.Time `json:"timestamp"`
			Description string    `json:"description"`
		} `json:"affected_items"`
	}
	if err := a.do(ctx, http.MethodGet, "/manager/logs", query, &data); err != nil {
		return nil, err
	}
	var at []time.Time
	for _, item := range data.Items {
		if strings.Contains(item.Description, text) {
			at = append(at, item.Timestamp)
		}
	}
	return at, nil
}
