package lab_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// told counts the Events on a tenant with a reason, and joins their notes.
func told(t *testing.T, l *lab.Lab, slug, reason string) (count int, notes string) {
	t.Helper()
	var all eventsv1.EventList
	if err := l.Client.List(t.Context(), &all, client.InNamespace("default")); err != nil {
		t.Fatal(err)
	}
	for _, event := range all.Items {
		if event.Regarding.Name == slug && event.Reason == reason {
			count++
			notes += event.Note + "\n"
		}
	}
	return count, notes
}

// Ten people at the same secret: one sees it, nine are told who.
func TestASecretIsRevealedOnce(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "secretive", v1alpha1.TenantSpec{})
	becomesReady(t, l, "secretive")
	want := enrollmentSecret(t, l, "secretive").Reveal()
	const racers = 10
	var start, done sync.WaitGroup
	start.Add(1)
	shown, failures := make([][]byte, racers), make([]error, racers)
	for i := range racers {
		done.Go(func() {
			start.Wait()
			by := reveal.Entry{By: "racer", At: time.Now(), Why: "a race"}
			shown[i], failures[i] = reveal.Consume(t.Context(), l.Client, reveal.Enrollment("secretive"), by)
		})
	}
	start.Done()
	done.Wait()
	winners := 0
	for i := range racers {
		var spent *reveal.Spent
		switch {
		case failures[i] == nil && string(shown[i]) == want+"\n":
			winners++
		case !errors.As(failures[i], &spent) || len(shown[i]) > 0:
			t.Errorf("racer %d: %d bytes, %v", i, len(shown[i]), failures[i])
		case spent.Status.Revealed == nil || spent.Status.Revealed.Why != "a race":
			t.Errorf("racer %d is not told who was first: %v", i, spent)
		}
	}
	if winners != 1 {
		t.Fatalf("%d of %d saw the secret", winners, racers)
	}
	count, note := told(t, l, "secretive", v1alpha1.EventSecretRevealed)
	if count != 1 || strings.Contains(note, want) || !strings.Contains(note, "a race") {
		t.Errorf("%d events: %s", count, strings.ReplaceAll(note, want, "THE SECRET"))
	}

	// By the command line: refused, re-armed, revealed into a file, refused again.
	if code, out, talk := run(t, l, "secret", "reveal", "secretive", "--why", "again"); code != 4 || out != "" || !strings.Contains(talk, "racer") {
		t.Errorf("a second reveal: exit %d, %d bytes, %s", code, len(out), talk)
	}
	succeed(t, l, "secret", "rearm", "secretive", "--why", "the file was lost")
	file := filepath.Join(t.TempDir(), "authd.pass")
	if out := succeed(t, l, "secret", "reveal", "secretive", "--why", "into a file", "--to-file", file); out != "" {
		t.Error("standard output has something although a file was asked for")
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != want+"\n" {
		t.Errorf("the file has %d bytes, %v", len(text), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v, %v", info.Mode(), err)
	}
	if code, _, talk := run(t, l, "secret", "reveal", "secretive", "--why", "a third time"); code != 4 {
		t.Errorf("a third reveal: exit %d, %s", code, talk)
	}
	status := succeed(t, l, "secret", "status", "secretive", "-o", "json")
	var view struct {
		State             string
		Revealed, Rearmed *reveal.Entry
	}
	if err := json.Unmarshal([]byte(status), &view); err != nil {
		t.Fatal(err)
	}
	if view.State != "revealed" || view.Revealed == nil || view.Revealed.Why != "into a file" || view.Revealed.By == "" || view.Rearmed == nil || view.Rearmed.Why != "the file was lost" {
		t.Errorf("got %s", status)
	}
	if strings.Contains(status, want) {
		t.Error("the status shows the secret")
	}
	if count, _ := told(t, l, "secretive", v1alpha1.EventSecretRearmed); count != 1 {
		t.Errorf("%d events of the re-arming", count)
	}
	// Nothing else of the tenant cares about the annotations.
	becomesReady(t, l, "secretive")
}

// A reveal that cannot be audited, or written where it was asked to, spends nothing.
func TestARevealThatCannotBeKeptSpendsNothing(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "careful", v1alpha1.TenantSpec{})
	becomesReady(t, l, "careful")
	file := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := run(t, l, "secret", "reveal", "careful", "--why", "w", "--to-file", file); code != 2 {
		t.Errorf("a file that exists: exit %d", code)
	}
	if text, _ := os.ReadFile(file); string(text) != "mine" {
		t.Error("the file that was there is gone")
	}
	if code, _, talk := run(t, l, "secret", "reveal", "careful", "--why", "w", "--secret", "wazuh-tls", "--key", "tls.key"); code != 4 || !strings.Contains(talk, "not there to be shown") {
		t.Errorf("a private key: exit %d, %s", code, talk)
	}
	if code, _, talk := run(t, l, "secret", "reveal", "careful", "--why", "w", "--as", "system:serviceaccount:default:nobody"); code != 1 {
		t.Errorf("somebody without rights: exit %d, %s", code, talk)
	}
	status, err := reveal.Look(t.Context(), l.Client, reveal.Enrollment("careful"))
	if err != nil || status.State != reveal.Armed || status.Revealed != nil {
		t.Errorf("got %+v, %v", status, err)
	}
}

// The bundle is the same each time; with the secret in it, it is a reveal.
func TestTheBundle(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "bundled", v1alpha1.TenantSpec{})
	becomesReady(t, l, "bundled")
	folder := t.TempDir()
	var archives [][]byte
	for _, name := range []string{"one.zip", "two.zip"} {
		succeed(t, l, "onboard", "bundled", "--bundle", filepath.Join(folder, name))
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, text)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same kit makes two archives")
	}
	if _, there := unzip(t, archives[0])["bundled-wazuh-agents/authd.pass"]; there {
		t.Error("the secret is in the archive unasked")
	}
	with := filepath.Join(folder, "with.zip")
	succeed(t, l, "onboard", "bundled", "--bundle", with, "--with-secret", "--why", "handed over in person")
	text, err := os.ReadFile(with)
	if err != nil {
		t.Fatal(err)
	}
	if got := unzip(t, text)["bundled-wazuh-agents/authd.pass"]; string(got) != enrollmentSecret(t, l, "bundled").Reveal()+"\n" {
		t.Error("the secret is not in the archive")
	}
	if info, err := os.Stat(with); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again := filepath.Join(folder, "again.zip")
	if code, _, talk := run(t, l, "onboard", "bundled", "--bundle", again, "--with-secret", "--why", "once more"); code != 4 || !strings.Contains(talk, "handed over in person") {
		t.Errorf("a second time: exit %d, %s", code, talk)
	}
	if _, err := os.Stat(again); err == nil {
		t.Error("a refused bundle leaves a file")
	}
}
