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

// refusedPage is all the lines the API reads back of a manager's log.
const refusedPage = 2000

// refusedText begins what remoted says of an id it does not know (warning 1408).
const refusedText = "Invalid ID "

// refusedWhy follows the id.
const refusedWhy = "for the source ip"

// RefusedIDs returns, for each id, when remoted last refused a message because it does not know the
// id, as far back as the manager's log is read. The API has no list of sessions; this line is the
// only trace of a removed agent's session having ended.
func (a *API) RefusedIDs(ctx context.Context) (map[string]time.Time, error) {
	// No filter by tag: the daemon is wazuh-remoted in Wazuh 4 and wazuh-manager-remoted in 5.
	query := url.Values{
		"level": {"warning"}, "search": {refusedText},
		"sort": {"-timestamp"}, "limit": {strconv.Itoa(refusedPage)},
	}
	var data struct {
		Items []struct {
			Timestamp   time.Time `json:"timestamp"`
			Description string    `json:"description"`
		} `json:"affected_items"`
	}
	if err := a.ofManager(ctx, http.MethodGet, "logs", query, &data); err != nil {
		return nil, err
	}
	last := map[string]time.Time{}
	for _, item := range data.Items {
		_, rest, found := strings.Cut(item.Description, refusedText)
		id, why, _ := strings.Cut(rest, " ")
		if found && strings.HasPrefix(why, refusedWhy) && ValidID(id) && last[id].Before(item.Timestamp) {
			last[id] = item.Timestamp
		}
	}
	return last, nil
}
