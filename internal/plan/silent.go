package plan

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// SilentEdge is an edge nobody has heard of for longer than its Lease lasts. What it
// said of the routes it said before.
type SilentEdge struct {
	// Name of the edge, as in the routes' status.
	Name string `json:"name"`
	// Since is when it last renewed its Lease.
	Since metav1.Time `json:"since"`
}

func isSilent(silent []SilentEdge, name string) bool {
	return slices.ContainsFunc(silent, func(s SilentEdge) bool { return s.Name == name })
}

// heard parts the edges whose word is of now from those that said it and fell silent.
func heard(edges []v1alpha1.RouteEdge, silent []SilentEdge) (now, lost []v1alpha1.RouteEdge) {
	for _, edge := range edges {
		if isSilent(silent, edge.Name) {
			lost = append(lost, edge)
		} else {
			now = append(now, edge)
		}
	}
	return now, lost
}

// silentWords name those of the edges that are silent.
func silentWords(silent []SilentEdge, edges []v1alpha1.RouteEdge) string {
	var words []string
	for _, s := range silent {
		if slices.ContainsFunc(edges, func(e v1alpha1.RouteEdge) bool { return e.Name == s.Name }) {
			words = append(words, silentWord(s))
		}
	}
	return strings.Join(sorted(words), ", ")
}

func silentWord(s SilentEdge) string {
	return "nothing is heard of " + s.Name + " since " + s.Since.UTC().Format(time.RFC3339)
}
