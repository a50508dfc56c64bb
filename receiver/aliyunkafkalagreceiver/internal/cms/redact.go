package cms

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

// redact makes the text of the service fit to be shown: one line, short, without the secrets of the call. It returns e.
func (e *Error) redact(secrets ...string) *Error {
	replacer := secretReplacer(secrets)
	e.Message = cleanMessage(replacer.Replace(e.Message))
	e.Code = cleanName(replacer.Replace(e.Code))
	e.RequestID = cleanName(replacer.Replace(e.RequestID))
	return e
}

// secretReplacer replaces the secrets as they are and as the canonical request of a signature writes them.
func secretReplacer(secrets []string) *strings.Replacer {
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			once := url.QueryEscape(s)
			pairs = append(pairs, url.QueryEscape(once), redacted, once, redacted, s, redacted)
		}
	}
	return strings.NewReplacer(pairs...)
}

// cleanMessage returns one line of printable text without anything that looks like a secret.
func cleanMessage(s string) string {
	s = tokenLike.ReplaceAllString(s, redacted)
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	return truncate(strings.Join(strings.Fields(s), " "), maxMessageRunes)
}

// cleanName returns what may be a code or an ID.
func cleanName(s string) string {
	s = tokenLike.ReplaceAllString(s, redacted)
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-[]", r) {
			return r
		}
		return -1
	}, s)
	return truncate(s, maxNameRunes)
}

func truncate(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
