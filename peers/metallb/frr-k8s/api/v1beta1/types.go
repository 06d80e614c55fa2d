// Package v1beta1 holds the names of frr-k8s's types, as far as MetalLB's source
// mentions them, so that its controller compiles without that module. Only
// MetalLB's speaker makes use of the real ones, to configure BGP routers; the
// controller gives out addresses and never touches them.
package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// AddToScheme adds nothing: no frr-k8s runs beside this controller.
func AddToScheme(*runtime.Scheme) error { return nil }

// FRRConfiguration is the object MetalLB's speaker would write.
type FRRConfiguration struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Spec FRRConfigurationSpec
}

// DeepCopyObject makes it an object.
func (c *FRRConfiguration) DeepCopyObject() runtime.Object { return c.DeepCopy() }

// DeepCopy copies what the speaker would change afterwards.
func (c *FRRConfiguration) DeepCopy() *FRRConfiguration {
	out := *c
	c.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	c.Spec.DeepCopyInto(&out.Spec)
	return &out
}

type (
	// FRRConfigurationSpec says which node speaks BGP, and how.
	FRRConfigurationSpec struct {
		NodeSelector metav1.LabelSelector
		BGP          BGPConfig
	}
	// BGPConfig holds routers and profiles.
	BGPConfig struct {
		Routers     []Router
		BFDProfiles []BFDProfile
	}
	// Router is one BGP speaker.
	Router struct {
		ASN       uint32
		ID, VRF   string
		Neighbors []Neighbor
		Prefixes  []string
	}
	// DynamicASNMode is how a neighbor's number is found.
	DynamicASNMode string
	// Neighbor is one BGP peer.
	Neighbor struct {
		Address, Interface, BFDProfile, Password string
		ASN                                      uint32
		DynamicASN                               DynamicASNMode
		Port                                     *uint16
		HoldTime, KeepaliveTime, ConnectTime     *metav1.Duration
		EnableGracefulRestart, EBGPMultiHop      bool
		DualStackAddressFamily, DisableMP        bool
		PasswordSecret                           SecretReference
		ToAdvertise                              Advertise
	}
	// SecretReference names a Secret.
	SecretReference struct{ Name, Namespace string }
	// Advertise is what a neighbor is told.
	Advertise struct {
		Allowed                   AllowedOutPrefixes
		PrefixesWithLocalPref     []LocalPrefPrefixes
		PrefixesWithCommunity     []CommunityPrefixes
		PrefixesWithAsPathPrepend []AsPathPrependPrefixes
	}
	// AllowedOutPrefixes may be told.
	AllowedOutPrefixes struct{ Prefixes []string }
	// LocalPrefPrefixes are told with a preference.
	LocalPrefPrefixes struct {
		LocalPref uint32
		Prefixes  []string
	}
	// CommunityPrefixes are told with a community.
	CommunityPrefixes struct {
		Community string
		Prefixes  []string
	}
	// AsPathPrependPrefixes are told with a longer path.
	AsPathPrependPrefixes struct {
		AsPathPrepend uint8
		Count         uint8
		Prefixes      []string
	}
	// BFDProfile says how a dead neighbor is noticed.
	BFDProfile struct {
		Name                                                              string
		ReceiveInterval, TransmitInterval, DetectMultiplier, EchoInterval *uint32
		MinimumTTL                                                        *uint32
		EchoMode, PassiveMode                                             *bool
	}
)

// DeepCopyInto copies the parts that are shared otherwise.
func (s *FRRConfigurationSpec) DeepCopyInto(out *FRRConfigurationSpec) {
	*out = *s
	s.NodeSelector.DeepCopyInto(&out.NodeSelector)
	out.BGP.Routers = append([]Router(nil), s.BGP.Routers...)
	out.BGP.BFDProfiles = append([]BFDProfile(nil), s.BGP.BFDProfiles...)
}
