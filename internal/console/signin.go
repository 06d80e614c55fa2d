package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/throttle"
)

// anonymous is whom the API server takes a request without credentials for.
const anonymous = "system:anonymous"

// signIn asks the API server whose token it is, with that token. The console needs no
// right for that: everybody may ask who he is.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) error {
	var request wire.SignInRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	token := strings.TrimSpace(request.Token)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse(http.StatusUnprocessableEntity, "token", "that is no token", "paste what kubectl create token prints, in one line")
	}
	from := throttle.Client(r, c.options.Proxies)
	if !c.signIns.Allow(from, c.options.Now()) {
		return refuse(http.StatusServiceUnavailable, "", "too many sign in at this moment", "try again in a few seconds")
	}
	one, err := c.visitFor(func(config *rest.Config) { config.BearerToken = token })
	if err != nil {
		return err
	}
	err = c.enter(w, r, one)
	if apierrors.IsUnauthorized(err) {
		c.options.Log.Info("sign-in refused", "from", from.String())
		return refuse(http.StatusUnauthorized, "token", "the cluster does not accept this token", "it may have expired; make another, such as with kubectl create token NAME")
	}
	if err != nil {
		return err
	}
	return give(w, c.session(one))
}

// enter asks the API server who comes, and begins the visit. It is an Unauthorized error
// if the API server does not know the token.
func (c *Console) enter(w http.ResponseWriter, r *http.Request, one *visit) error {
	review := &authenticationv1.SelfSubjectReview{}
	if err := one.desk.Create(r.Context(), review); err != nil {
		return err
	}
	if review.Status.UserInfo.Username == anonymous {
		return apierrors.NewUnauthorized("it takes the token for nobody's")
	}
	one.user, one.groups = review.Status.UserInfo.Username, list(review.Status.UserInfo.Groups)
	if before := c.visitOf(r); before != nil {
		c.visits.finish(before) // its cookie is about to be replaced
	}
	name := c.visits.begin(one)
	c.options.Log.Info("signed in", "user", one.user, "from", throttle.Client(r, c.options.Proxies).String())
	http.SetCookie(w, c.cookie(r, name))
	http.SetCookie(w, c.carried(r, problemCookie, ""))
	return nil
}

// visitFor makes what a person with those credentials acts through.
func (c *Console) visitFor(credentials func(*rest.Config)) (*visit, error) {
	config := rest.AnonymousClientConfig(c.options.Cluster)
	credentials(config)
	config.WarningHandler = rest.NoWarnings{} // the log is for what people do
	config.QPS = -1                           // one person's requests; the server protects itself
	config.UserAgent = naming.Product + "-console/" + c.options.Version
	d, err := desk.New(config, c.options.Scheme, naming.Product+"-console")
	if err != nil {
		return nil, err
	}
	d.System = c.options.System
	watch, err := client.NewWithWatch(config, client.Options{Scheme: c.options.Scheme, Log: logr.Discard()})
	if err != nil {
		return nil, err
	}
	return &visit{desk: d, watch: watch}, nil
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) error {
	if one := c.visitOf(r); one != nil {
		c.visits.finish(one)
		c.options.Log.Info("signed out", "user", one.user)
	}
	http.SetCookie(w, c.cookie(r, ""))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Console) whoAmI(w http.ResponseWriter, _ *http.Request, one *visit) error {
	return give(w, c.session(one))
}

func (c *Console) session(one *visit) wire.Session {
	always, idle := one.ends()
	return wire.Session{
		User: one.user, Groups: one.groups, Cluster: c.options.Cluster.Host, Now: c.options.Now().UTC(), Ends: always.UTC(), IdleEnds: idle.UTC(),
	}
}

// visitOf is whose request it is; nil for nobody who is signed in.
func (c *Console) visitOf(r *http.Request) *visit {
	cookie, err := r.Cookie(c.cookieName(r))
	if err != nil {
		return nil
	}
	return c.visits.find(cookie.Value, caused(r))
}

// caused says whether a person stands behind a request. An open page reads by itself for
// as long as it is open, so reading says nothing; a page that notices somebody at work
// says so by asking who is signed in.
func caused(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	return r.Header.Get(wire.BackgroundHeader) == "" && (!reads || r.URL.Path == "/api/v1/session")
}

// person answers somebody who is signed in, within a time.
func (c *Console) person(handle func(http.ResponseWriter, *http.Request, *visit) error) http.Handler {
	return bounded(c.lasting(handle))
}

// lasting answers him for as long as he listens.
func (c *Console) lasting(handle func(http.ResponseWriter, *http.Request, *visit) error) http.Handler {
	return open(func(w http.ResponseWriter, r *http.Request) error {
		one := c.visitOf(r)
		if one == nil {
			return errSignedOut
		}
		if err := c.fresh(w, r, one); err != nil {
			return err
		}
		err := handle(w, r, one)
		if apierrors.IsUnauthorized(err) {
			c.visits.finish(one) // the token has ended before the session
			http.SetCookie(w, c.cookie(r, ""))
			return errSignedOut
		}
		return err
	})
}

var errSignedOut = refuse(http.StatusUnauthorized, "", "you are not signed in, or not any more", "sign in")

// refusal is an answer with a status of its own.
type refusal struct {
	status int
	wire.Problem
}

func (r *refusal) Error() string { return r.Problem.Error }

func refuse(status int, field, text, next string) error {
	return &refusal{status, wire.Problem{Error: text, Field: field, Next: next}}
}

// asRefusal finds one in an error.
func asRefusal(err error) *refusal {
	var known *refusal
	if errors.As(err, &known) {
		return known
	}
	return nil
}
