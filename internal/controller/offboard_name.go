package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/record"
	"github.com/soctalk/soctalk-ingress/internal/zone"
)

// takeNameBack takes the tenant's records out of the zone, or takes back what asks
// others for them. It may be repeated.
func (r *Reconciler) takeNameBack(ctx context.Context, tenant *v1alpha1.Tenant) error {
	if err := r.deleteEndpoint(ctx, tenant.Name); err != nil {
		return err
	}
	ways, server, err := r.waysOf(ctx, tenant)
	if err != nil {
		return err
	}
	var unlisted []v1alpha1.DNSWritten
	for _, way := range ways {
		current, _, err := r.readRecords(ctx, way, nil)
		if err == nil && way.Webhook != nil && len(current) == 0 {
			unlisted = append(unlisted, way)
		}
		if err == nil {
			err = r.change(ctx, way, current, record.Plan(current, nil, way.OwnerID), tenant.Name)
		}
		if err != nil && !plan.Abandoned(*tenant, way) {
			return &trouble{fmt.Errorf("the records of %s cannot be removed: %w; %s", way.Hostname, err, wayAround(tenant))}
		}
	}
	// Last, for what one way lists another may have removed just now.
	for _, way := range unlisted {
		if still := r.stillMarked(ctx, server, way); still != "" && !plan.Abandoned(*tenant, way) {
			return &trouble{fmt.Errorf("the records of %s cannot be removed: %s; %s", way.Hostname, still, wayAround(tenant))}
		}
	}
	return nil
}

// waysOf are all that the tenant's records were written by: what its status
// remembers, and for the names it holds, what its Region says; and the server that is
// asked first about names there.
func (r *Reconciler) waysOf(ctx context.Context, tenant *v1alpha1.Tenant) (ways []v1alpha1.DNSWritten, server string, err error) {
	if tenant.Status.DNS != nil {
		ways = tenant.Status.DNS.Written
	}
	var region v1alpha1.Region
	err = r.cached.Get(ctx, types.NamespacedName{Name: tenant.Status.Region}, &region)
	if apierrors.IsNotFound(err) {
		return ways, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read region %q: %w", tenant.Status.Region, err)
	}
	claims, err := r.claims(ctx)
	if err != nil {
		return nil, "", err
	}
	return plan.Ways(ways, region.Spec, claims, tenant.Name), region.Spec.DNS.Server, nil
}

// nameGone asks each of the zone's own servers for the tenant's name. Where the
// record is ours or external-dns's to remove, that is waited for, because the
// address will be another tenant's; a record a person made is that person's.
func (r *Reconciler) nameGone(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	hostname := tenant.Status.Hostname
	var region v1alpha1.Region
	err := r.cached.Get(ctx, types.NamespacedName{Name: tenant.Status.Region}, &region)
	switch {
	case hostname == "":
		return finished("it never had a name")
	case apierrors.IsNotFound(err):
		return finished(fmt.Sprintf("%s was not looked up, because Region %q is gone", hostname, tenant.Status.Region))
	case err != nil:
		return sight{}, fmt.Errorf("read region %q: %w", tenant.Status.Region, err)
	}
	dns := region.Spec.DNS
	writer := plan.WriterOf(dns)
	if writer == plan.WriterNobody || len(progress.Addresses) == 0 {
		return finished(fmt.Sprintf("%s was not looked up: nothing was published here", hostname))
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	unknown := func(why string) (sight, error) {
		if writer == plan.WriterPerson {
			return finished(fmt.Sprintf("whether %s still answers is not known: %s", hostname, why))
		}
		return waitingForTheirs("whether %s is gone is not known: %s; %s", hostname, why, wayAround(tenant))
	}
	found, err := r.asker.Find(ctx, dns.Server, hostname)
	if err != nil {
		return unknown(err.Error())
	}
	answers := r.asker.Ask(ctx, found, hostname)
	var servers []string
	for _, answer := range answers {
		if answer.Error != "" {
			return unknown(answer.Server.String() + ": " + answer.Error)
		}
		says := "no longer has it"
		if len(answer.Addresses) > 0 || answer.Target != "" {
			wildcard := r.asker.Wildcard(ctx, found, answer, hostname)
			if wildcard == "" && leads(answer, progress.Addresses) {
				return stillThere(tenant, writer, hostname, answer)
			}
			says = "has no record of it any more (its wildcard " + wildcard + " answers in its place)"
			if wildcard == "" {
				says = "leads elsewhere, to " + answerText(answer)
			}
		}
		servers = append(servers, fmt.Sprintf("%s %s", answer.Server, says))
	}
	return finished(fmt.Sprintf("%s is gone: %s", hostname, strings.Join(servers, ", ")))
}

// leads: to where the tenant's agents connected. An alias is not followed.
func leads(answer zone.Answer, addresses []string) bool {
	return slices.Contains(addresses, answer.Target) ||
		slices.ContainsFunc(answer.Addresses, func(address string) bool { return slices.Contains(addresses, address) })
}

func answerText(answer zone.Answer) string {
	if answer.Target != "" {
		return answer.Target
	}
	return strings.Join(answer.Addresses, ", ")
}

// stillThere says whose move it is.
func stillThere(tenant *v1alpha1.Tenant, writer plan.Writer, hostname string, answer zone.Answer) (sight, error) {
	text := fmt.Sprintf("%s still says that %s leads to %s", answer.Server, hostname, answerText(answer))
	switch writer {
	case plan.WriterPerson:
		return finished(text + "; remove its record")
	case plan.WriterDirect:
		return waitingForTheirs("%s: the zone's servers have not followed yet; %s", text, wayAround(tenant))
	}
	return waitingForTheirs("%s: external-dns has not removed it yet; %s", text, wayAround(tenant))
}
