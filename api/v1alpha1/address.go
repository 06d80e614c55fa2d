package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AddressChange says which address agents connected to before, and until when.
type AddressChange struct {
	// From is the address before.
	From string `json:"from"`
	// Ports are those before, such as 1514/1515, if they changed: no name tells
	// agents of that.
	// +optional
	Ports string `json:"ports,omitempty"`
	// At is when it was seen to have changed, or to be gone.
	At metav1.Time `json:"at"`
}

// Place says where agents connected to: the address, and its ports if they matter.
func (c AddressChange) Place() string {
	if c.Ports == "" {
		return c.From
	}
	return c.From + ", ports " + c.Ports
}
