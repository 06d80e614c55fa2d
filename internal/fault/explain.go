package fault

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// Finding is one thing that is wrong, and what to do about it.
type Finding struct {
	Message string
	// Field that is wrong, where one is named.
	Field string
	// Hint is for the command line, Page for a page.
	Hint, Page string
}

// Explain turns an error into what a person can act on. What the planner refuses
// and what the API server refuses look the same.
func Explain(err error) []Finding {
	var known *Error
	if errors.As(err, &known) && known.Hint != "" {
		return []Finding{{Message: err.Error(), Hint: known.Hint, Page: known.Page}}
	}
	var problem *plan.Problem
	if errors.As(err, &problem) {
		// What was said around the problem, such as the tenant's name, stays.
		context := strings.TrimSuffix(err.Error(), problem.Error())
		return []Finding{{context + refusal(problem.Field, strconv.Quote(problem.Value)), problem.Field, problem.Remedy, problem.Remedy}}
	}
	if status := invalid(err); status != nil {
		return refusals(status)
	}
	hint, page := hintFor(err)
	return []Finding{{Message: err.Error(), Hint: hint, Page: page}}
}

func refusal(field, value string) string {
	if value == "" {
		return field + " is refused"
	}
	return fmt.Sprintf("%s: %s is refused", field, value)
}

// invalid is the API server's own list of faults, if err carries one.
func invalid(err error) *metav1.Status {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) {
		return nil
	}
	if held := status.Status(); held.Details != nil && len(held.Details.Causes) > 0 {
		return &held
	}
	return nil
}

func refusals(status *metav1.Status) []Finding {
	details := status.Details
	context := ""
	if details.Name != "" {
		context = fmt.Sprintf("%s %q: ", strings.ToLower(details.Kind), details.Name)
	}
	var out []Finding
	for _, cause := range details.Causes {
		if cause.Field == "" || cause.Field == "<nil>" {
			continue // that further rules were not looked at
		}
		value, remedy := splitCause(cause.Message)
		remedy = strings.TrimPrefix(remedy, cause.Field+" in body ")
		out = append(out, Finding{context + refusal(cause.Field, value), cause.Field, remedy, remedy})
	}
	if out == nil {
		return []Finding{{Message: status.Message}}
	}
	return out
}

// splitCause takes `Invalid value: "x": what to do` apart. A rule on a whole
// object has no value, or its type for one, which tells nobody anything.
func splitCause(message string) (value, remedy string) {
	kind, rest, ok := strings.Cut(message, ": ")
	if !ok || kind != "Invalid value" && kind != "Unsupported value" {
		return "", message
	}
	value, err := strconv.QuotedPrefix(rest)
	if err != nil {
		value, _, ok = strings.Cut(rest, ": ")
		if !ok || strings.Contains(value, " ") {
			return "", rest // no value at all
		}
	}
	remedy = strings.TrimPrefix(strings.TrimPrefix(rest, value), ": ")
	if value == `"object"` || value == `"array"` || strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
		return "", remedy
	}
	return value, remedy
}

// hintFor knows the usual reasons a cluster does not answer as hoped.
func hintFor(err error) (hint, page string) {
	var network *net.OpError
	var status apierrors.APIStatus
	switch {
	case clientcmd.IsEmptyConfig(err):
		return "no cluster is configured; set KUBECONFIG, or use --kubeconfig and --context", ""
	case meta.IsNoMatchError(err):
		both := "the cluster does not know this kind; install the chart soctalk-ingress, which brings it"
		return both, both
	case apierrors.IsForbidden(err):
		return "ask the cluster's administrator for the right named here, or use another --context", "ask the cluster's administrator for the right that is named here"
	case apierrors.IsUnauthorized(err):
		return "the cluster does not accept your credentials; log in again, or use another --context", "sign in again"
	case errors.As(err, &network) && !errors.As(err, &status):
		return "the cluster does not answer; check KUBECONFIG, --context and your connection", "the cluster does not answer; try again"
	}
	return "", ""
}
