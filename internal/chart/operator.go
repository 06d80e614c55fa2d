package chart

import (
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// RenderOperator returns the files of the operator's own chart as `helm install`
// would render them, by name. The operator does not install itself: this is for
// tests that hold its chart against what it does.
func RenderOperator(values map[string]any) (map[string]string, error) {
	chart, err := load(charts.Operator, naming.Product)
	if err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: naming.Product, Namespace: naming.DefaultSystemNamespace, Revision: 1, IsInstall: true}
	toRender, err := util.ToRenderValues(chart, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, toRender)
}
