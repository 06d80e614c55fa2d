package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/onboard/kit"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=handovers,verbs=get
// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=handovers/status,verbs=update
// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=tenants,verbs=get
// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=regions,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,resourceNames=wazuh-authd-secret,verbs=get;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// Code is why a link does not open, for programs; the page has the words.
type Code string

// The codes.
const (
	// CodeUnknown: there is no such link, or the token is not its token. The two
	// are not told apart, so that nobody can find out which links exist.
	CodeUnknown Code = "unknown"
	// CodeUsed: it was opened before.
	CodeUsed Code = "used"
	// CodeExpired: its time is over.
	CodeExpired Code = "expired"
	// CodeRevoked: the provider took it back.
	CodeRevoked Code = "revoked"
	// CodeSpent: the secret was shown some other way since the link was made.
	CodeSpent Code = "secret-spent"
	// CodeNotReady: the tenant has no way in yet; the link stays as it is.
	CodeNotReady Code = "not-ready"
)

// Closed says that a link does not open.
type Closed struct {
	Code Code
	Err  error
}

func (c *Closed) Error() string {
	if c.Err == nil {
		return string(c.Code)
	}
	return string(c.Code) + ": " + c.Err.Error()
}

// Unwrap returns what lies behind it, if anything does.
func (c *Closed) Unwrap() error { return c.Err }

// Kit is what an opened link shows.
type Kit struct {
	Title string
	// Page is the sheet as HTML; Secret the enrollment secret; Bundle a zip archive.
	Page   []byte
	Secret string
	Bundle []byte
	// File is what the archive is called.
	File string
}

// Opener opens links.
type Opener struct {
	Client client.Client
	Now    func() time.Time
	// Warn is told what went wrong without changing the answer.
	Warn func(err error)
}

// label is what Kubernetes accepts as a name here; anything else is not asked for.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Open opens a link for somebody at an address. The error is a *[Closed] where
// the link itself is the reason.
func (o *Opener) Open(ctx context.Context, link Link, from string) (Kit, error) {
	for {
		kit, err := o.try(ctx, link, from)
		if apierrors.IsConflict(err) {
			continue // somebody else was at it: look again
		}
		return kit, err
	}
}

func (o *Opener) try(ctx context.Context, link Link, from string) (Kit, error) {
	held, err := o.find(ctx, link)
	if err != nil {
		return Kit{}, err
	}
	now := o.Now()
	tenant, region, err := o.tenant(ctx, link.Tenant)
	if err != nil {
		return Kit{}, err
	}
	switch StateOf(held, now) {
	case StateOpened:
		return Kit{}, o.usedBefore(ctx, held, tenant, from)
	case StateExpired:
		return Kit{}, &Closed{Code: CodeExpired}
	case StateRevoked:
		return Kit{}, &Closed{Code: CodeRevoked}
	}
	// Everything that can fail without spending comes before.
	sheet, err := onboard.NewSheet(onboard.Input{
		Tenant: *tenant, Region: region,
		AuthorityPEM: held.Spec.Kit.AuthorityPEM, AgentVersion: held.Spec.Kit.AgentVersion, AgentGroup: held.Spec.Kit.AgentGroup,
	})
	if err != nil {
		return Kit{}, &Closed{Code: CodeNotReady, Err: err}
	}
	ref := reveal.Enrollment(link.Tenant)
	status, err := reveal.Look(ctx, o.Client, ref)
	if err != nil {
		return Kit{}, err
	}
	if status.State != reveal.Armed {
		return Kit{}, &Closed{Code: CodeSpent, Err: &reveal.Spent{Reference: ref, Status: status}}
	}
	if err := o.spend(ctx, held, from, now); err != nil {
		return Kit{}, err
	}
	return o.show(ctx, held, tenant, sheet, from)
}

// find reads the Handover and compares the token. Who has no token learns nothing.
func (o *Opener) find(ctx context.Context, link Link) (*v1alpha1.Handover, error) {
	held := &v1alpha1.Handover{}
	if !label.MatchString(link.Tenant) || !label.MatchString(link.Name) {
		return nil, &Closed{Code: CodeUnknown}
	}
	err := o.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace(link.Tenant), Name: link.Name}, held)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get handover %s: %w", link, err)
	}
	if !link.opens(held.Spec.TokenSHA256) { // of no Handover it is empty, and no token opens that
		return nil, &Closed{Code: CodeUnknown}
	}
	return held, nil
}

func (o *Opener) tenant(ctx context.Context, slug string) (*v1alpha1.Tenant, v1alpha1.Region, error) {
	tenant, region := &v1alpha1.Tenant{}, v1alpha1.Region{}
	err := o.Client.Get(ctx, client.ObjectKey{Name: slug}, tenant)
	if client.IgnoreNotFound(err) != nil {
		return nil, region, fmt.Errorf("get tenant %q: %w", slug, err)
	}
	if err != nil || tenant.DeletionTimestamp != nil {
		return nil, region, &Closed{Code: CodeRevoked, Err: fmt.Errorf("tenant %q is removed", slug)}
	}
	if tenant.Status.Region == "" {
		return tenant, region, nil // not placed; the sheet says so
	}
	if err := o.Client.Get(ctx, client.ObjectKey{Name: tenant.Status.Region}, &region); err != nil {
		return nil, region, fmt.Errorf("get region %q: %w", tenant.Status.Region, err)
	}
	return tenant, region, nil
}

// spend marks the link as opened. The update carries the resourceVersion that was
// read; the API server lets one through.
func (o *Opener) spend(ctx context.Context, held *v1alpha1.Handover, from string, now time.Time) error {
	at := metav1.NewTime(now)
	held.Status.OpenedAt, held.Status.From = &at, from
	meta.SetStatusCondition(&held.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionOpened, Status: metav1.ConditionTrue, ObservedGeneration: held.Generation,
		Reason: v1alpha1.EventHandoverOpened, Message: "opened from " + from, LastTransitionTime: at,
	})
	if err := o.Client.Status().Update(ctx, held); err != nil {
		return fmt.Errorf("mark handover %s/%s as opened: %w", held.Namespace, held.Name, err)
	}
	return nil
}

func (o *Opener) show(ctx context.Context, held *v1alpha1.Handover, tenant *v1alpha1.Tenant, sheet onboard.Sheet, from string) (Kit, error) {
	ref, now := reveal.Enrollment(tenant.Name), o.Now()
	by := reveal.Entry{By: "handover " + held.Name + " made by " + held.Spec.CreatedBy, At: now, Why: held.Spec.Why}
	secret, err := reveal.Consume(ctx, o.Client, ref, by)
	var spent *reveal.Spent
	switch {
	case errors.As(err, &spent):
		return Kit{}, &Closed{Code: CodeSpent, Err: err}
	case err != nil && len(secret) == 0:
		return Kit{}, fmt.Errorf("handover %s is used up and the secret was not shown: %w", held.Name, notConflict(err))
	case err != nil:
		o.Warn(err)
	}
	o.tell(ctx, tenant, reveal.Event{
		Reason: v1alpha1.EventHandoverOpened, Action: "Open",
		Note: fmt.Sprintf("handover %s was opened from %s; made by %s: %s", held.Name, from, held.Spec.CreatedBy, held.Spec.Why),
	})
	return pack(sheet, secret)
}

// notConflict hides a conflict, so that [Opener.Open] does not take it for the
// link's own and tries again with a link that is used up.
func notConflict(err error) error { return errors.New(err.Error()) }

func pack(sheet onboard.Sheet, secret []byte) (Kit, error) {
	page, err := kit.Fragment(kit.Enclosed(sheet))
	if err != nil {
		return Kit{}, err
	}
	files, err := kit.Files(sheet, secret)
	if err != nil {
		return Kit{}, err
	}
	var bundle bytes.Buffer
	if err := kit.WriteZip(&bundle, kit.Folder(sheet), files); err != nil {
		return Kit{}, err
	}
	return Kit{
		Title: kit.Title(sheet), Page: page, Secret: strings.TrimSuffix(string(secret), "\n"),
		Bundle: bundle.Bytes(), File: kit.Folder(sheet) + ".zip",
	}, nil
}

// usedBefore raises the alarm: either the customer's administrator was not the
// first to open the link, or somebody has it who should not.
func (o *Opener) usedBefore(ctx context.Context, held *v1alpha1.Handover, tenant *v1alpha1.Tenant, from string) error {
	o.tell(ctx, tenant, reveal.Event{
		Warning: true, Reason: v1alpha1.EventHandoverOpenedAgain, Action: "Open",
		Note: fmt.Sprintf("handover %s was tried again from %s; it was opened from %s at %s. If the customer did not open it, rotate the secret",
			held.Name, from, held.Status.From, held.Status.OpenedAt.UTC().Format(time.RFC3339)),
	})
	return &Closed{Code: CodeUsed}
}

func (o *Opener) tell(ctx context.Context, tenant *v1alpha1.Tenant, event reveal.Event) {
	if err := event.Write(ctx, o.Client, tenant, o.Now()); err != nil {
		o.Warn(err)
	}
}
