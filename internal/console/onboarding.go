package console

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/onboard/kit"
)

// sheetFor is a tenant's sheet, as the query wishes.
func sheetFor(r *http.Request, one *visit) (onboard.Sheet, string, error) {
	query := r.URL.Query()
	in, _, err := one.desk.SheetInput(r.Context(), r.PathValue("slug"), desk.Wishes{Version: query.Get("version"), Group: query.Get("group")})
	if err != nil {
		return onboard.Sheet{}, "", err
	}
	sheet, err := desk.Sheet(in)
	return sheet, in.AuthorityPEM, err
}

func (c *Console) onboarding(w http.ResponseWriter, r *http.Request, one *visit) error {
	sheet, authority, err := sheetFor(r, one)
	if err != nil {
		return err
	}
	return give(w, wire.Onboarding{Sheet: sheet, AuthorityPEM: authority})
}

// bundle is the onboarding kit as a zip archive, without the secret.
func (c *Console) bundle(w http.ResponseWriter, r *http.Request, one *visit) error {
	sheet, _, err := sheetFor(r, one)
	if err != nil {
		return err
	}
	files, err := kit.Files(sheet, nil)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := kit.WriteZip(&archive, kit.Folder(sheet), files); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+kit.Folder(sheet)+`.zip"`)
	_, _ = w.Write(archive.Bytes())
	return nil
}

func (c *Console) handovers(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug := r.PathValue("slug")
	if _, err := one.desk.Tenant(r.Context(), slug); err != nil {
		return err
	}
	var held v1alpha1.HandoverList
	if err := one.desk.List(r.Context(), &held, client.InNamespace(naming.Namespace(slug))); err != nil {
		return err
	}
	views := wire.Handovers{URL: c.options.Links, Handovers: []wire.Handover{}}
	for i := range held.Items {
		views.Handovers = append(views.Handovers, handover.ViewOf(&held.Items[i], c.options.Now()))
	}
	slices.SortFunc(views.Handovers, func(a, b wire.Handover) int { return b.Created.Compare(a.Created) })
	return give(w, views)
}

// defaultLife of a link, as the command line has it.
const defaultLife = 24 * time.Hour

func (c *Console) makeHandover(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.HandoverRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	if c.options.Links == "" {
		return refuse(http.StatusConflict, "", "this console was not told where links are served", "start it with --handover-url, such as https://onboard.mssp.example.com")
	}
	life := defaultLife
	if request.Expires != "" {
		var err error
		if life, err = time.ParseDuration(request.Expires); err != nil {
			return refuse(http.StatusUnprocessableEntity, "expires", strconv.Quote(request.Expires)+": write a time from now, such as 24h", "")
		}
	}
	if err := errors.Join(inField("expires", desk.CheckLife(life)), checkWhy(request.Why)); err != nil {
		return err
	}
	slug := r.PathValue("slug")
	in, _, err := one.desk.SheetInput(r.Context(), slug, desk.Wishes{Version: request.Version, Group: request.Group})
	if err != nil {
		return err
	}
	var warning error
	link, made, err := one.desk.MakeHandover(r.Context(), in, life, request.Why, func(err error) { warning = errors.Join(warning, err) })
	if err != nil {
		return err
	}
	c.options.Log.Info("link made", "user", one.user, "tenant", slug, "handover", link.Name)
	view := wire.Link{Name: link.Name, URL: link.URL(c.options.Links), Expires: made.Spec.Expires.UTC()}
	if warning != nil {
		view.Warning = warning.Error()
	}
	answer(w, http.StatusCreated, view)
	return nil
}

func (c *Console) endHandover(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.WhyRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	if err := checkWhy(request.Why); err != nil {
		return err
	}
	slug, name := r.PathValue("slug"), r.PathValue("name")
	var warning error
	err := one.desk.RevokeHandover(r.Context(), slug, name, request.Why, func(err error) { warning = errors.Join(warning, err) })
	if err != nil {
		return err
	}
	c.options.Log.Info("link taken back", "user", one.user, "tenant", slug, "handover", name)
	return accept(w, "link "+name+" opens nothing any more", warning)
}
