package record

import (
	"slices"
	"strings"
)

// Owner is what the mark beside a record says.
type Owner struct {
	// ID of the installation the record belongs to.
	ID string `json:"id"`
	// Resource the record was made for.
	Resource string `json:"resource,omitempty"`
}

const (
	heritage      = "heritage=external-dns"
	ownerLabel    = "external-dns/owner"
	resourceLabel = "external-dns/resource"
)

// Text is the mark's content, as external-dns writes it.
func (o Owner) Text() string {
	parts := []string{heritage, ownerLabel + "=" + o.ID}
	if o.Resource != "" {
		parts = append(parts, resourceLabel+"="+o.Resource)
	}
	return strings.Join(parts, ",")
}

// ParseOwner reads a mark; false means that the text is something else.
func ParseOwner(text string) (Owner, bool) {
	parts := strings.Split(strings.Trim(text, `"`), ",")
	if !slices.Contains(parts, heritage) {
		return Owner{}, false
	}
	var owner Owner
	for _, part := range parts {
		switch key, value, _ := strings.Cut(part, "="); key {
		case ownerLabel:
			owner.ID = value
		case resourceLabel:
			owner.Resource = value
		}
	}
	return owner, true
}

// Naming says what the marks are called.
type Naming struct {
	// Prefix before the name; "%{record_type}" stands for the record's type.
	Prefix string `json:"prefix,omitempty"`
}

const typeTemplate = "%{record_type}"

// Mark is the name of the TXT record that says whose a record is: a-acme.example.com
// for the A record of acme.example.com.
func (n Naming) Mark(name, kind string) string {
	kind = strings.ToLower(kind)
	if strings.Contains(n.Prefix, typeTemplate) {
		return strings.ReplaceAll(n.Prefix, typeTemplate, kind) + name
	}
	return n.Prefix + kind + "-" + name
}

// OldMark is the name that external-dns before v0.12 gave, which says nothing of
// the type; it counts where there is no other, except for AAAA records.
func (n Naming) OldMark(name, kind string) (mark string, ok bool) {
	return strings.ReplaceAll(n.Prefix, typeTemplate, "") + name, kind != AAAA
}
