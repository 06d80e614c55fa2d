package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

const (
	formatTable = "table"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatName  = "name"
	formatText  = "text"
	// formatJSONPath stands for any text that begins as it does.
	formatJSONPath = "jsonpath=TEMPLATE"
)

// output is the value of -o.
type output struct {
	format string
	known  []string
}

// addOutput gives a command -o; the first of the formats is its default.
func addOutput(command *cobra.Command, formats ...string) *output {
	out := &output{known: formats}
	command.Flags().StringVarP(&out.format, "output", "o", formats[0], "one of "+strings.Join(formats, ", "))
	complete := cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)
	if err := command.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err) // the flag stands two lines above
	}
	return out
}

// check refuses a format the command does not have.
func (o *output) check() error {
	if o.format != formatJSONPath && slices.Contains(o.known, o.format) {
		return nil
	}
	if strings.HasPrefix(o.format, "jsonpath=") && slices.Contains(o.known, formatJSONPath) {
		return nil
	}
	return usageError("--output: %q: use one of %s", o.format, strings.Join(o.known, ", "))
}

func (o *output) table() bool { return o.format == formatTable || o.format == formatWide }

// printObject prints a Kubernetes object as json, yaml, name or by a template.
func (o *output) printObject(w io.Writer, scheme *runtime.Scheme, object runtime.Object) error {
	flags := genericclioptions.NewPrintFlags("").WithTypeSetter(scheme)
	flags.OutputFormat = &o.format
	printer, err := flags.ToPrinter()
	if err != nil {
		return asUsage(err)
	}
	return printer.PrintObj(object, w)
}

// printData prints a value that is no Kubernetes object.
func (o *output) printData(w io.Writer, value any) error {
	if o.format == formatYAML {
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("write yaml: %w", err)
		}
		_, err = w.Write(text)
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "    ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// printTable prints a table, with its less important columns when wide.
func (o *output) printTable(w io.Writer, table *metav1.Table) error {
	printer := printers.NewTablePrinter(printers.PrintOptions{Wide: o.format == formatWide})
	return printer.PrintObj(table, w)
}

// asTable asks for the columns the kind itself defines, and for JSON from a
// server that makes no tables.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

// printList prints the objects of a kind of ours: as the API server's table, or
// whole. An empty namespace is for kinds that have none; none is said of no object.
func (s *session) printList(ctx context.Context, c *cluster, out *output, resource, namespace string, list client.ObjectList, none string) error {
	if !out.table() {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return fmt.Errorf("list %s: %w", resource, err)
		}
		return out.printObject(s.streams.Out, c.Scheme(), list)
	}
	table, err := c.serverTable(ctx, resource, namespace, "")
	if err != nil {
		return fmt.Errorf("list %s: %w", resource, err)
	}
	if len(table.Rows) == 0 {
		s.talk("%s", none)
		return nil
	}
	return out.printTable(s.streams.Out, table)
}

// tenantTable is the API server's own table of one tenant, or of all.
func (c *cluster) tenantTable(ctx context.Context, name string) (*metav1.Table, error) {
	return c.serverTable(ctx, "tenants", "", name)
}

// serverTable is the API server's own table of objects of ours; an empty namespace
// is for those that have none, an empty name for all.
func (c *cluster) serverTable(ctx context.Context, resource, namespace, name string) (*metav1.Table, error) {
	config := rest.CopyConfig(c.Config)
	config.GroupVersion = &v1alpha1.GroupVersion
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(c.Scheme()).WithoutConversion()
	rc, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	request := rc.Get().Resource(resource).SetHeader("Accept", asTable)
	if namespace != "" {
		request = request.Namespace(namespace)
	}
	if name != "" {
		request = request.Name(name)
	}
	result := request.Do(ctx)
	if err := result.Error(); err != nil { // Raw would leave out what the server says
		return nil, err
	}
	body, err := result.Raw()
	if err != nil {
		return nil, err
	}
	table := &metav1.Table{}
	if err := json.Unmarshal(body, table); err != nil {
		return nil, fmt.Errorf("read the table of %s: %w", resource, err)
	}
	if table.Kind != "Table" {
		return nil, fmt.Errorf("the API server answered with kind %q instead of a table; use -o yaml", table.Kind)
	}
	return table, nil
}
