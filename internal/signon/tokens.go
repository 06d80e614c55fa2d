package signon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/soctalk/soctalk-ingress/internal/fault"
)

const (
	// renewBefore is how long before its end an ID token is renewed, or a fifth of its
	// life if that is less.
	renewBefore = time.Minute
	// renewAgain is how long a provider that did not answer is left alone.
	renewAgain = 10 * time.Second
)

// Tokens are what one person was given. It is an oauth2.TokenSource whose token is the
// ID token, renewed shortly before it ends by whoever asks next.
type Tokens struct {
	provider *Provider
	subject  string
	// turn is held by who renews.
	turn chan struct{}

	mu      sync.Mutex
	id      string
	refresh string
	ends    time.Time
	renew   time.Time
	failed  error // the last try, if it failed
	over    error // why there will be no further token
}

// Ended is the end of what a person was given; signing in again helps.
type Ended struct{ Err error }

func (e *Ended) Error() string { return e.Err.Error() }
func (e *Ended) Unwrap() error { return e.Err }

// Over is why there will be no further token; nil while there is no such reason.
func (t *Tokens) Over() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over
}

// Token is the ID token of now.
func (t *Tokens) Token() (*oauth2.Token, error) {
	now := t.provider.config.Now()
	t.mu.Lock()
	over, due, ended := t.over, !now.Before(t.renew), !now.Before(t.ends)
	t.mu.Unlock()
	if over != nil {
		return nil, over
	}
	if due {
		t.renewIn(now, ended)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over != nil:
		return nil, t.over
	case !now.Before(t.ends):
		return nil, t.failed
	}
	return &oauth2.Token{AccessToken: t.id, TokenType: "Bearer"}, nil
}

// renewIn renews in turn. Who still has a token that is good does not wait for it.
func (t *Tokens) renewIn(now time.Time, ended bool) {
	if ended {
		t.turn <- struct{}{}
	} else {
		select {
		case t.turn <- struct{}{}:
		default:
			return
		}
	}
	defer func() { <-t.turn }()
	t.mu.Lock()
	refresh, done := t.refresh, now.Before(t.renew) || t.over != nil
	t.mu.Unlock()
	if done {
		return // somebody else has, in the meantime
	}
	err := t.renewOnce(refresh, ended)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = err
	var last *Ended
	switch {
	case errors.As(err, &last):
		t.over, t.refresh = err, ""
	case err != nil:
		t.renew = now.Add(renewAgain)
	}
}

func (t *Tokens) renewOnce(refresh string, ended bool) error {
	p := t.provider
	if refresh == "" {
		if !ended {
			return nil
		}
		return &Ended{fault.New(fault.Refused, fmt.Errorf("what %s gave you has ended, and it gave nothing to renew it with", p.config.Name),
			"sign in again; the provider must allow this client offline_access, or whatever it calls refresh tokens, for longer sessions")}
	}
	ctx, stop := context.WithTimeout(context.Background(), providerPatience)
	defer stop()
	known, err := p.discover(ctx)
	if err != nil {
		return err
	}
	oauth := known.oauth
	if oauth.ClientSecret, err = p.secret(); err != nil {
		return err
	}
	given, err := oauth.TokenSource(p.context(ctx), &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		err = p.notGiven("a new token", err)
		if fault.ClassOf(err) == fault.Refused {
			return &Ended{fault.New(fault.Refused, fmt.Errorf("your session at the identity provider has ended: %w", err), "sign in again")}
		}
		return err
	}
	_, err = t.take(ctx, known, given)
	if err != nil && fault.ClassOf(err) == fault.Refused {
		return &Ended{err}
	}
	return err
}

// take checks what the provider gave, and keeps it.
func (t *Tokens) take(ctx context.Context, known *discovered, given *oauth2.Token) (*oidc.IDToken, error) {
	p := t.provider
	raw, _ := given.Extra("id_token").(string)
	if raw == "" {
		return nil, fault.New(fault.Refused, fmt.Errorf("%s gave no ID token", p.config.Name), "the provider must know the scope openid for this client")
	}
	token, err := known.verifier.Verify(p.context(ctx), raw)
	if err != nil {
		return nil, fault.New(fault.Refused, fmt.Errorf("the ID token of %s is not to be trusted: %s", p.config.Name, clean(err.Error())),
			"whoever runs the console should compare issuer, client id and clocks with the provider's")
	}
	var party struct {
		Authorized string `json:"azp"`
	}
	if err := token.Claims(&party); err != nil || party.Authorized != "" && party.Authorized != p.config.ClientID {
		return nil, fault.New(fault.Refused, fmt.Errorf("the ID token of %s was made for another client", p.config.Name), "whoever runs the console should compare the client id with the provider's")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subject != "" && token.Subject != t.subject {
		return nil, fault.New(fault.Refused, fmt.Errorf("%s renewed your token with somebody else's", p.config.Name), "sign in again")
	}
	t.subject, t.id, t.ends = token.Subject, raw, token.Expiry
	if given.RefreshToken != "" {
		t.refresh = given.RefreshToken // where they are used once, this is the next
	}
	now := p.config.Now()
	t.renew = token.Expiry.Add(-min(renewBefore, token.Expiry.Sub(now)/5))
	return token, nil
}
