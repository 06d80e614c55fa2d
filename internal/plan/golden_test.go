package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/golden"
)

// scenario is the content of an in.yaml: the whole input of a decision, and how
// carrying it out ended.
type scenario struct {
	Input `json:",inline"`
	// Error is what applying failed with, if it did.
	Error string `json:"error,omitempty"`
	// Rejected is what the API server said of an object it refused.
	Rejected string `json:"rejected,omitempty"`
	// NotInstalled is a kind the cluster turned out not to know.
	NotInstalled string `json:"notInstalled,omitempty"`
	// Crowd is how many tokens more there are, too many to write down.
	Crowd int `json:"crowd,omitempty"`
	// EnrollmentToken and Revocation are the input where one of them is judged.
	EnrollmentToken *TokenInput      `json:"enrollmentToken,omitempty"`
	Revocation      *RevocationInput `json:"revocation,omitempty"`
	// Closing is the route of a tenant that leaves, where what its edges say is judged.
	Closing *v1alpha1.Route `json:"closing,omitempty"`
	// Update is the input where a tenant's turn for a new version is decided.
	Update *UpdateInput `json:"update,omitempty"`
	// Carries is what the pods' annotation says was asked of them, where that is what
	// decides whose wish the change is.
	Carries *string `json:"carries,omitempty"`
	// Holds is the same, where a tenant waits for its turn with a Region's choice.
	Holds *string `json:"holds,omitempty"`
}

// updateVerdict is the want.yaml of such a decision.
type updateVerdict struct {
	Turn   Turn                  `json:"turn"`
	Status v1alpha1.TenantStatus `json:"status"`
}

// closingVerdict is the want.yaml of a route that is closed: what it waits for, or what
// is on record.
type closingVerdict struct {
	Waits  string `json:"waits,omitempty"`
	Record string `json:"record,omitempty"`
}

// verdict is the content of a want.yaml.
type verdict struct {
	Problem string                `json:"problem,omitempty"`
	Desired *Desired              `json:"desired,omitempty"`
	Status  v1alpha1.TenantStatus `json:"status"`
}

func TestDecisions(t *testing.T) {
	seen := map[string]bool{}
	golden.Folders(t, "testdata", func(t *testing.T, folder string) {
		golden.Why(t, filepath.Join(folder, "in.yaml"))
		got, conditions := decide(t, folder)
		for _, condition := range conditions {
			seen[condition.Reason] = true
		}
		golden.Compare(t, filepath.Join(folder, "want.yaml"), golden.YAML(t, got))
	})
	for _, reason := range v1alpha1.Reasons() {
		if !seen[reason] {
			t.Errorf("no case in testdata reports reason %s; add a folder that does", reason)
		}
	}
	for reason := range seen {
		if !slices.Contains(v1alpha1.Reasons(), reason) {
			t.Errorf("reason %s is reported and missing from v1alpha1.Reasons", reason)
		}
	}
}

func decide(t *testing.T, folder string) (any, []metav1.Condition) {
	t.Helper()
	var given scenario
	golden.Read(t, filepath.Join(folder, "in.yaml"), &given)
	if given.Holds != nil {
		var ok bool
		if given.Regions, ok = Held(given.Tenant, given.Regions, *given.Holds); !ok {
			t.Fatal("there is nothing to wait with")
		}
	}
	fillUp(&given)
	obeyWanted(&given.Input)
	before, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	var conditions []metav1.Condition
	switch {
	case given.EnrollmentToken != nil:
		report := ReportToken(*given.EnrollmentToken)
		got, conditions = report, report.Status.Conditions
	case given.Revocation != nil:
		move := Revoke(*given.Revocation)
		got, conditions = move, move.Status.Conditions
	case given.Closing != nil:
		verdict := closingVerdict{Waits: Uncut(*given.Closing, given.Observed.Silent)}
		if verdict.Waits == "" {
			verdict.Record = CutSays(*given.Closing)
		}
		got = verdict
	case given.Update != nil:
		ask := *given.Update
		if given.Carries != nil {
			place, err := Place(given.Tenant, given.Regions)
			if err != nil {
				t.Fatal(err)
			}
			ask.Own = AskedMore(AskedBy(given.Tenant, place), *given.Carries)
		}
		verdict := updateVerdict{Turn: NextTurn(ask), Status: *given.Tenant.Status.DeepCopy()}
		reportUpdate(&verdict.Status, given.Input, &verdict.Turn)
		got, conditions = verdict, verdict.Status.Conditions
	default:
		verdict := decideTenant(given)
		got, conditions = verdict, verdict.Status.Conditions
	}
	after, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("the decision changed its input")
	}
	return got, conditions
}

func decideTenant(given scenario) verdict {
	desired, planErr := Tenant(given.Input)
	outcome := Outcome{Desired: desired, Err: planErr}
	got := verdict{}
	if planErr != nil {
		got.Problem = planErr.Error()
	} else {
		got.Desired = &desired
	}
	if given.Error != "" {
		outcome.Err = errors.New(given.Error)
	}
	if given.Rejected != "" {
		outcome.Err = Rejected("StatefulSet wazuh-manager", given.Rejected)
	}
	if given.NotInstalled != "" {
		outcome.Err = NotInstalled(given.NotInstalled+" wazuh-tls", given.NotInstalled)
	}
	got.Status = Report(given.Input, outcome)
	if given.Crowd > 0 && got.Desired != nil {
		few := *got.Desired.Policy
		few.Tokens = few.Tokens[:min(len(few.Tokens), 1)] // nobody reads the rest
		got.Desired.Policy = &few
	}
	return got
}

// fillUp makes a crowd of tokens, where the tenant is judged and where a token is.
func fillUp(given *scenario) {
	for number := range given.Crowd {
		name := fmt.Sprintf("laptop-%04d", number)
		token := Token{Token: v1alpha1.EnrollmentToken{ObjectMeta: metav1.ObjectMeta{Name: name}}, Digest: policy.DigestOf([]byte(name))}
		if one := given.EnrollmentToken; one != nil {
			one.Guard.Stored.Tokens = append(one.Guard.Stored.Tokens, policyToken(token))
			continue
		}
		given.Observed.Enrollment.Tokens = append(given.Observed.Enrollment.Tokens, token)
	}
}

// obeyWanted spells out "policy: wanted", which stands for a gateway that obeys
// what it should: a fingerprint says nothing to a reader.
func obeyWanted(in *Input) {
	if in.Observed.Gateway.Policy != "wanted" {
		return
	}
	place, err := Place(in.Tenant, in.Regions)
	if err != nil {
		return
	}
	in.Observed.Gateway.Generation, in.Observed.Gateway.Policy = 0, ""
	if want := wantedPolicy(*in, place); want != nil {
		in.Observed.Gateway.Generation, in.Observed.Gateway.Policy = want.Generation, want.Fingerprint()
	}
}
