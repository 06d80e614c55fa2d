package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// canary is a log line that fires Wazuh's own rule 5760 and carries a marker.
func canary(name string) string {
	return fmt.Sprintf("Dec 29 10:00:01 %s sshd[4242]: Failed password for %s from 203.0.113.9 port 4711 ssh2", name, marker(name))
}

func marker(name string) string { return "canary-" + name }

// alert is the part of a Wazuh alert the story speaks of.
type alert struct {
	Rule struct {
		ID string `json:"id"`
	} `json:"rule"`
	Agent struct {
		Name string `json:"name"`
	} `json:"agent"`
}

// search asks for a text in one tenant's alerts, in the form of an indexer's
// answer.
func (s *story) search(ctx context.Context, slug, text string) ([]alert, error) {
	manager, ok := s.lab.Standin.Manager(naming.Namespace(slug))
	if !ok {
		return nil, fmt.Errorf("no manager runs for %s", slug)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, manager.Control+"/alerts?q="+url.QueryEscape(text), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("search %s's alerts: %w", slug, err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Hits struct {
			Hits []struct {
				Source alert `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("search %s's alerts: %w", slug, err)
	}
	var found []alert
	for _, hit := range answer.Hits.Hits {
		found = append(found, hit.Source)
	}
	return found, nil
}
