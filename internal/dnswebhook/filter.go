package dnswebhook

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// filter says which names the provider was set up for; it tells with every
// listing. The zero value lets everything pass.
type filter struct {
	Include      []string `json:"include,omitempty"`
	Exclude      []string `json:"exclude,omitempty"`
	RegexInclude string   `json:"regexInclude,omitempty"`
	RegexExclude string   `json:"regexExclude,omitempty"`

	include, exclude *regexp.Regexp
}

func (f *filter) compile() error {
	patterns := f.RegexInclude != "" || f.RegexExclude != ""
	if patterns && len(f.Include)+len(f.Exclude) > 0 {
		return errors.New("lists of domains and patterns at the same time")
	}
	var err error
	if f.RegexInclude != "" {
		if f.include, err = regexp.Compile(f.RegexInclude); err != nil {
			return fmt.Errorf("regexInclude: %w", err)
		}
	}
	if f.RegexExclude != "" {
		if f.exclude, err = regexp.Compile(f.RegexExclude); err != nil {
			return fmt.Errorf("regexExclude: %w", err)
		}
	}
	return nil
}

// match is true for names it manages.
func (f *filter) match(name string) bool {
	switch {
	case f.exclude != nil && f.exclude.MatchString(name):
		return false
	case f.include != nil:
		return f.include.MatchString(name)
	}
	in := func(domain string) bool {
		domain = plain(strings.TrimSpace(domain))
		if strings.HasPrefix(domain, ".") {
			return strings.HasSuffix(name, domain)
		}
		return domain != "" && (name == domain || strings.HasSuffix(name, "."+domain))
	}
	return (len(f.Include) == 0 || slices.ContainsFunc(f.Include, in)) && !slices.ContainsFunc(f.Exclude, in)
}

// String is what it lets pass, in words.
func (f *filter) String() string {
	var words []string
	if len(f.Include) > 0 {
		words = append(words, strings.Join(f.Include, ", "))
	}
	if f.RegexInclude != "" {
		words = append(words, "names like "+f.RegexInclude)
	}
	if len(f.Exclude) > 0 {
		words = append(words, "without "+strings.Join(f.Exclude, ", "))
	}
	if f.RegexExclude != "" {
		words = append(words, "without names like "+f.RegexExclude)
	}
	return strings.Join(words, ", ")
}
