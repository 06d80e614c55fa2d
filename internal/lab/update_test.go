package lab_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// newVersion restarts the operator as one whose gateway is another image.
func newVersion(t *testing.T, l *lab.Lab, image string) {
	t.Helper()
	if err := l.StopOperator(); err != nil {
		t.Fatal(err)
	}
	l.Adjust = func(o *controller.Options) { o.Operator.GatewayImage = image }
	if err := l.StartOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func managerSet(ctx context.Context, l *lab.Lab, slug string) (*appsv1.StatefulSet, error) {
	set := &appsv1.StatefulSet{}
	return set, l.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace(slug), Name: naming.Manager}, set)
}

// containers are the images a StatefulSet's pods are to have, in one word.
func containers(set *appsv1.StatefulSet) string {
	var images []string
	for _, container := range set.Spec.Template.Spec.Containers {
		images = append(images, container.Image)
	}
	return strings.Join(images, " ")
}

// hasItsPod is true when the pod is the one that was wanted last, and ready.
func hasItsPod(set *appsv1.StatefulSet) bool {
	s := set.Status
	return s.ObservedGeneration >= set.Generation && s.ReadyReplicas == 1 && s.CurrentRevision == s.UpdateRevision
}

// inTurn waits until all tenants run an image, and wants that at no moment more than
// one of them was without its pod.
func inTurn(t *testing.T, l *lab.Lab, image string, slugs []string, meanwhile func(done int)) {
	t.Helper()
	inTurnTo(t, l, "every tenant runs "+image, func(set *appsv1.StatefulSet) bool { return strings.Contains(containers(set), image) }, slugs, meanwhile)
}

func inTurnTo(t *testing.T, l *lab.Lab, what string, asWanted func(*appsv1.StatefulSet) bool, slugs []string, meanwhile func(done int)) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) (bool, error) {
		var without, done, behind []string
		for _, slug := range slugs {
			set, err := managerSet(ctx, l, slug)
			switch {
			case err != nil:
				return false, err
			case !asWanted(set):
				behind = append(behind, slug)
			case hasItsPod(set):
				done = append(done, slug)
			default:
				without = append(without, slug)
			}
		}
		// Without its pod before and after another was: that is at the same time.
		if len(without) > 1 {
			set, err := managerSet(ctx, l, without[0])
			if err != nil {
				return false, err
			}
			if !hasItsPod(set) {
				t.Fatalf("%v are without their pods at the same time", without)
			}
		}
		meanwhile(len(done))
		if len(done) < len(slugs) {
			return false, fmt.Errorf("%v have it, %v are at it, %v wait", done, without, behind)
		}
		return true, nil
	})
	for _, slug := range slugs {
		becomes(t, l, slug, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonOK)
	}
	eventually(t, "no seat is left behind", func(ctx context.Context) (bool, error) {
		var claims v1alpha1.ClaimList
		err := l.Client.List(ctx, &claims)
		if seat := slices.IndexFunc(claims.Items, func(c v1alpha1.Claim) bool { return c.Spec.Kind == v1alpha1.ClaimUpdateSeat }); seat >= 0 {
			return false, fmt.Errorf("claim %s of tenant %s is there", claims.Items[seat].Name, claims.Items[seat].Spec.Tenant)
		}
		return err == nil, err
	})
}

// A new version of the operator changes every manager's pod. One tenant after the
// other is restarted, also when the operator is restarted in between; one that does
// not get ready again stops the rest; taking the version back heals it.
func TestAnUpdateTakesTurns(t *testing.T) {
	l := installation(t)
	slugs := []string{"turn-a", "turn-b", "turn-c"}
	for _, slug := range slugs {
		create(t, l, slug, v1alpha1.TenantSpec{Suspended: slug == "turn-b"})
	}
	for _, slug := range slugs {
		if slug == "turn-b" {
			becomes(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, metav1.ConditionTrue, v1alpha1.ReasonOK)
			continue
		}
		becomesReady(t, l, slug)
	}
	for _, slug := range slugs {
		if told := meta.FindStatusCondition(get(t, l, slug).Status.Conditions, v1alpha1.ConditionUpToDate); told != nil {
			t.Errorf("tenant %s was never updated and says %s", slug, told.Message)
		}
	}
	t.Cleanup(func() {
		l.Adjust = nil
		if err := l.StopOperator(); err != nil {
			t.Error(err)
		}
		if err := l.StartOperator(context.Background()); err != nil {
			t.Error(err)
		}
	})

	const second = "registry.example.com/soctalk-ingress:2.0.0"
	managerByDefault(t, l, slugs[0]) // as an upgrade of the kinds may bring it
	newVersion(t, l, second)
	restarted := false
	inTurn(t, l, second, slugs, func(done int) {
		if done > 0 && !restarted {
			restarted = true
			newVersion(t, l, second) // the operator itself goes away in between
		}
	})
	if wide := succeed(t, l, "tenant", "list", "-o", "wide"); strings.Count(wide, "2.0.0") < len(slugs) || !strings.Contains(wide, "UPDATE") {
		t.Errorf("the list does not show what each runs:\n%s", wide)
	}

	newVersion(t, l, "registry.example.com/soctalk-ingress:not-there")
	failed := stands(t, l, slugs)
	eventually(t, "an event tells of the update that failed", func(context.Context) (bool, error) {
		page := succeed(t, l, "tenant", "describe", failed)
		if !regexp.MustCompile(`Warning +UpdateFailed`).MatchString(page) {
			return false, fmt.Errorf("the page says\n%s", page)
		}
		return true, nil
	})
	free := slugs[(slices.Index(slugs, failed)+1)%len(slugs)]
	if free == "turn-b" {
		free = slugs[(slices.Index(slugs, failed)+2)%len(slugs)]
	}
	changesItsManager(t, l, free)

	changeSpec(t, l, failed, func(spec *v1alpha1.TenantSpec) { spec.Region = "nowhere" })
	reports(t, l, failed, v1alpha1.ConditionUpToDate, v1alpha1.ReasonUpdateFailed, `"nowhere"`)
	newVersion(t, l, second)
	becomes(t, l, failed, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonUpdateHeldBack)
	eventually(t, "nobody is kept waiting by a tenant that cannot be healed", func(context.Context) (bool, error) {
		for _, slug := range slugs {
			told := meta.FindStatusCondition(get(t, l, slug).Status.Conditions, v1alpha1.ConditionUpToDate)
			if slug != failed && told.Status != metav1.ConditionTrue {
				return false, fmt.Errorf("tenant %s says %s: %s", slug, told.Reason, told.Message)
			}
		}
		return true, nil
	})
	changeSpec(t, l, failed, func(spec *v1alpha1.TenantSpec) { spec.Region = "" })
	inTurn(t, l, second, slugs, func(int) {})
	for _, slug := range slugs {
		if slug != "turn-b" {
			becomesReady(t, l, slug)
		}
	}
}

// stands waits until one update failed, and wants the other tenants to be told and
// left alone. It returns who failed.
func stands(t *testing.T, l *lab.Lab, slugs []string) string {
	t.Helper()
	failed := ""
	eventually(t, "one update fails and the others wait", func(ctx context.Context) (bool, error) {
		said := map[string]int{}
		for _, slug := range slugs {
			var tenant v1alpha1.Tenant
			if err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
				return false, err
			}
			told := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionUpToDate)
			said[told.Reason]++
			if told.Reason == v1alpha1.ReasonUpdateFailed {
				failed = slug
				if !strings.Contains(told.Message, "container gateway of pod wazuh-manager-0: ImagePullBackOff") {
					t.Fatalf("the failed update says %s", told.Message)
				}
			}
		}
		if said[v1alpha1.ReasonUpdateFailed] != 1 || said[v1alpha1.ReasonUpdateWaiting] != len(slugs)-1 {
			return false, fmt.Errorf("they say %v", said)
		}
		return true, nil
	})
	for _, slug := range slugs {
		set, err := managerSet(t.Context(), l, slug)
		if err != nil {
			t.Fatal(err)
		}
		if slug == failed {
			continue
		}
		told := becomes(t, l, slug, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonUpdateWaiting)
		if !strings.Contains(told.Message, "tenant "+failed) {
			t.Errorf("tenant %s waits for %s and says %s", slug, failed, told.Message)
		}
		if strings.Contains(containers(set), "not-there") || set.Status.ReadyReplicas != 1 {
			t.Errorf("tenant %s was restarted after the update of %s had failed", slug, failed)
		}
	}
	return failed
}

// changesItsManager wants a tenant's own change to wait for nobody.
func changesItsManager(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	changeSpec(t, l, slug, func(spec *v1alpha1.TenantSpec) { spec.Manager.Deploy = &v1alpha1.ManagerDeploy{Version: "4.13.1"} })
	eventually(t, "the manager of tenant "+slug+" is to have another version", func(ctx context.Context) (bool, error) {
		set, err := managerSet(ctx, l, slug)
		if err != nil {
			return false, err
		}
		if !strings.Contains(containers(set), "wazuh-manager:4.13.1") {
			return false, fmt.Errorf("it has %s", containers(set))
		}
		return true, nil
	})
}

// managerByDefault gives the kind Tenant a default inside spec.manager, which asks for
// what there is, until the test ends. Every tenant then reads as if it asked for that.
func managerByDefault(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	const spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
	kind := &unstructured.Unstructured{}
	kind.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	kind.SetName("tenants.ingress.soctalk.io")
	change := func(ctx context.Context, patch string) {
		if err := l.Client.Patch(ctx, kind, client.RawPatch(types.JSONPatchType, []byte(patch))); err != nil {
			t.Error(err)
		}
	}
	change(t.Context(), `[{"op": "add", "path": "`+spec+`/default", "value": {}},
		{"op": "add", "path": "`+spec+`/properties/manager/default", "value": {"deploy": {}}}]`)
	t.Cleanup(func() {
		change(context.Background(), `[{"op": "remove", "path": "`+spec+`/default"}, {"op": "remove", "path": "`+spec+`/properties/manager/default"}]`)
	})
	eventually(t, "the new default is served", func(context.Context) (bool, error) {
		if get(t, l, slug).Spec.Manager.Deploy == nil {
			return false, fmt.Errorf("tenant %s reads as before", slug)
		}
		return true, nil
	})
}

// A Region changes who answers on the enrollment port. That restarts pods, and changes
// Services, Secrets and policies with them: all of it waits for the tenant's turn, also
// where the pods do not say what was asked of them.
func TestARegionsChoiceTakesTurns(t *testing.T) {
	l := installation(t)
	slugs := []string{"choice-a", "choice-b", "choice-c"}
	region(t, l, "choices", v1alpha1.RegionSpec{Domain: "choices.example.com", DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone}})
	for _, slug := range slugs {
		create(t, l, slug, v1alpha1.TenantSpec{Region: "choices"})
		leaves(t, l, slug)
	}
	for _, slug := range slugs {
		becomesReady(t, l, slug)
	}
	guarded := func(set *appsv1.StatefulSet) bool { return len(set.Spec.Template.Spec.Containers) > 1 }
	for _, mode := range []v1alpha1.EnrollmentMode{v1alpha1.EnrollmentDirect, v1alpha1.EnrollmentGateway} {
		if err := l.StopOperator(); err != nil {
			t.Fatal(err)
		}
		var choices v1alpha1.Region
		if err := l.Client.Get(t.Context(), types.NamespacedName{Name: "choices"}, &choices); err != nil {
			t.Fatal(err)
		}
		if mode == v1alpha1.EnrollmentGateway {
			withoutNotes(t, l, slugs)
		}
		change(t, l, &choices, func() { choices.Spec.Enrollment = mode })
		if err := l.StartOperator(t.Context()); err != nil {
			t.Fatal(err)
		}
		waited, told := map[string]bool{}, false
		inTurnTo(t, l, "every tenant's pod is for enrollment "+string(mode), func(set *appsv1.StatefulSet) bool {
			return guarded(set) == (mode == v1alpha1.EnrollmentGateway)
		}, slugs, func(int) {
			for _, slug := range slugs {
				tenant := get(t, l, slug)
				state := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionUpToDate)
				if state == nil || state.Reason != v1alpha1.ReasonUpdateWaiting || waited[slug] {
					continue
				}
				waited[slug] = true
				if !meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionReady) || !strings.Contains(state.Message, "Region choices says otherwise") {
					t.Errorf("tenant %s waits, and is not as it was before: %s", slug, state.Message)
				}
				told = tellsWhatIsToCome(t, l, slug, mode, slugs) || told
			}
		})
		if len(waited) < len(slugs)-1 {
			t.Errorf("only %v waited for enrollment %s", waited, mode)
		}
		if !told {
			t.Errorf("nobody was told what is to come with enrollment %s", mode)
		}
		for _, slug := range slugs {
			becomesReady(t, l, slug)
		}
	}
}

// withoutNotes makes pods look as if a version had written them that noted nothing.
func withoutNotes(t *testing.T, l *lab.Lab, slugs []string) {
	t.Helper()
	for _, slug := range slugs {
		set, err := managerSet(t.Context(), l, slug)
		if err != nil {
			t.Fatal(err)
		}
		change(t, l, set, func() { delete(set.Annotations, naming.AnnotationOwnSpec) })
	}
}
