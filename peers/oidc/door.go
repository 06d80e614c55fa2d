package main

import (
	"context"
	"html/template"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// door is where people say who they are, or that they would rather not.
type door struct {
	books    *books
	provider op.Authorizer
	goOn     func(ctx context.Context, id string) string
}

var page = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Provider</title>
<h1>Sign in to the provider</h1>{{with .Problem}}<p>{{.}}</p>{{end}}
<form method="post"><input type="hidden" name="id" value="{{.ID}}">
<label>Name <input id="username" name="username"></label>
<label>Password <input id="password" name="password" type="password"></label>
<button id="enter" name="answer" value="enter">Sign in</button>
<button id="refuse" name="answer" value="refuse">Refuse</button></form></html>`))

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, problem := r.FormValue("id"), ""
	switch r.PostFormValue("answer") {
	case "refuse":
		request, err := d.books.AuthRequestByID(r.Context(), id)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		op.AuthRequestError(w, r, request, oidc.ErrAccessDenied().WithDescription("the person refused"), d.provider)
		return
	case "enter":
		err := d.books.CheckUsernamePassword(r.PostFormValue("username"), r.PostFormValue("password"), id)
		if err == nil {
			http.Redirect(w, r, d.goOn(r.Context(), id), http.StatusSeeOther)
			return
		}
		problem = err.Error()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, struct{ ID, Problem string }{id, problem})
}
