package haproxies

import (
	"strings"
	"testing"
)

func TestVersionsInOrder(t *testing.T) {
	ordered := []string{"2.6.12-1+deb12u4", "3.0.9-1", "3.0.11-1+deb13u4", "3.0.11-1+deb13u10", "3.2.26-1", "3.10.0"}
	for i := range ordered[1:] {
		if compare(ordered[i], ordered[i+1]) >= 0 || compare(ordered[i+1], ordered[i]) <= 0 {
			t.Errorf("%s and %s are in the wrong order", ordered[i], ordered[i+1])
		}
	}
	if got := (Program{Version: "3.10.0"}).Branch(); got != "3.10" {
		t.Errorf("branch %q", got)
	}
}

// Each test finds the HAProxy it is run with, in its own subtests too.
func TestEachTellsItsTestWhichOne(t *testing.T) {
	if len(All(t)) == 0 {
		t.Skip("there is no HAProxy; hack/install-haproxies.sh fetches some")
	}
	t.Setenv("SOCTALK_TEST_QUICK", "")
	ran := map[string]bool{}
	Each(t, func(t *testing.T) {
		want := t.Name()[strings.LastIndexByte(t.Name(), '-')+1:]
		t.Run("within", func(t *testing.T) {
			program, err := ask(Need(t))
			if err != nil {
				t.Fatal(err)
			}
			if program.Branch() != want {
				t.Errorf("HAProxy %s in the test of %s", program.Version, want)
			}
			ran[want] = true
			t.Log(program.Version)
		})
	})
	if len(ran) != len(All(t)) {
		t.Errorf("ran with %v, found %v", ran, All(t))
	}
}
