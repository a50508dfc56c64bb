package alicloud

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

const (
	redacted        = "[redacted]"
	maxMessageRunes = 200
	maxNameRunes    = 100
)

// tokenLike finds what looks like a token or a signature, and a URL with a password. A reply may repeat part of a
// request, so the known secrets are not enough. A request ID has 36 characters.
var tokenLike = regexp.MustCompile(`[A-Za-z0-9+/=_%-]{40,}|\S*@\S*`)

// redact makes the text of the service fit to be shown: one line, short, without the other secret and those of cred,
// which may be nil. It returns e.
func (e *Error) redact(cred *credential, other string) *Error {
	if cred == nil {
		cred = &credential{}
	}
	var pairs []string
	for _, s := range []string{cred.id, cred.secret, cred.token, other} {
		if s != "" { // as it is, and as the canonical request of a signature writes it
			once := url.QueryEscape(s)
			pairs = append(pairs, url.QueryEscape(once), redacted, once, redacted, s, redacted)
		}
	}
	replacer := strings.NewReplacer(pairs...)
	e.Message = cleanMessage(replacer.Replace(e.Message))
	e.Code = cleanName(replacer.Replace(e.Code))
	e.RequestID = cleanName(replacer.Replace(e.RequestID))
	return e
}

// cleanMessage returns one line of printable text without anything that looks like a secret.
func cleanMessage(s string) string {
	s = clean(s, ' ', unicode.IsPrint)
	return truncate(strings.Join(strings.Fields(s), " "), maxMessageRunes)
}

// cleanName returns what may be a code or an ID.
func cleanName(s string) string {
	return truncate(clean(s, -1, func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-[]", r)
	}), maxNameRunes)
}

// clean replaces what looks like a secret, and every character that is not allowed; -1 removes it.
func clean(s string, by rune, allowed func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if allowed(r) {
			return r
		}
		return by
	}, tokenLike.ReplaceAllString(s, redacted))
}

func truncate(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
