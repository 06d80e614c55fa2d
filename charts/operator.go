package charts

import "embed"

// Operator is the chart soctalk-ingress: the operator itself, its kinds and its rights.
//
//go:embed all:soctalk-ingress
var Operator embed.FS
