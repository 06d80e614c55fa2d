package lab_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// browserPatience is for one action, and generous: the machine may be busy.
const browserPatience = 2 * time.Minute

const browserProgram = "chromium"

// newBrowser starts Chromium.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browserProgram), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		// The page's own answers are the only ones there are.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.WSURLReadTimeout(browserPatience))
	allocated, cancelAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		cancel()
		cancelAllocator()
		t.Fatalf("start chromium: %v", err)
	}
	t.Cleanup(func() { cancel(); cancelAllocator() })
	return ctx
}

// A person opens a link in a real browser: nothing happens before the button is
// pressed, the secret is hidden until asked for, the kit can be saved, and the
// same link says "already used" afterwards.
func TestAPersonOpensTheLink(t *testing.T) {
	if _, err := exec.LookPath(browserProgram); err != nil {
		t.Skip("MISSING: chromium is not installed, so nobody opened the page in a browser; as root: bash hack/install-peers.sh")
	}
	l := installation(t)
	create(t, l, "visited", v1alpha1.TenantSpec{DisplayName: "Visited GmbH & Co. KG"})
	becomesReady(t, l, "visited")
	secret := enrollmentSecret(t, l, "visited").Reveal()
	server, _ := site(t, l, nil)
	_, fragment := newLink(t, l, "visited")
	link := server.URL + "/kit#" + fragment
	see := &visitor{t: t, ctx: newBrowser(t), pictures: pictureFolder(t)}

	see.screen(1100, 800, "light")
	see.do(chromedp.Navigate(link), chromedp.WaitEnabled("#open"))
	see.picture("closed-light")
	see.screen(375, 720, "dark")
	see.picture("closed-phone-dark")
	if handoverOf(t, l, "visited", fragment).Status.OpenedAt != nil {
		t.Fatal("looking at the page spent the link")
	}
	see.screen(1100, 800, "light")
	see.do(chromedp.Click("#open"), chromedp.WaitVisible("#title"))
	see.picture("opened-light")
	if address := ask(see, chromedp.Location()); strings.Contains(address, "#") {
		t.Error("the link stays in the address bar after it is used up")
	}
	body := ask(see, chromedp.OuterHTML("html"))
	if strings.Contains(body, secret) || !strings.Contains(ask(see, chromedp.Text("#secret")), "•") {
		t.Error("the secret is shown unasked")
	}
	for _, want := range []string{"Visited GmbH &amp; Co. KG", "visited." + domain, "1514", "1515", "BEGIN CERTIFICATE"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	see.do(chromedp.Click("#show"))
	if ask(see, chromedp.Text("#secret")) != secret {
		t.Error("Show does not show the secret")
	}
	see.do(chromedp.Click("#show"))
	see.screen(1100, 800, "dark")
	see.picture("opened-dark")
	see.screen(375, 720, "light")
	see.picture("opened-phone-light")
	if ask(see, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)) {
		t.Error("on a phone the page scrolls sideways")
	}
	see.screen(1100, 800, "light")
	see.do(chromedp.Click("#deb-amd64 summary"), chromedp.WaitVisible("#deb-amd64 .copy"))
	see.picture("opened-platform")

	saved := see.download(t.TempDir(), "visited-wazuh-agents.zip")
	if got := unzip(t, saved)["visited-wazuh-agents/authd.pass"]; string(got) != secret+"\n" {
		t.Error("the saved kit does not have the secret")
	}

	// Away and back: a change of the fragment alone would not load the page anew.
	see.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link), chromedp.WaitEnabled("#open"), chromedp.Click("#open"), chromedp.WaitVisible("#problem"))
	see.picture("used-light")
	if title, told := ask(see, chromedp.Text("#closed-title")), ask(see, chromedp.Text("#problem")); title != "Already used" || !strings.Contains(told, "already used") {
		t.Errorf("a second time: %q, %q", title, told)
	}
}

// visitor is the person at the browser.
type visitor struct {
	t        *testing.T
	ctx      context.Context
	pictures string
}

func (v *visitor) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	for _, step := range steps {
		ask(v, step)
	}
}

func ask[T any](v *visitor, question chromedp.Action[T]) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, browserPatience)
	defer cancel()
	answer, err := chromedp.Run(ctx, question)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer
}

func (v *visitor) screen(width, height int64, scheme string) {
	v.t.Helper()
	v.do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// picture keeps a screenshot, and finds out whether there is anything on it.
func (v *visitor) picture(name string) {
	v.t.Helper()
	image := ask(v, chromedp.FullScreenshot(100))
	if len(image) < 5000 {
		v.t.Errorf("the picture %s has %d bytes: the page is empty", name, len(image))
	}
	if err := os.WriteFile(filepath.Join(v.pictures, name+".png"), image, 0o600); err != nil {
		v.t.Fatal(err)
	}
}

// download presses the button and returns what was saved.
func (v *visitor) download(folder, name string) []byte {
	v.t.Helper()
	v.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder,
		})
		return err
	}), chromedp.Click("#download"))
	var saved []byte
	eventually(v.t, "the kit is saved", func(context.Context) (bool, error) {
		var err error
		saved, err = os.ReadFile(filepath.Join(folder, name))
		return err == nil && bytes.Contains(saved, []byte("PK\x05\x06")), nil
	})
	return saved
}

// pictureFolder is where screenshots go: kept where SOCTALK_PICTURES says.
func pictureFolder(t *testing.T) string {
	if folder := os.Getenv("SOCTALK_PICTURES"); folder != "" {
		return folder
	}
	return t.TempDir()
}
