package lab_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/soctalk/soctalk-ingress/internal/console/pages"
)

// inABrowser goes the whole way as a person does: the button, the provider's form, and
// back to the screen that was asked for. The provider is another site, so this is also
// where browsers say which cookies come along.
func (h *hall) inABrowser(t *testing.T) {
	if _, err := exec.LookPath(browserProgram); err != nil {
		t.Skip("MISSING: chromium is not installed, so nobody signed in with a browser; as root: bash hack/install-peers.sh")
	}
	if !pages.Built() {
		t.Skip("MISSING: the console's pages are not built, so nobody signed in with a browser: make console")
	}
	v := &person{visitor: visitor{t: t, ctx: newBrowser(t), pictures: pictureFolder(t)}}
	v.arrives(h.url + "/regions")

	// First somebody who refuses at the provider, and is told so at the door.
	v.follows("Sign in with MSSP ID")
	v.do(chromedp.WaitVisible("#refuse"), chromedp.Click("#refuse"), chromedp.WaitVisible("#token"))
	v.sees("MSSP ID says access_denied")
	v.sees("its administrator decides who may use the console")
	v.picture("console-sign-in-refused")

	v.follows("Sign in with MSSP ID")
	v.do(chromedp.WaitVisible("#username"), chromedp.SendKeys("#username", "alice"), chromedp.SendKeys("#password", "alices-password"), chromedp.Click("#enter"))
	v.do(chromedp.WaitVisible(`//h1[.="Regions"]`))
	v.sees("mssp:alice@mssp.example.com")
	if address := ask(&v.visitor, chromedp.Location()); address != h.url+"/regions" {
		t.Errorf("the browser is at %s", address)
	}
	if page := ask(&v.visitor, chromedp.OuterHTML("html")); strings.Contains(page, "eyJ") {
		t.Error("the page has a token in it")
	}
	v.do(chromedp.Click(`//nav//a[normalize-space(.)="Tenants"]`), chromedp.WaitVisible(`//a[.="signed"]`))

	v.press("Sign out")
	v.do(chromedp.WaitVisible("#token"))
	v.follows("Sign out of MSSP ID too")
	v.do(chromedp.WaitVisible("#token"))
	v.sees("Sign in with MSSP ID")
	if faults := ask(&v.visitor, chromedp.Evaluate[[]string](`window.faults ?? []`)); len(faults) > 0 {
		t.Errorf("the pages caused: %s", strings.Join(faults, "\n"))
	}
}

// follows a link, or a button that is one.
func (v *person) follows(text string) {
	v.t.Helper()
	v.do(chromedp.Click(`//a[normalize-space(.)="` + text + `"]`))
}
