package plan

import (
	"fmt"
	"regexp"
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

// silentWords name those of the edges that are silent, and what is to be done.
func silentWords(silent []SilentEdge, edges []v1alpha1.RouteEdge, region string) string {
	var words []string
	for _, s := range silent {
		if slices.ContainsFunc(edges, func(e v1alpha1.RouteEdge) bool { return e.Name == s.Name }) {
			words = append(words, silentWord(s, region))
		}
	}
	return strings.Join(sorted(words), "; ")
}

func silentWord(s SilentEdge, region string) string {
	return fmt.Sprintf("nothing is heard of %s since %s: start it, or, if it is gone for good, soctalk-ingress edge forget %s --region %s",
		s.Name, s.Since.UTC().Format(time.RFC3339), word(s.Name), region)
}

// plain is what a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// word quotes for a shell: an edge chooses its name, and a person copies the command.
func word(text string) string {
	if plain.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Uncut says which edges keep a removal waiting, because they have not said that they cut
// the tenant's sessions; empty when none does.
func Uncut(route v1alpha1.Route, silent []SilentEdge) string {
	_, behind := route.CarriedBy()
	behind, lost := heard(behind, silent)
	var words []string
	if len(behind) > 0 {
		words = append(words, fmt.Sprintf("edge %s has not said that it has cut the sessions", edgeWords(behind)))
	}
	if len(lost) > 0 {
		words = append(words, fmt.Sprintf("edge %s did not say that it has cut the sessions; %s", edgeNames(lost), silentWords(silent, lost, route.Spec.Region)))
	}
	return strings.Join(words, "; ")
}

// CutSays is what the edges are on record with when none keeps a removal waiting.
func CutSays(route v1alpha1.Route) string {
	closed, _ := route.CarriedBy()
	if len(closed) == 0 {
		return "no edge carries the tenant" + exceptions(route)
	}
	return "sessions are cut and nobody is let in, says edge " + edgeNames(closed) + exceptions(route)
}

// exceptions are the edges nobody waited for, for a record that shall be honest.
func exceptions(route v1alpha1.Route) string {
	words := ""
	for _, gone := range route.Status.GivenUp() {
		words += fmt.Sprintf("; edge %s said nothing and was given up at %s, %s", gone.Name, gone.At.UTC().Format(time.RFC3339), gone.Word())
	}
	return words
}
