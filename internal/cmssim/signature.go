package cmssim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const signatureAlgorithm = "ACS3-HMAC-SHA256"

// mandatoryHeaders have to be sent and signed (Alibaba Cloud, "V3 request body and signature").
var mandatoryHeaders = [...]string{
	"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version",
}

// Signature returns the ACS3-HMAC-SHA256 signature of a request, lower-case hexadecimal, over the headers named, in lower
// case and sorted. The hash of the body is taken from the header x-acs-content-sha256.
//
// Source: Alibaba Cloud, "V3 request body and signature".
func Signature(r *http.Request, signedHeaders []string, secret string) string {
	var headers strings.Builder
	for _, name := range signedHeaders {
		headers.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	canonical := strings.Join([]string{
		r.Method,
		r.URL.EscapedPath(),
		canonicalQuery(r.URL.Query()),
		headers.String(),
		strings.Join(signedHeaders, ";"),
		r.Header.Get("x-acs-content-sha256"),
	}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signatureAlgorithm + "\n" + hex.EncodeToString(hash[:])))
	return hex.EncodeToString(mac.Sum(nil))
}

// VerifySignature checks that the signature of a is the one of r, and covers what it has to. Its error says what is wrong,
// and never shows the right signature.
func VerifySignature(r *http.Request, a Authorization, secret string) error {
	if !slices.IsSorted(a.SignedHeaders) {
		return fmt.Errorf("SignedHeaders %q is not sorted", strings.Join(a.SignedHeaders, ";"))
	}
	for _, name := range headersToSign(r) {
		if headerValue(r, name) == "" {
			return fmt.Errorf("header %s is missing", name)
		}
		if !slices.Contains(a.SignedHeaders, name) {
			return fmt.Errorf("header %s is not in SignedHeaders %q", name, strings.Join(a.SignedHeaders, ";"))
		}
	}
	if want := Signature(r, a.SignedHeaders, secret); !hmac.Equal([]byte(want), []byte(a.Signature)) {
		return fmt.Errorf("signature %q does not match the request", a.Signature)
	}
	return nil
}

// Authorization is a parsed Authorization header of the form
// "ACS3-HMAC-SHA256 Credential=<AccessKey ID>,SignedHeaders=<a;b;c>,Signature=<hexadecimal>".
type Authorization struct {
	Credential    string
	SignedHeaders []string // lower case
	Signature     string
}

// ParseAuthorization parses an Authorization header. Its error names the part that is missing or unknown.
func ParseAuthorization(header string) (Authorization, error) {
	fields, ok := strings.CutPrefix(header, signatureAlgorithm+" ")
	if !ok {
		return Authorization{}, fmt.Errorf("Authorization does not start with %q", signatureAlgorithm+" ")
	}
	var a Authorization
	for field := range strings.SplitSeq(fields, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch key {
		case "Credential":
			a.Credential = value
		case "SignedHeaders":
			a.SignedHeaders = strings.Split(value, ";")
		case "Signature":
			a.Signature = value
		default:
			return Authorization{}, fmt.Errorf("Authorization has an unknown field %q", key)
		}
	}
	if a.Credential == "" || len(a.SignedHeaders) == 0 || a.Signature == "" {
		return Authorization{}, fmt.Errorf("Authorization lacks one of Credential, SignedHeaders and Signature")
	}
	return a, nil
}

// headersToSign is the mandatory headers and every x-acs-* header of the request.
func headersToSign(r *http.Request) []string {
	names := slices.Clone(mandatoryHeaders[:])
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-acs-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func headerValue(r *http.Request, name string) string {
	if name == "host" {
		return r.Host
	}
	return strings.TrimSpace(strings.Join(r.Header.Values(name), ","))
}

func canonicalQuery(q url.Values) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(q)) {
		for _, value := range q[key] {
			pairs = append(pairs, rfc3986(key)+"="+rfc3986(value))
		}
	}
	return strings.Join(pairs, "&")
}

// rfc3986 escapes everything but A-Z a-z 0-9 - _ . ~
func rfc3986(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
