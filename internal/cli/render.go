package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// renderFlags are the flags of render.
type renderFlags struct {
	files     []string
	values    bool
	namespace string
}

// operatorsSecrets are a tenant's Secrets that no chart describes; the last three
// come with enrollment gateway.
var operatorsSecrets = []string{
	naming.SecretEnrollment, naming.SecretAPI, naming.SecretAPITLS,
	naming.SecretAuthdInternal, naming.SecretGatewayAdmin, naming.SecretGatewayPolicy,
}

func newRenderCommand(s *session) *cobra.Command {
	flags := renderFlags{}
	command := &cobra.Command{
		Use:   "render -f FILE",
		Short: "show what the operator would apply, without a cluster",
		Long: "Show what the operator would apply for the Tenants in the files, in the Regions in the\n" +
			"files: claims first, then the objects of the tenant chart. It is the operator's own\n" +
			"code, told of an empty cluster, so a tenant that is already running may differ in what\n" +
			"depends on what was seen there. Claims in the files count as held.\n\n" +
			"Tenants taken from a cluster, with their status, are rendered as they are to be. What\n" +
			"they have instead by that status is told on standard error: a change of a Region waits\n" +
			"where tenants take turns.\n\n" +
			"A field nobody knows, a wrong value, an unknown Region or a name two tenants want end\n" +
			"it with exit code 4.",
		Example: "  soctalk-ingress render -f region.yaml -f tenants.yaml\n\n" +
			"  # the tenant chart's values, for helm template\n" +
			"  soctalk-ingress render -f all.yaml --values\n\n" +
			"  # what a change would change\n" +
			"  soctalk-ingress render -f all.yaml | kubectl diff -f -\n\n" +
			"  # what is to come for a tenant that runs, and what it has until then\n" +
			"  kubectl get region eu -o yaml > region.yaml\n" +
			"  kubectl get tenant acme -o yaml > acme.yaml\n" +
			"  soctalk-ingress render -f region.yaml -f acme.yaml > /dev/null",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	set := command.Flags()
	set.StringArrayVarP(&flags.files, "filename", "f", nil, "YAML file with Tenants and Regions; - for standard input; repeat for more")
	set.BoolVar(&flags.values, "values", false, "show the values of the tenant chart instead of the objects")
	set.StringVar(&flags.namespace, "operator-namespace", naming.DefaultSystemNamespace, "namespace the operator runs in; the tenants' policies let it in")
	if err := command.MarkFlagFilename("filename", "yaml", "yml"); err != nil {
		panic(err) // the flag stands above
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		if len(flags.files) == 0 {
			return usageError("nothing to render: give a file with -f")
		}
		return s.render(command.Context(), flags)
	}
	return command
}

func (s *session) render(ctx context.Context, flags renderFlags) error {
	manifests := &manifests{}
	for _, file := range flags.files {
		if err := s.readManifests(file, manifests); err != nil {
			return err
		}
	}
	if len(manifests.tenants) == 0 {
		return hinted(exitRefused, fmt.Errorf("no Tenant in %s", strings.Join(flags.files, ", ")), "a Tenant has apiVersion: %s and kind: Tenant", v1alpha1.GroupVersion)
	}
	var all []any
	for _, tenant := range manifests.tenants {
		if err := ctx.Err(); err != nil {
			return err
		}
		objects, err := renderTenant(tenant, manifests, flags)
		if err != nil {
			return fmt.Errorf("tenant %q: %w", tenant.Name, err)
		}
		coming, err := plan.Coming(tenant, manifests.regions)
		if err != nil {
			return fmt.Errorf("tenant %q: %w", tenant.Name, err)
		}
		s.tellComing(tenant, coming)
		all = append(all, objects...)
	}
	if !flags.values {
		s.talk("the operator also makes the Secrets %s of each tenant; what is in them is random, or follows from it", strings.Join(operatorsSecrets, ", "))
	}
	return writeDocuments(s.streams.Out, all)
}

// renderTenant decides and renders one tenant, and holds its claims against
// those after it.
func renderTenant(tenant v1alpha1.Tenant, manifests *manifests, flags renderFlags) ([]any, error) {
	desired, err := plan.Tenant(plan.Input{
		Tenant:   tenant,
		Regions:  manifests.regions,
		Operator: plan.Operator{Namespace: flags.namespace, PodLabels: naming.OperatorPodLabels()},
		Observed: plan.Observed{Claims: manifests.held},
	})
	if err != nil {
		return nil, err
	}
	for _, claim := range desired.Claims {
		manifests.held[claim.Name] = plan.Holder{Tenant: tenant.Name}
	}
	rendered, err := chart.Render(desired.Values, chart.Options{})
	if err != nil {
		return nil, hinted(exitRefused, err, "this is about the tenant chart's values, which --values shows")
	}
	if flags.values {
		return []any{desired.Values}, nil
	}
	var out []any
	for _, claim := range desired.Claims {
		out = append(out, claimObject(claim, tenant.Name))
	}
	for _, object := range rendered {
		out = append(out, object.Object)
	}
	return out, nil
}

func claimObject(claim plan.Claim, slug string) map[string]any {
	return map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       "Claim",
		"metadata":   map[string]any{"name": claim.Name, "labels": map[string]any{naming.LabelTenant: slug, naming.LabelManagedBy: naming.Product}},
		"spec":       map[string]any{"tenant": slug, "kind": string(claim.Kind)},
	}
}

func (s *session) readManifests(file string, into *manifests) error {
	name, stream := file, s.streams.In
	if file == "-" {
		name = "standard input"
	} else {
		opened, err := os.Open(file)
		if err != nil {
			return usageError("-f: %w", err)
		}
		defer opened.Close()
		stream = opened
	}
	text, err := io.ReadAll(io.LimitReader(stream, maxManifest+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case len(text) > maxManifest:
		return hinted(exitRefused, errors.New(name+" is too large"), "%d MiB is the limit; give several files", maxManifest>>20)
	}
	return into.add(name, text)
}

func writeDocuments(w io.Writer, documents []any) error {
	for i, document := range documents {
		text, err := yaml.Marshal(document)
		if err != nil {
			return fmt.Errorf("write yaml: %w", err)
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}
