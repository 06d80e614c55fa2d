package reveal

import (
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func held(name string, labels, annotations map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: labels, Annotations: annotations, CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour)),
	}}
}

func TestStatusOf(t *testing.T) {
	ours := map[string]string{naming.LabelManagedBy: naming.Product}
	for name, c := range map[string]struct {
		secret *corev1.Secret
		want   State
	}{
		"generated before the procedure existed": {held(naming.SecretEnrollment, ours, nil), Armed},
		"armed":                                  {held(naming.SecretEnrollment, ours, Arm(nil, noon)), Armed},
		"revealed":                               {held(naming.SecretEnrollment, ours, revealed(nil, Entry{By: "jane", At: noon, Why: "first"})), Revealed},
		"a word nobody wrote on purpose":         {held(naming.SecretEnrollment, ours, map[string]string{naming.AnnotationRevealState: "Armed"}), Revealed},
		"an empty word":                          {held(naming.SecretEnrollment, ours, map[string]string{naming.AnnotationRevealState: ""}), Revealed},
		"somebody else's":                        {held(naming.SecretEnrollment, nil, nil), Foreign},
		"somebody else's, armed on purpose":      {held("site-token", nil, Arm(nil, noon)), Armed},
		"a token's, generated":                   {held(naming.TokenSecret("berlin"), ours, nil), Armed},
		"a private key is not there to be shown": {held(naming.SecretTLS, ours, nil), Foreign},
	} {
		if got := StatusOf(c.secret).State; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestArmForgetsWhatWasSaidOfTheOldSecret(t *testing.T) {
	before := rearmed(revealed(map[string]string{"kept": "yes"}, Entry{By: "jane", At: noon, Why: "first"}), Entry{By: "max", At: noon, Why: "lost"})
	untouched := maps.Clone(before)
	after := Arm(before, noon.Add(time.Minute))
	if !maps.Equal(before, untouched) {
		t.Error("the map that was given changed")
	}
	status := StatusOf(held("any", nil, after))
	if status.State != Armed || status.Revealed != nil || status.Rearmed != nil || after["kept"] != "yes" {
		t.Errorf("got %+v of %v", status, after)
	}
	if !status.Since.Equal(noon.Add(time.Minute)) {
		t.Errorf("the secret's age counts from %s", status.Since)
	}
}

func TestRearmKeepsWhoSawIt(t *testing.T) {
	status := StatusOf(held("any", nil, rearmed(revealed(nil, Entry{By: "jane", At: noon, Why: "first"}), Entry{By: "max", At: noon, Why: "lost"})))
	if status.State != Armed || status.Revealed == nil || status.Revealed.By != "jane" || status.Rearmed == nil || status.Rearmed.Why != "lost" {
		t.Errorf("got %+v", status)
	}
}

func TestCheckWhy(t *testing.T) {
	for why, good := range map[string]bool{
		"first agents, ticket 4711": true, "": false, "  ": false, "a\nb": false, strings.Repeat("x", 301): false, "für Müller": true,
	} {
		if err := CheckWhy(why); (err == nil) != good {
			t.Errorf("%q: %v", why, err)
		}
	}
}
