package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
)

// groups maps the agents in the manager's database to their groups. It asks as
// the API is asked, because an agent that never connected shows no group.
func (s *site) groups() map[string][]string {
	s.Helper()
	var login struct {
		Data struct{ Token string }
	}
	// By GET, which 4.3 knows as well.
	s.ask(http.MethodGet, "/security/user/authenticate", &login, func(r *http.Request) { r.SetBasicAuth("wazuh", "wazuh") })
	groups := map[string][]string{}
	for _, group := range []string{"default", "berlin", "web"} {
		var page struct {
			Data struct {
				Items []struct{ Name string } `json:"affected_items"`
			}
		}
		s.ask(http.MethodGet, "/agents?q=id!=000&limit=5000&group="+group, &page, func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+login.Data.Token)
		})
		for _, agent := range page.Data.Items {
			groups[agent.Name] = append(groups[agent.Name], group)
		}
	}
	return groups
}

// inGroup waits for an agent's row, which authd writes after its answer, and
// wants it to be in just this group.
func (s *site) inGroup(name, group string) {
	s.Helper()
	var got []string
	s.eventually("a row for "+name, func() bool {
		got = s.groups()[name]
		return got != nil
	})
	if !slices.Equal(got, []string{group}) {
		s.Errorf("%s is in groups %q, want %q", name, got, group)
	}
}

func (s *site) ask(method, path string, into any, sign func(*http.Request)) {
	s.Helper()
	r, err := http.NewRequest(method, "https://"+s.manager.Addresses().API+path, nil)
	must(s, err)
	sign(r)
	response, err := s.client.Do(r)
	must(s, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.Fatalf("%s %s: %s", method, path, response.Status)
	}
	must(s, json.NewDecoder(response.Body).Decode(into))
}
