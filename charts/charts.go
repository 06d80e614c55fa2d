// Package charts holds the tenant chart inside the program, so that what the
// operator renders is the chart people install by hand, byte for byte.
package charts

import "embed"

// Tenant is the folder soctalk-tenant, a Helm chart. Its README.md explains it.
//
//go:embed all:soctalk-tenant
var Tenant embed.FS

// TenantDir is the chart's folder within [Tenant].
const TenantDir = "soctalk-tenant"
