package lab_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/pages"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// axeProgram judges pages for people who do not see or do not point.
const axeProgram = "../../console/node_modules/axe-core/axe.min.js"

// arrivesWithin is how long a new agent may take from its key to its row; the
// console asks the manager every five seconds while somebody looks.
const arrivesWithin = 20 * time.Second

// faultBook writes down what the pages must never cause.
const faultBook = `window.faults = [];
addEventListener("securitypolicyviolation", (e) => faults.push("policy: " + e.violatedDirective + " " + e.blockedURI));
addEventListener("error", (e) => faults.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => faults.push("rejected: " + e.reason));
{ const say = console.error; console.error = (...words) => { faults.push("console: " + words.join(" ")); say(...words); }; }`

// A customer's whole life in a browser: the tenant is made, its secret revealed once,
// the first agent arrives and is revoked, and the tenant goes and leaves a report. On the
// way axe looks at each screen in both themes.
func TestACustomersLifeInTheConsole(t *testing.T) {
	if _, err := exec.LookPath(browserProgram); err != nil {
		t.Skip("MISSING: chromium is not installed, so nobody opened the console in a browser; as root: bash hack/install-peers.sh")
	}
	axe, err := os.ReadFile(axeProgram)
	if err != nil || !pages.Built() {
		t.Skip("MISSING: the console's pages are not built, so nobody opened them in a browser: make console")
	}
	l := installation(t)
	log := &logBook{}
	url, err := l.Console(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	token, err := l.PersonToken(t.Context(), "bea", lab.RoleViewer, lab.RoleOperator, lab.RoleAccess)
	if err != nil {
		t.Fatal(err)
	}
	const slug = "voyage"
	removed(t, l, slug)
	v := &person{visitor: visitor{t: t, ctx: newBrowser(t), pictures: pictureFolder(t)}, axe: string(axe)}
	v.arrives(url)

	v.look("sign-in")
	v.do(chromedp.SendKeys("#token", token))
	v.press("Sign in")
	v.sees("Tenants")

	v.press("New tenant")
	v.do(chromedp.SendKeys("#slug", slug), chromedp.SendKeys("#displayName", "Voyage GmbH"))
	v.sees("The cluster would take it")
	v.look("new")
	v.press("Create")
	v.sees("What an agent depends on, in order")
	v.eventually("the tenant is ready", `[...document.querySelectorAll("main .pf-v6-c-label")].some((label) => label.textContent.trim() === "ready")`)
	v.look("path")

	secret := v.revealsTheSecret(t, l, slug)
	v.firstAgent(t, l, slug, secret)
	v.revokes()

	v.tab("Security")
	v.sees("Certificate of the enrollment port")
	v.look("security")
	v.tab("Events")
	v.sees("SecretRevealed")
	v.look("events")
	v.do(chromedp.Click(`//nav//a[normalize-space(.)="Regions"]`), chromedp.WaitVisible(`//h1[.="Regions"]`))
	v.sees("Mode unless asked")
	v.look("regions")
	v.do(chromedp.Click(`//nav//a[normalize-space(.)="Tenants"]`), chromedp.WaitVisible(`//a[.="`+slug+`"]`))
	v.mends(t, l, slug)
	v.do(chromedp.Click(`//a[.="` + slug + `"]`))

	v.press("Offboard")
	v.types("why", "contract ended, ticket 4712")
	v.types("confirm", slug)
	v.look("offboard")
	v.inDialog("Offboard")
	v.sees("is being removed")
	v.look("removing")
	v.sees(slug + " was removed")
	v.look("removed")

	if faults := ask(&v.visitor, chromedp.Evaluate[[]string](`faults`)); len(faults) > 0 {
		t.Errorf("the pages caused: %s", strings.Join(faults, "\n"))
	}
	if strings.Contains(log.String(), secret.Reveal()) || strings.Contains(log.String(), token) {
		t.Error("a secret is in the console's log")
	}
}

// person is a visitor who works here.
type person struct {
	visitor
	axe string
}

// arrives opens the console, with the book of faults in the page before anything else.
func (v *person) arrives(url string) {
	v.t.Helper()
	v.screen(1280, 900, "light")
	v.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, devtools.AddScriptToEvaluateOnNewDocument, devtools.AddScriptToEvaluateOnNewDocumentParams{Source: faultBook})
		return err
	}), chromedp.Navigate(url), chromedp.WaitVisible("#token"))
}

// revealsTheSecret shows it once and puts it away.
func (v *person) revealsTheSecret(t *testing.T, l *lab.Lab, slug string) wazuh.Secret {
	t.Helper()
	v.tab("Agent Onboarding")
	v.sees("Save the kit")
	wanted := enrollmentSecret(t, l, slug)
	if strings.Contains(ask(&v.visitor, chromedp.OuterHTML("html")), wanted.Reveal()) {
		t.Fatal("the secret is on the page before anybody asked")
	}
	v.look("onboarding")
	v.press("Reveal once")
	v.types("why", "first agents, ticket 4711")
	v.look("reveal")
	v.inDialog("Reveal")
	v.sees("Copy it now. It is not shown again.")
	shown := wazuh.NewSecret(ask(&v.visitor, chromedp.Text(".pf-v6-c-alert .copy pre")))
	if shown.Reveal() != wanted.Reveal() {
		t.Fatal("another secret is shown than the tenant's")
	}
	v.press("I have it")
	v.sees("Allow another reveal")
	if strings.Contains(ask(&v.visitor, chromedp.OuterHTML("html")), wanted.Reveal()) {
		t.Error("the secret stays on the page after it was put away")
	}
	return shown
}

// firstAgent enrolls one while somebody looks.
func (v *person) firstAgent(t *testing.T, l *lab.Lab, slug string, secret wazuh.Secret) {
	t.Helper()
	v.tab("Agents")
	v.sees("No agent is registered")
	idle := v.idleEnds()
	if _, err := enroll(t, l, slug, "laptop-1", secret); err != nil {
		t.Fatal(err)
	}
	enrolled := time.Now()
	v.do(chromedp.WaitVisible(`//td[contains(., "laptop-1")]`))
	took := time.Since(enrolled)
	t.Logf("the first agent was on the page %s after it had its key", took.Round(100*time.Millisecond))
	if took > arrivesWithin {
		t.Errorf("the first agent took %s to its row, want at most %s", took, arrivesWithin)
	}
	// The page read the roster anew, and nobody did anything: that keeps no session awake.
	if now := v.idleEnds(); now != idle {
		t.Errorf("the session's idle end went from %s to %s while the page kept itself fresh", idle, now)
	}
	v.look("agents")
}

// idleEnds is when the session falls idle, asked as the page asks.
func (v *person) idleEnds() string {
	v.t.Helper()
	return ask(&v.visitor, chromedp.Evaluate[string](`fetch("/api/v1/session", { headers: { "`+wire.BackgroundHeader+`": "1" } }).then((answer) => answer.json()).then(({ idleEnds }) => idleEnds)`, chromedp.EvalAwaitPromise))
}

// revokes takes the agent out, and waits until everything is seen to be done.
func (v *person) revokes() {
	v.t.Helper()
	v.do(chromedp.Click(`//td//button[normalize-space(.)="Revoke"]`), chromedp.WaitVisible("#revoke-why"))
	v.types("revoke-why", "laptop stolen, ticket 4711")
	v.look("revoke")
	v.inDialog("Revoke")
	v.sees("is being revoked")
	v.inDialog("Close")
	v.eventually("the revocation is done", `[...document.querySelectorAll('table[aria-label="Revoked agents"] .pf-v6-c-label')].some((label) => label.textContent.trim() === "Done")`)
	v.eventually("the agent is gone from the roster", `!document.querySelector('table[aria-label="Agents"]')?.textContent.includes("laptop-1")`)
	v.look("revoked")
}

// mends is shown a tenant that wants the hostname of another: above all others, and one
// click from what to do about it. It goes by itself from the page of one who looks on.
func (v *person) mends(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	const twin = "voyage-twin"
	removed(t, l, twin)
	create(t, l, twin, v1alpha1.TenantSpec{
		DisplayName: "Voyage GmbH, Hamburg", WazuhIngress: v1alpha1.WazuhIngress{Hostname: get(t, l, slug).Status.Hostname},
	})
	v.sees("1 tenant waits for a person")
	v.sees("Hostname taken")
	v.look("tenants")
	v.do(chromedp.Click(`//*[contains(@class, "causes")]//a[.="` + twin + `"]`))
	v.sees("a person must act")
	v.sees("Set another hostname, or remove it there.")
	v.look("broken")
	v.do(chromedp.Click(`//nav//a[normalize-space(.)="Tenants"]`), chromedp.WaitVisible(`//a[.="`+slug+`"]`))
	if err := l.Client.Delete(t.Context(), get(t, l, twin)); err != nil {
		t.Fatal(err)
	}
	v.eventually("the twin is gone from the page", `!document.querySelector("main").innerText.includes("`+twin+`")`)
}

func (v *person) press(name string) {
	v.t.Helper()
	v.do(chromedp.Click(`//button[normalize-space(.)="` + name + `" and not(@disabled) and not(@aria-disabled="true")]`))
}

func (v *person) inDialog(name string) {
	v.t.Helper()
	v.do(chromedp.Click(`//*[@role="dialog"]//button[normalize-space(.)="` + name + `" and not(@disabled)]`))
}

func (v *person) tab(name string) {
	v.t.Helper()
	v.do(chromedp.Click(`//button[@role="tab"][normalize-space(.)="` + name + `"]`))
}

// types writes into the field whose id ends so.
func (v *person) types(field, text string) {
	v.t.Helper()
	v.do(chromedp.SendKeys(`input[id$="`+field+`"]`, text))
}

func (v *person) sees(text string) {
	v.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		v.t.Fatal(err)
	}
	v.eventually("the page says "+text, `document.body.innerText.includes(`+string(quoted)+`)`)
}

func (v *person) eventually(what, expression string) {
	v.t.Helper()
	err := lab.Until(v.t.Context(), browserPatience, what, func(context.Context) (bool, error) {
		return ask(&v.visitor, chromedp.Evaluate[bool](expression)), nil
	})
	if err != nil {
		v.picture("stuck")
		v.t.Fatalf("%v; the page says:\n%s", err, ask(&v.visitor, chromedp.Evaluate[string](`document.body.innerText`)))
	}
}

// violation is what axe finds.
type violation struct{ ID, Help, Where string }

const judge = `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then(({ violations }) =>
  violations.map((found) => ({ ID: found.id, Help: found.help, Where: found.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ") })))`

// high is how far down a page has something to show.
const high = `Math.ceil(Math.max(0, ...[...document.querySelectorAll("#main section > *")].map((part) => part.getBoundingClientRect().bottom)) + (document.querySelector("#main")?.scrollTop ?? 0)) + 48`

// look lets axe judge the screen in both themes, and keeps pictures of it.
func (v *person) look(name string) {
	v.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		v.do(chromedp.Evaluate[chromedp.Void](`document.documentElement.classList.toggle("pf-v6-theme-dark", ` + map[string]string{"light": "false", "dark": "true"}[theme] + `)`))
		// A colour half way from one theme to the other is nobody's.
		v.do(chromedp.Evaluate[chromedp.Void](`Promise.allSettled(document.getAnimations().filter((moving) => moving.effect.getComputedTiming().iterations !== Infinity).map((moving) => moving.finished)).then(() => {})`, chromedp.EvalAwaitPromise))
		if ask(&v.visitor, chromedp.Evaluate[bool](`typeof axe === "undefined"`)) {
			v.do(chromedp.Evaluate[chromedp.Void](v.axe + ";0"))
		}
		for _, found := range ask(&v.visitor, chromedp.Evaluate[[]violation](judge, chromedp.EvalAwaitPromise)) {
			v.t.Errorf("%s, %s: axe %s: %s: %s", name, theme, found.ID, found.Help, found.Where)
		}
		// The pages scroll inside the window: it is made as high as they are, within reason.
		v.screen(1280, min(1500, max(640, ask(&v.visitor, chromedp.Evaluate[int64](high)))), "light")
		v.picture("console-" + name + "-" + theme)
		v.screen(1280, 900, "light")
	}
	v.do(chromedp.Evaluate[chromedp.Void](`document.documentElement.classList.remove("pf-v6-theme-dark")`))
}
