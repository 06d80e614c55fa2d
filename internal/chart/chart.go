// Package chart renders the tenant chart with Helm's own engine, so that the
// operator applies exactly what `helm install` would.
//
// It reads the chart from inside the program, checks the values against the
// chart's schema, renders without any cluster (lookup finds nothing), and gives
// back objects in the order to apply them. Same values, same objects: nothing
// random and no clock. Start with [Render].
package chart

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Options say how to render; the zero value is what the operator uses.
type Options struct {
	// Generate lets the chart make up the Secrets it is asked to create, as
	// `helm template` does. Every rendering then holds other secrets, which is
	// why it has to be asked for.
	Generate bool
}

// embedded is the chart of this program, read once.
var embedded = sync.OnceValues(func() (*v2.Chart, error) { return load(charts.Tenant, charts.TenantDir) })

// Digest is one word for everything the chart of this program holds: another version
// of it may make other pods of the same values.
var Digest = sync.OnceValue(func() string {
	chart, err := embedded()
	if err != nil {
		return "" // Render tells
	}
	sum := sha256.New()
	for _, file := range chart.Raw {
		fmt.Fprintf(sum, "%s %d\n%s", file.Name, len(file.Data), file.Data)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
})

// load reads a chart from a folder of a file system.
func load(files fs.FS, dir string) (*v2.Chart, error) {
	var buffered []*archive.BufferedFile
	err := fs.WalkDir(files, dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		buffered = append(buffered, &archive.BufferedFile{Name: strings.TrimPrefix(path, dir+"/"), Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the chart %s: %w", dir, err)
	}
	chart, err := loader.LoadFiles(buffered)
	if err != nil {
		return nil, fmt.Errorf("load the chart %s: %w", dir, err)
	}
	return chart, nil
}

// Render returns the objects of one tenant, in the order to apply them. The
// values are those of the chart's values.yaml; an error names the value at
// fault. values is not changed.
func Render(values map[string]any, options Options) ([]*unstructured.Unstructured, error) {
	chart, err := embedded()
	if err != nil {
		return nil, err
	}
	if err := checkTables(chart.Values, values, ""); err != nil {
		return nil, err
	}
	release := releaseOf(values)
	toRender, err := util.ToRenderValues(chart, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, valueError(err)
	}
	if !options.Generate {
		if err := refuseGenerated(toRender); err != nil {
			return nil, err
		}
	}
	rendered, err := engine.Render(chart, toRender)
	if err != nil {
		return nil, templateError(err)
	}
	return parse(rendered)
}

// releaseOf is the release the operator stands in for. The slug may still be
// wrong here: the schema judges it.
func releaseOf(values map[string]any) common.ReleaseOptions {
	tenant, _ := values["tenant"].(map[string]any)
	slug, _ := tenant["slug"].(string)
	namespace := naming.Namespace(slug)
	return common.ReleaseOptions{Name: namespace, Namespace: namespace, Revision: 1, IsInstall: true}
}

// refuseGenerated keeps random values out of what is applied again and again: a
// rendered Secret would be another one each time.
func refuseGenerated(toRender common.Values) error {
	values, err := toRender.Table("Values")
	if err != nil {
		return fmt.Errorf("values: %w", err)
	}
	for _, name := range []string{"enrollment", "api"} {
		table, err := values.Table(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if create, _ := table["create"].(bool); create {
			return fmt.Errorf("%s.create: must be false here, a rendering would hold a new secret each time; make the Secret %q yourself", name, secretName(table))
		}
	}
	return nil
}

func secretName(table common.Values) any {
	if name, ok := table["secretName"]; ok {
		return name
	}
	return table["credentialsSecret"]
}
